package gateway

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"

	"trunkline/internal/freeswitch"
	"trunkline/internal/pbx"
	"trunkline/internal/sealing"
)

// batch is the reload batch of one switch: whoever comes while a round runs shares the next one, so that any
// number of new gateways that wait costs one rescan of each profile.
type batch struct {
	sw      *freeswitch.Switch
	pbx     *pbx.PBX
	keys    *sealing.Keys
	log     *slog.Logger
	limits  Limits
	working sync.WaitGroup // the rounds that run

	mu      sync.Mutex
	waiting []*group
	running bool
	coming  int           // how many callers are on their way here
	allCame chan struct{} // closed when none is; nil: nobody waits for that
}

// takeUp returns once the switch shows what each row says, or why it does not. When ctx ends it leaves the
// wants that have not ended: those of a round in progress may still be taken up. came is called when they
// wait for their round, and ended with each one that has ended, from any goroutine: it must return at once.
func (b *batch) takeUp(ctx context.Context, wants []*want, ended func(*want), note func(string), came func()) []taken {
	g := &group{waiting: slices.Clone(wants), left: len(wants), done: make(chan struct{}), ended: ended, note: note}
	for _, w := range wants {
		w.group = g
	}
	b.mu.Lock()
	b.waiting = append(b.waiting, g)
	if !b.running {
		b.running = true
		b.working.Go(func() { b.rounds(context.WithoutCancel(ctx)) })
	}
	b.mu.Unlock()
	came()
	select {
	case <-g.done:
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	g.abandoned, g.waiting = true, nil
	results := make([]taken, len(wants))
	for i, w := range wants {
		switch w.turn {
		case hasEnded:
			results[i] = w.taken
		case inRound:
			// The round goes on for those who share it, and w is still the round's to write to.
			results[i] = taken{touched: true, err: context.Cause(ctx)}
		default:
			results[i] = taken{err: context.Cause(ctx)}
		}
	}
	return results
}

// rounds serves whoever waits until nobody does.
func (b *batch) rounds(ctx context.Context) {
	for {
		b.gather()
		b.gatherKills()
		wants := b.take()
		if len(wants) == 0 {
			return
		}
		b.serve(ctx, wants)
	}
}

// take takes what the next round may have. Small groups come first, so that a large one never holds them up
// for longer than a round.
func (b *batch) take() (wants []*want) {
	b.mu.Lock()
	defer b.mu.Unlock()
	slices.SortStableFunc(b.waiting, func(x, y *group) int { return cmp.Compare(len(x.waiting), len(y.waiting)) })
	kills := 0
	for _, g := range b.waiting {
		g.waiting = slices.DeleteFunc(g.waiting, func(w *want) bool {
			// What is known to be over the limits is not even looked at.
			if len(wants) == b.limits.RoundChanges || w.unloads() && kills == b.limits.RoundKills {
				return false
			}
			if w.unloads() {
				kills++
			}
			w.turn = inRound
			wants = append(wants, w)
			return true
		})
	}
	b.waiting = slices.DeleteFunc(b.waiting, func(g *group) bool { return len(g.waiting) == 0 })
	b.running = len(wants) > 0
	return wants
}

// serve runs one round. What is over its limits waits for the next.
func (b *batch) serve(ctx context.Context, wants []*want) {
	r := &round{batch: b, wants: wants}
	err := r.carryOut(ctx)
	leaving := map[*want]bool{}
	if err == nil && len(r.leave) > 0 {
		for _, s := range r.leave {
			leaving[s.want] = true
		}
		b.working.Go(func() { b.seeGone(ctx, r.leave) })
	}
	for _, w := range wants {
		switch {
		case leaving[w]:
		case r.over[w] && err == nil:
			b.putBack(w)
		default:
			b.end(w, err)
		}
	}
}

// end ends a want, if it has not ended yet. err is what kept the round from it.
func (b *batch) end(w *want, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if w.turn == hasEnded {
		return
	}
	w.err, w.turn = cmp.Or(w.err, err), hasEnded
	w.group.ended(w)
	if w.group.left--; w.group.left == 0 {
		close(w.group.done)
	}
}

// putBack has a want wait again, unless nobody waits for it any more.
func (b *batch) putBack(w *want) {
	b.mu.Lock()
	defer b.mu.Unlock()
	g := w.group
	if g.abandoned {
		return
	}
	w.turn = waits
	g.waiting = append(g.waiting, w)
	if !slices.Contains(b.waiting, g) {
		b.waiting = append(b.waiting, g)
	}
}

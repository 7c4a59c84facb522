package gateway

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"trunkline/internal/fault"
	"trunkline/internal/freeswitch"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway/file"
	"trunkline/internal/pbx"
	"trunkline/internal/postgres"
	"trunkline/internal/sealing"
)

// want is what one switch is to have of one gateway.
type want struct {
	uuid     string
	previous *fusionpbx.Gateway // the row that the switch may have loaded; nil: none
	row      *fusionpbx.Gateway // the row that has to stand now; nil: none
	// asked: settings were named, so that the switch must have these and no others, also those that it does
	// not show.
	asked bool
	// asItStands takes up whatever row stands, since somebody else changed it.
	asItStands bool
	folder     *file.Folder // where gateways are kept as files; nil: in the database
	filesStand bool         // the gateway's files are right already

	taken
	group *group
	turn  turn
}

// taken is what one switch says of a gateway that it was to take up.
type taken struct {
	meant   bool                // the row is for this switch (its hostname)
	touched bool                // something may have been changed on the switch on its behalf
	seen    *freeswitch.Gateway // as the switch showed it in the end; nil: not loaded
	err     error
}

// turn is how far a want has come.
type turn int

const (
	waits turn = iota
	inRound
	ended
)

// group is what one caller wants of a switch.
type group struct {
	waiting   []*want
	left      int           // how many have not ended
	done      chan struct{} // closed when none is left
	abandoned bool          // the caller has gone
	note      func(string)
}

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

// gatherTime is how long a round waits at most for those who are on their way already. A caller who is alone
// does not wait.
const gatherTime = 150 * time.Millisecond

// expect says that a caller is on its way.
func (b *batch) expect() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.coming++
}

// came says that one has come, or has given up.
func (b *batch) came() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.coming--
	if b.coming == 0 && b.allCame != nil {
		close(b.allCame)
		b.allCame = nil
	}
}

// gather waits for those who are on their way.
func (b *batch) gather() {
	b.mu.Lock()
	if b.coming > 0 && b.allCame == nil {
		b.allCame = make(chan struct{})
	}
	allCame := b.allCame
	b.mu.Unlock()
	if allCame == nil {
		return
	}
	select {
	case <-allCame:
	case <-time.After(gatherTime):
	}
}

// apply returns once the switch shows what each row says, or why it does not. When ctx ends it leaves the
// wants that have not ended: those of a round in progress may still be taken up. waits is called when they
// wait for their round.
func (b *batch) apply(ctx context.Context, wants []*want, note func(string), waits func()) []taken {
	g := &group{waiting: slices.Clone(wants), left: len(wants), done: make(chan struct{}), note: note}
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
	waits()
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
		case ended:
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
	for _, g := range b.waiting {
		n := min(len(g.waiting), b.limits.RoundChanges-len(wants))
		for _, w := range g.waiting[:n] {
			w.turn = inRound
		}
		wants, g.waiting = append(wants, g.waiting[:n]...), g.waiting[n:]
	}
	b.waiting = slices.DeleteFunc(b.waiting, func(g *group) bool { return len(g.waiting) == 0 })
	b.running = len(wants) > 0
	return wants
}

// serve runs one round. What is over its limits waits for the next.
func (b *batch) serve(ctx context.Context, wants []*want) {
	r := &round{batch: b, wants: wants}
	err := r.carryOut(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, w := range wants {
		if r.over[w] && err == nil {
			b.putBack(w)
			continue
		}
		w.err, w.turn = cmp.Or(w.err, err), ended
		if w.group.left--; w.group.left == 0 {
			close(w.group.done)
		}
	}
}

// putBack has a want wait again, unless nobody waits for it any more.
func (b *batch) putBack(w *want) {
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

// lockTries is how often a round begins that loses its locks.
const lockTries = 3

// carryOut runs the round with the switch to itself. One that loses its lock has stopped before it changed
// anything more, and begins again under a new one.
func (r *round) carryOut(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			r.log.Error("panic", "panic", p, "stack", string(debug.Stack()))
			err = fault.Errorf(fault.ServerError, "an error in Trunkline itself ended the work on switch %s; the worker's log has the details", r.sw.Addr())
		}
	}()
	for range lockTries {
		if err = r.locked(ctx); !errors.Is(err, postgres.ErrLockLost) {
			return err
		}
		r.log.Warn("a round on a switch lost its lock and begins again", "switch", r.sw.Addr(), "changes", len(r.wants), "error", err)
	}
	return err
}

// locked runs the round once, with the switch to itself, so that no other worker's rescan falls between a
// kill and its end; with files also all gateway files.
func (r *round) locked(ctx context.Context) error {
	waiting, stop := context.WithTimeout(ctx, r.limits.patience())
	defer stop()
	lock, err := postgres.AcquireLock(waiting, r.pbx.Pool, "switch "+r.sw.Addr())
	if err != nil && waiting.Err() != nil {
		return fault.Errorf(fault.SwitchTimeout, "switch %s: another worker has been busy with it for %s; send the request again", r.sw.Addr(), r.limits.patience())
	}
	if err != nil {
		return err
	}
	defer lock.Release(ctx)
	r.locks = []*postgres.Lock{lock}
	if slices.ContainsFunc(r.wants, func(w *want) bool { return w.folder != nil }) {
		lock, err := lockFiles(waiting, r.pbx.Pool, r.limits)
		if err != nil {
			return err
		}
		defer lock.Release(ctx)
		r.locks = append(r.locks, lock)
	}
	ctx, cancel := context.WithTimeout(ctx, r.limits.roundTimeOf(len(r.wants)))
	defer cancel()
	return r.run(ctx)
}

// stillLocked returns an error that wraps postgres.ErrLockLost if another worker may have the switch by now.
func (r *round) stillLocked(ctx context.Context) error {
	for _, lock := range r.locks {
		if err := lock.Check(ctx); err != nil {
			return err
		}
	}
	return nil
}

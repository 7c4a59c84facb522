package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
)

// undoing is a work that failed after something was written.
type undoing struct {
	*work
	touched  []bool // the switches where something may have been changed
	restored bool   // the row is as it was before
	failed   error  // why the row could not be put back
	left     []string
}

// undo puts back the rows of the works that failed, unless somebody changed them since, and the switches that
// were touched, and adds to the error what stands where.
func (p *pass) undo(ctx context.Context, works []*work) {
	var all []*undoing
	for _, w := range works {
		if w.err == nil || w.written == nil || w.onlyShown || p.handsOver(ctx, w.err) {
			continue
		}
		u := &undoing{work: w, touched: slices.Repeat([]bool{true}, len(p.batches))} // nobody knows how far an earlier attempt came
		for i, t := range w.taken {
			u.touched[i] = t.touched
		}
		all = append(all, u)
	}
	if len(all) == 0 {
		return
	}
	stopped := context.Cause(ctx)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.limits.undoTime(len(all)))
	defer cancel()
	all = p.restoreRows(ctx, all)
	p.putFilesBack(ctx, all)
	p.putSwitchesBack(ctx, all)
	for _, u := range all {
		u.err = u.say(stopped)
	}
}

// restoreRows puts the rows back and returns those of the works that nobody else has taken over by now.
func (p *pass) restoreRows(ctx context.Context, all []*undoing) []*undoing {
	of := map[*work]*undoing{}
	works := make([]*work, len(all))
	for i, u := range all {
		of[u.work], works[i] = u, u.work
	}
	restore := func(ctx context.Context, tx pgx.Tx, works []*work) (func(), error) {
		restored, err := p.restore(ctx, tx, works)
		return func() {
			for w := range restored {
				of[w].restored = true
			}
		}, err
	}
	taken := map[*work]bool{}
	for some := range slices.Chunk(works, rowsAtOnce) {
		p.inParts(ctx, some, restore, func(works []*work, err error) {
			for _, w := range works {
				if of[w].failed = err; p.journal.HandsOver(err) {
					w.err, taken[w] = err, true
				}
			}
		})
	}
	return slices.DeleteFunc(all, func(u *undoing) bool { return taken[u.work] })
}

// restore puts the previous rows back, or deletes the new ones, unless somebody changed them since.
func (p *pass) restore(ctx context.Context, tx pgx.Tx, works []*work) (restored map[*work]bool, err error) {
	db := p.pbx.FusionPBX.In(tx)
	if err := db.LockGateways(ctx, domains(works)...); err != nil {
		return nil, err
	}
	// A retry starts from the rows that stand then.
	entries, uuids := map[int]*Written{}, make([]string, len(works))
	for i, w := range works {
		entries[w.index], uuids[i] = nil, w.written.Row.UUID
	}
	if err := p.journal.Keep(ctx, tx, entries); err != nil {
		return nil, err
	}
	now, err := p.pbx.FusionPBX.Locking(tx).GatewaysByUUIDs(ctx, uuids)
	if err != nil {
		return nil, err
	}
	restored, writes := map[*work]bool{}, db.Writes()
	for _, w := range works {
		row, there := now[w.written.Row.UUID]
		switch {
		case !there && w.written.Deleted:
			// The date of its first insert is that of today: FusionPBX shows it nowhere.
			writes.Insert(*w.written.Previous, w.By)
			writes.Restore(*w.written.Previous)
		case !there && w.written.Previous == nil:
		case !there || w.written.Deleted || !row.Same(w.written.Row, fusionpbx.GatewayColumns...):
			continue // somebody else's by now
		case w.written.Previous == nil:
			writes.Delete(row.UUID)
		default:
			writes.Restore(*w.written.Previous)
		}
		restored[w] = true
	}
	return restored, writes.Send(ctx)
}

// putSwitchesBack has the switches take up what was put back, or whatever row somebody else wrote.
func (p *pass) putSwitchesBack(ctx context.Context, all []*undoing) {
	of := map[*work]*undoing{}
	works := make([]*work, len(all))
	for i, u := range all {
		of[u.work], works[i] = u, u.work
	}
	p.takeUp(ctx, works, func(w *work) *want {
		back := &want{uuid: w.written.Row.UUID, previous: w.written.Stands(), row: w.written.Previous}
		back.asItStands, back.folder, back.filesStand = !of[w].restored, p.folder, true
		return back
	})
	for _, u := range all {
		for i, b := range p.batches {
			// A switch where nothing was changed may well be the one that does not answer.
			if err := u.taken[i].err; err != nil && u.touched[i] {
				u.left = append(u.left, fmt.Sprintf("on switch %s gateway %s may still be loaded with the new settings (%v): once it answers, send the request again, "+
					"or remove it with: sofia profile %s killgw %s", b.sw.Addr(), u.written.Row.UUID, err, u.written.Row.Profile(), u.written.Row.UUID))
			}
		}
	}
}

// say adds to the error what stands where. stopped is what ended the work; nil: nothing did.
func (u *undoing) say(stopped error) error {
	stands := "the PBX is as it was before"
	switch {
	case u.failed != nil:
		stands = fmt.Sprintf("the gateway's new row stands in FusionPBX, since it could not be put back: %v", u.failed)
	case !u.restored:
		stands = "the gateway's row was changed by somebody else meanwhile and was left as it is now"
	case len(u.left) > 0:
		stands = "the row in FusionPBX is as it was before"
	}
	stands = strings.Join(append([]string{stands}, u.left...), "; ")
	var failure *fault.Error
	switch {
	case errors.As(u.err, &failure):
	case errors.Is(u.err, context.Canceled) || stopped != nil && errors.Is(u.err, stopped) && !errors.Is(stopped, context.DeadlineExceeded):
		failure = fault.Errorf(fault.Cancelled, "cancelled while it ran")
	default:
		failure = fault.Errorf(fault.ServerError, "%v", u.err)
	}
	return fault.Errorf(failure.Code, "%s (%s)", failure.Message, stands)
}

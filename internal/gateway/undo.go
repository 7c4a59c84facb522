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

// undoing is how the undoing of a work goes.
type undoing struct {
	touched  []bool // the switches where something may have been changed
	restored bool   // the row is as it was before
	failed   error  // why the row could not be put back
	left     []string
}

// undo puts back the rows of the works that failed, unless somebody changed them since, and the switches that
// were touched, and adds to the error what stands where.
func (p *pass) undo(ctx context.Context, works []*work) {
	works = slices.DeleteFunc(slices.Clone(works), func(w *work) bool {
		return w.err == nil || w.written == nil || w.rowStays || p.handsOver(ctx, w.err)
	})
	if len(works) == 0 {
		return
	}
	for _, w := range works {
		w.undoing.touched = slices.Repeat([]bool{true}, len(p.batches)) // nobody knows how far an earlier attempt came
		for i, t := range w.taken {
			w.undoing.touched[i] = t.touched
		}
	}
	stopped := context.Cause(ctx)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.limits.undoTime(len(works)))
	defer cancel()
	for some := range slices.Chunk(works, p.rowsAtOnce(works)) {
		p.inParts(ctx, some, p.restore, func(works []*work, err error) {
			for _, w := range works {
				w.undoing.failed = err
			}
		})
	}
	works = slices.DeleteFunc(works, func(w *work) bool {
		taken := p.journal.HandsOver(w.undoing.failed)
		if taken {
			w.err = w.undoing.failed
		}
		return taken
	})
	p.putFilesBack(ctx, works)
	p.putProvidersBack(ctx, works)
	p.putSwitchesBack(ctx, works)
	for _, w := range works {
		w.err = w.say(stopped)
	}
}

// restore puts the previous rows back, or deletes the new ones, unless somebody changed them since.
func (p *pass) restore(ctx context.Context, tx pgx.Tx, works []*work) (done func(), err error) {
	db := p.pbx.FusionPBX.In(tx)
	if err := db.LockGateways(ctx, each(works, (*work).domain)...); err != nil {
		return nil, err
	}
	// A retry starts from the rows that stand then.
	entries := map[int]*Written{}
	for _, w := range works {
		entries[w.index] = nil
	}
	batch := &pgx.Batch{}
	if err := p.journal.Keep(ctx, tx, batch, entries); err != nil {
		return nil, err
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return nil, err
	}
	now, err := p.pbx.FusionPBX.Locking(tx).GatewaysByUUIDs(ctx, each(works, (*work).uuid))
	if err != nil {
		return nil, err
	}
	var restored []*work
	writes := db.Writes()
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
		restored = append(restored, w)
	}
	if err := errors.Join(p.noteLeft(ctx, tx, restored), writes.Send(ctx)); err != nil {
		return nil, err
	}
	return func() {
		for _, w := range restored {
			w.undoing.restored = true
		}
	}, p.restoreProviders(ctx, tx, restored)
}

// putSwitchesBack has the switches take up what was put back, or whatever row somebody else wrote.
func (p *pass) putSwitchesBack(ctx context.Context, works []*work) {
	p.takeUp(ctx, works, func(w *work) *want {
		return &want{
			uuid: w.uuid(), previous: w.written.Stands(), row: w.written.Previous,
			asItStands: !w.undoing.restored, folder: p.folder, filesStand: true,
		}
	}, func(*want) {})
	if err := p.forgetLeft(ctx, works); err != nil {
		p.log.Warn("switches that are right again are looked at once more", "error", err)
	}
	for _, w := range works {
		for i, b := range p.batches {
			// A switch where nothing was changed may well be the one that does not answer.
			if err := w.taken[i].err; err != nil && w.undoing.touched[i] {
				w.undoing.left = append(w.undoing.left, fmt.Sprintf("on switch %s gateway %s may still be loaded with the new settings (%s): once it answers, a job puts that right; "+
					"or remove it at once with: sofia profile %s killgw %s", b.sw.Addr(), w.uuid(), fault.Text(err), w.written.Row.Profile(), w.uuid()))
			}
		}
	}
}

// say adds to the error what stands where. stopped is what ended the work; nil: nothing did.
func (w *work) say(stopped error) error {
	u := w.undoing
	stands := "the PBX is as it was before"
	switch {
	case u.failed != nil:
		stands = fmt.Sprintf("the gateway's new row stands in FusionPBX, since it could not be put back: %s", fault.Text(u.failed))
	case !u.restored:
		stands = "the gateway's row was changed by somebody else meanwhile and was left as it is now"
	case len(u.left) > 0:
		stands = "the row in FusionPBX is as it was before"
	}
	stands = strings.Join(append([]string{stands}, u.left...), "; ")
	var failure *fault.Error
	switch {
	case errors.As(w.err, &failure):
	case errors.Is(w.err, context.Canceled) || stopped != nil && errors.Is(w.err, stopped) && !errors.Is(stopped, context.DeadlineExceeded):
		failure = fault.Errorf(fault.Cancelled, "cancelled while it ran")
	default:
		failure = fault.Errorf(fault.ServerError, "%w", w.err)
	}
	// The switch loaded another row than the one it was asked for, or found none.
	if failure.Code == fault.GatewayNotLoaded && u.failed == nil && !u.restored {
		failure = fault.Errorf(fault.Conflict, "gateway %s was changed or deleted by somebody else before every switch had loaded it; look at it, then send the request again", w.uuid())
	}
	worded := fault.Errorf(failure.Code, "%s (%s)", failure.Message, stands)
	worded.Passes = failure.Passes
	return worded
}

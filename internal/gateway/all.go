package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/fault"
)

// ApplyAll is Apply of all changes or none: their rows are written in one transaction, and one fault stops it and
// puts every row and every switch back. No two of the changes may be of one gateway.
func (a *Applier) ApplyAll(ctx context.Context, changes []*Change, journal Journal) []Outcome {
	all := works(changes, journal.Earlier())
	for i, wave := range waves(all) {
		for _, w := range wave {
			if i > 0 {
				w.err = fault.Errorf(fault.Conflict, "gateway_name: gateway %q in %s is asked for twice; name it once", w.Name, w.place())
			}
		}
	}
	p := &pass{Applier: a, journal: journal, whole: true}
	p.run(ctx, all)
	return each(all, a.outcome)
}

// errAnother ends the waiting for a switch when another of the works has failed.
var errAnother = errors.New("another change failed")

// spoilt reports whether nothing may come of the works since one of them failed.
func (p *pass) spoilt(works []*work) bool {
	if !p.whole {
		return false
	}
	for _, w := range works {
		if w.err != nil {
			return true
		}
	}
	return false
}

// skip gives the works of which nothing comes through no fault of their own the error of the one that failed. If
// another attempt goes on, because of one of them, it does with all.
func (p *pass) skip(ctx context.Context, works []*work) {
	ended := context.Cause(ctx)
	var faulty, goesOn *work
	for _, w := range works {
		// What was going on when ctx ended says only that it did, and not why.
		if _, worded := errors.AsType[*fault.Error](w.err); ended != nil && !worded && errors.Is(w.err, ctx.Err()) {
			w.err = ended
		}
		w.skipped = w.err != nil && (errors.Is(w.err, errAnother) || ended != nil && errors.Is(w.err, ended))
		switch {
		case w.err == nil:
		case p.handsOver(ctx, w.err):
			goesOn = w
		case !w.skipped && faulty == nil:
			faulty = w
		}
	}
	if !p.spoilt(works) {
		return
	}
	why := cmp.Or(ended, errAnother)
	switch {
	case goesOn != nil:
		why = goesOn.err
	case faulty != nil:
		why = faulty.spoils()
	}
	for _, w := range works {
		if w.err == nil || errors.Is(w.err, errAnother) {
			w.skipped, w.err = true, why
		} else if goesOn != nil {
			w.err = why
		}
	}
}

// spoils says to the others that this work failed.
func (w *work) spoils() error {
	code, passes := fault.ServerError, false
	if failure, worded := errors.AsType[*fault.Error](w.err); worded {
		code, passes = failure.Code, failure.Passes
	}
	skipped := fault.Errorf(fault.Skipped, "not done, since all was to be done or nothing and gateway %s failed (%s); correct that one, then send all of them again", w.called(), code)
	skipped.Passes = passes
	return skipped
}

var (
	// errFaulty ends a transaction of which one work, which has its error, cannot be done as the rows stand now.
	errFaulty = errors.New("a change cannot be made")
	// errTrial ends a transaction that was only to show what the database refuses.
	errTrial = errors.New("not to be kept")
)

// writeWhole writes the rows of all works in one transaction, or none.
func (p *pass) writeWhole(ctx context.Context, works []*work) {
	err := p.transact(ctx, works, p.writeRows)
	switch {
	case err == nil:
	case p.refused(ctx, err):
		p.findRefused(ctx, works, err)
	case !errors.Is(err, errFaulty):
		fail(works, err)
	}
}

// findRefused gives the error to the one work whose row the database refuses: it writes ever fewer of them, and takes
// each attempt back.
func (p *pass) findRefused(ctx context.Context, works []*work, err error) {
	for len(works) > 1 {
		half := works[:len(works)/2]
		tried := p.transact(ctx, half, func(ctx context.Context, tx pgx.Tx, works []*work) (func(), error) {
			_, err := p.planAndWrite(ctx, tx, works)
			return nil, cmp.Or(err, errTrial)
		})
		switch {
		case errors.Is(tried, errTrial):
			works = works[len(half):]
		case p.refused(ctx, tried):
			works, err = half, tried
		case errors.Is(tried, errFaulty):
			return
		default:
			fail(works, tried)
			return
		}
	}
	fail(works, err)
}

// faulty reports whether one of the steps cannot be done, and gives its work the error.
func faulty(steps []*rowStep) (found bool) {
	for _, s := range steps {
		if s.err != nil {
			s.work.err, found = s.err, true
		}
	}
	return found
}

// called is what the gateway is called in an error about another one.
func (w *work) called() string {
	if w.Name == "" {
		return w.GatewayUUID
	}
	return fmt.Sprintf("%q in %s", fault.Clip(w.Name), w.place())
}

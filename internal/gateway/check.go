package gateway

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"

	"trunkline/internal/fault"
	"trunkline/internal/freeswitch"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/pbx"
)

// show looks at the gateways of which nothing is asked, and changes nothing. If there is not exactly one of
// the name the change goes on: what is wrong is said when it is planned.
func (p *pass) show(ctx context.Context, works []*work) {
	works = slices.DeleteFunc(works, func(w *work) bool { return w.asks() })
	if len(works) == 0 {
		return
	}
	existing, err := existing(ctx, p.pbx.FusionPBX, works)
	if err != nil {
		fail(works, err)
		return
	}
	works = slices.DeleteFunc(works, func(w *work) bool { return len(existing[w]) != 1 })
	for _, w := range works {
		row := existing[w][0]
		w.action, w.rowStays, w.written = Unchanged, true, &Written{Row: row, Previous: &row}
		w.taken = make([]taken, len(p.batches))
	}
	p.eachSwitch(func(i int, b *batch) {
		names, sight := naming{sw: b.sw}, look(ctx, b.sw, b.log, each(works, (*work).uuid), p.journal.Note)
		for _, w := range works {
			t := &w.taken[i]
			if t.meant, t.err = names.meant(ctx, w.written.Row); t.err == nil {
				t.seen, t.err = sight.of(w.uuid(), w.written.Row.Profile())
			}
		}
	})
	for _, w := range works {
		w.err = joined(w.taken)
	}
}

// check plans the rows and asks every switch for them, so that nothing is written that could not take
// effect.
func (p *pass) check(ctx context.Context, works []*work) {
	switch {
	case len(works) == 0:
	case len(works) <= listAbove:
		p.shareChecking(ctx, works)
	default:
		p.checkAll(ctx, works)
	}
}

func (p *pass) checkAll(ctx context.Context, works []*work) {
	existing, err := existing(ctx, p.pbx.FusionPBX, works)
	if err != nil {
		fail(works, err)
		return
	}
	enabled, err := p.pbx.FusionPBX.Profiles(ctx)
	if err != nil {
		fail(works, err)
		return
	}
	var planned []*work
	for _, w := range works {
		if w.plan, w.err = p.plan(w, existing[w]); w.err == nil && !w.Delete {
			w.err = w.plan.CheckProfile(enabled)
		}
		if w.err == nil && w.plan.Action != Absent {
			planned = append(planned, w)
		}
	}
	p.checkSwitches(ctx, planned)
}

// plan merges the change with the row that stands. After an earlier attempt that row may be the one it wrote:
// what stood before it is in the journal.
func (p *pass) plan(w *work, existing []fusionpbx.Gateway) (Plan, error) {
	newUUID := uuid.NewString()
	if w.written != nil {
		newUUID = w.written.Row.UUID
	}
	request := w.Request
	if w.standsAsWritten(existing) {
		request, existing = request.fulfilled(existing)
	}
	if err := request.CheckConditions(p.keys, existing); err != nil {
		return Plan{}, err
	}
	plan, failure := NewPlan(modeOf(p.folder), existing, request, w.Password, newUUID)
	switch {
	case failure != nil:
		return Plan{}, failure
	case w.written == nil:
	case w.Delete && plan.Action == Absent: // the earlier attempt deleted the row
		plan = Plan{Row: w.written.Row, Previous: w.written.Previous, Action: Deleted}
	case w.Delete:
	// If somebody changed the row since, theirs is the one to put back.
	case plan.Insert || plan.Previous.Same(w.written.Row, fusionpbx.GatewayColumns...):
		plan.Replace(w.written.Previous)
	}
	return plan, nil
}

// checkSwitches asks each switch whether it could take up the planned rows.
func (p *pass) checkSwitches(ctx context.Context, works []*work) {
	answers := each(works, func(*work) []taken { return make([]taken, len(p.batches)) })
	p.eachSwitch(func(i int, b *batch) {
		r := readiness{naming: naming{sw: b.sw}, pbx: p.pbx, within: p.limits.Settling, profiles: map[string]error{}}
		for n, w := range works {
			// What is not to be loaded needs no profile that runs.
			answers[n][i].meant, answers[n][i].err = r.ready(ctx, w.plan.Row, w.plan.Row.Enabled() && !w.Delete)
		}
	})
	writable := map[string]error{}
	for n, w := range works {
		w.err = joined(answers[n])
		if w.Stops() && fault.Passes(w.err) {
			w.err = nil // a switch that is away reads the rows when it comes back
			continue
		}
		if w.err == nil && !w.Delete {
			w.err = p.checkPlace(w.plan, answers[n], writable)
		}
	}
}

// checkPlace refuses a row that no switch would load, or that the wrong ones would.
func (p *pass) checkPlace(plan Plan, answers []taken, writable map[string]error) error {
	row := plan.Row
	judged := plan.judges("hostname") || row.Enabled() && plan.judges("enabled")
	some := slices.ContainsFunc(answers, func(t taken) bool { return t.meant })
	if p.folder != nil && row.Enabled() {
		err, tried := writable[row.Profile()]
		if !tried {
			err = fileFailure(p.folder.Writable(row.Profile()))
			writable[row.Profile()] = err
		}
		if err != nil {
			return err
		}
		// Every switch that reads the folder loads whatever is in it.
		if judged && some && slices.ContainsFunc(answers, func(t taken) bool { return !t.meant }) {
			return fault.Errorf(fault.InvalidGateway, "hostname: gateways are kept as files here, which cannot be for %q alone; leave hostname empty", row.Get("hostname"))
		}
	}
	if some || !judged {
		return nil
	}
	return fault.Errorf(fault.InvalidGateway, "hostname: %q is not the name of any switch, so no switch would load the gateway; "+
		"leave hostname empty for all switches", row.Get("hostname"))
}

// readiness is what one switch says before anything is written. It is asked each question once, however many
// gateways want to know.
type readiness struct {
	naming
	pbx      *pbx.PBX
	within   time.Duration    // Limits.Settling
	profiles map[string]error // what it says of each profile
	answers  *error           // whether it answers at all; nil: not asked yet
}

// ready reports whether the row is meant for this switch, and fails if the switch could not take it up: it
// does not answer, or is to load it and the profile does not run there.
func (r *readiness) ready(ctx context.Context, row fusionpbx.Gateway, load bool) (meant bool, err error) {
	if meant, err = r.meant(ctx, row); err != nil {
		return false, err
	}
	if !meant || !load {
		if r.answers == nil {
			_, err := r.sw.Gateway(ctx, row.UUID)
			if errors.Is(err, freeswitch.ErrNoGateway) {
				err = nil
			}
			err = r.sw.Fault(err)
			r.answers = &err
		}
		return meant, *r.answers
	}
	err, asked := r.profiles[row.Profile()]
	if !asked {
		err = settling(ctx, r.pbx, r.sw, r.within, r.sw.Fault(r.sw.ProfileRunning(ctx, row.Profile())))
		r.profiles[row.Profile()] = err
	}
	return meant, err
}

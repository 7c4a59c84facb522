package gateway

import (
	"context"
	"errors"
	"slices"
	"time"

	"trunkline/internal/fault"
	"trunkline/internal/freeswitch"
	"trunkline/internal/fusionpbx"
)

const (
	// leavingPoll is how often a switch is asked whether its gateways have unregistered.
	leavingPoll = 100 * time.Millisecond
	// registerTime bounds telling a switch to register them again, which happens whatever ends the work meanwhile.
	registerTime = 30 * time.Second
)

// reregister has gateways unregister and register again on every switch that has them loaded. It always ends with
// the registration: a second attempt begins anew, and one that is being cancelled goes on to it.
func (p *pass) reregister(ctx context.Context, works []*work) {
	works = slices.DeleteFunc(works, func(w *work) bool { return w.Do != Reregister })
	if len(works) == 0 {
		return
	}
	existing, err := existing(ctx, p.pbx.FusionPBX, works)
	if err != nil {
		fail(works, err)
		return
	}
	for _, w := range works {
		w.rowStays, w.action = true, Reregistered
		row, err := registering(w, existing[w])
		if err == nil {
			err = w.CheckConditions(p.keys, existing[w])
		}
		if err != nil {
			w.err = err
		} else {
			w.written, w.taken = &Written{Row: row, Previous: &row}, make([]taken, len(p.batches))
		}
	}
	works = unfailed(works)
	p.eachSwitch(func(i int, b *batch) {
		for n, t := range b.reregister(ctx, works, p.journal.Note) {
			works[n].taken[i] = t
		}
	})
	for _, w := range works {
		w.err = joined(w.taken)
	}
}

// CheckReregister refuses to have a gateway register again that cannot register. rows are those of Existing.
func (p Request) CheckReregister(rows []fusionpbx.Gateway) error {
	_, err := registering(&work{Change: &Change{Request: p}}, rows)
	return err
}

// registering is the one row of a gateway that can register.
func registering(w *work, rows []fusionpbx.Gateway) (row fusionpbx.Gateway, err error) {
	if w.GatewayUUID != "" {
		rows = slices.DeleteFunc(rows, func(g fusionpbx.Gateway) bool { return g.UUID != w.GatewayUUID })
	}
	switch {
	case len(rows) == 0:
		return row, fault.Errorf(fault.NotFound, "there is no gateway %q in %s to register again", w.meant().Name, w.place())
	case len(rows) > 1:
		return row, fault.Errorf(fault.Conflict, "gateway_name: %d gateways are called %q in %s; name one by its uuid", len(rows), w.Name, w.place())
	}
	row = rows[0]
	switch {
	case !row.Enabled():
		return row, fault.Errorf(fault.InvalidGateway, "gateway %q is disabled, so that no switch has it loaded; enable it, and it registers", row.Label())
	case row.Get("register") != "true":
		return row, doesNotRegister(row)
	}
	return row, nil
}

func doesNotRegister(row fusionpbx.Gateway) error {
	return fault.Errorf(fault.InvalidGateway, "gateway %q does not register at its carrier (register is false), so that it cannot register again; "+
		"set register to true, with username and password, if it should", row.Label())
}

// reregister does it on one switch, and looks at the gateways then.
func (b *batch) reregister(ctx context.Context, works []*work, note func(string)) []taken {
	results, names := make([]taken, len(works)), naming{sw: b.sw}
	uuids, sight := each(works, (*work).uuid), look(ctx, b.sw, b.log, each(works, (*work).uuid), note)
	var told []int // those that were told to unregister
	for n, w := range works {
		t, row := &results[n], w.written.Row
		if t.meant, t.err = names.meant(ctx, row); t.err != nil {
			continue
		}
		if t.seen, t.err = sight.of(row.UUID, row.Profile()); t.err != nil || t.seen == nil && !t.meant {
			continue
		}
		if t.err = ctx.Err(); t.err != nil {
			t.err = context.Cause(ctx)
			continue
		}
		if t.seen == nil {
			t.err = b.notThere(row)
			continue
		}
		if t.err = b.registrationFault(row, b.sw.Unregister(ctx, t.seen.profile, row.UUID)); t.err == nil {
			told = append(told, n)
		}
	}
	b.seeUnregistered(ctx, each(told, func(n int) string { return works[n].uuid() }))
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), registerTime)
	defer cancel()
	for _, n := range told {
		t, row := &results[n], works[n].written.Row
		t.touched = true
		t.err = b.registrationFault(row, b.sw.Register(ctx, t.seen.profile, row.UUID))
	}
	sight = look(ctx, b.sw, b.log, uuids, note)
	for _, n := range told {
		if t, row := &results[n], works[n].written.Row; t.err == nil {
			t.seen, t.err = sight.of(row.UUID, row.Profile())
		}
	}
	return results
}

// seeUnregistered waits until these have unregistered: a registration before that would leave it out. One whose
// carrier does not answer is not waited for longer than FreeSWITCH takes itself.
func (b *batch) seeUnregistered(ctx context.Context, uuids []string) {
	if len(uuids) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, freeswitch.DropTime)
	defer cancel()
	for {
		sight := look(ctx, b.sw, b.log, uuids, func(string) {})
		uuids = slices.DeleteFunc(uuids, func(uuid string) bool {
			shown, err := sight.of(uuid, "")
			return err == nil && (shown == nil || shown.state != freeswitch.StateUnregister)
		})
		if len(uuids) == 0 {
			return
		}
		select {
		case <-time.After(leavingPoll):
		case <-ctx.Done():
			return
		}
	}
}

// registrationFault words why a gateway cannot be told to register or unregister.
func (b *batch) registrationFault(row fusionpbx.Gateway, err error) error {
	switch {
	case errors.Is(err, freeswitch.ErrNoGateway):
		return b.notThere(row)
	case errors.Is(err, freeswitch.ErrNoRegister):
		return fault.Errorf(fault.Conflict, "switch %s has gateway %s loaded as one that does not register, and its row says that it does; "+
			"reconcile it (POST /v1/gateways/reconcile)", b.sw.Addr(), row.UUID)
	}
	return b.sw.Fault(err)
}

// notThere says that the switch has not loaded what it should have.
func (b *batch) notThere(row fusionpbx.Gateway) error {
	return fault.Errorf(fault.GatewayNotLoaded, "switch %s does not have gateway %s loaded, so that it cannot register there; "+
		"reconcile it (POST /v1/gateways/reconcile), which loads it", b.sw.Addr(), row.UUID)
}

package gateway

import (
	"fmt"

	"trunkline/internal/freeswitch"
	"trunkline/internal/fusionpbx"
)

// Outcome is what became of one change. If Err is not nil everything is as it was before, or the error says
// what stands where, unless the journal hands over.
type Outcome struct {
	Err error
	// Skipped is set if nothing is wrong with this change: another one failed, and it was to be all or none, or ctx ended
	// before it was done.
	Skipped bool
	// Settled is set if the row is known to stand as this change, or whoever was before it, left it: of a change
	// that failed, nothing was written, or it was put back.
	Settled bool

	applier *Applier
	work    *work
}

func (a *Applier) outcome(w *work) Outcome {
	return Outcome{
		Err: w.err, Skipped: w.err != nil && w.skipped, Settled: w.err == nil || w.rowStays || w.written == nil || w.undoing.restored,
		applier: a, work: w,
	}
}

// row is the row as it stands; nil: there is none.
func (o Outcome) row() *fusionpbx.Gateway {
	if o.work.written == nil {
		return nil
	}
	return o.work.written.Stands()
}

// Result is what the change has come to, if Err is nil. It is worked out each time: those of ten thousand changes would
// take more than the changes.
func (o Outcome) Result() Result {
	w := o.work
	if o.Err != nil {
		return Result{}
	}
	r := Result{GatewayUUID: w.GatewayUUID, GatewayName: w.Name, GatewayEnabled: "false", Action: w.action, OutboundRoutes: w.routes, Switches: []Shown{}}
	if w.written != nil {
		r.GatewayUUID, r.GatewayDomain = w.uuid(), w.written.Row.Address()
	}
	row := o.row()
	if row != nil {
		r.GatewayName, r.GatewayEnabled = row.Label(), fmt.Sprint(row.Enabled())
		r.ETag = Tag(o.applier.keys, *row)
	}
	r.leaves = Left(o.applier.keys, row)
	for i, t := range w.taken {
		if !t.meant || row == nil {
			continue
		}
		var seen *freeswitch.Gateway
		if t.seen != nil {
			seen = new(t.seen.gateway())
		}
		r.Switches = append(r.Switches, ShownBy(o.applier.batches[i].sw.Addr(), seen))
	}
	r.sumUp()
	return r
}

// Registers reports whether there is something to wait for: a gateway that registers, is enabled, and is not up.
func (o Outcome) Registers() bool {
	row := o.row()
	return o.Err == nil && row != nil && row.Get("register") == "true" && row.Enabled() && o.Result().GatewayStatus != freeswitch.StatusUp
}

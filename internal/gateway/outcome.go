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
	Result  Result // if Err is nil
	// Settled is set if the row is known to stand as this change, or whoever was before it, left it: of a change
	// that failed, nothing was written, or it was put back.
	Settled bool

	row   *fusionpbx.Gateway // as it stands; nil: none
	taken []taken            // by each switch
}

func (a *Applier) outcome(w *work) Outcome {
	o := Outcome{Err: w.err, Skipped: w.err != nil && w.skipped, Settled: w.err == nil || w.rowStays || w.written == nil || w.undoing.restored, taken: w.taken}
	if o.Err != nil {
		return o
	}
	o.Result = Result{GatewayUUID: w.GatewayUUID, GatewayName: w.Name, GatewayEnabled: "false", Action: w.action, OutboundRoutes: w.routes}
	if w.written != nil {
		row := w.written.Row
		o.Result.GatewayUUID, o.Result.GatewayDomain = row.UUID, row.Address()
		if o.row = w.written.Stands(); o.row != nil {
			o.Result.GatewayName, o.Result.GatewayEnabled = row.Label(), fmt.Sprint(row.Enabled())
			o.Result.ETag = Tag(a.keys, row)
		}
	}
	o.Result.leaves = Left(a.keys, o.row)
	a.sumUp(&o)
	return o
}

// sumUp fills in what the switches show.
func (a *Applier) sumUp(o *Outcome) {
	o.Result.Switches = []Shown{}
	for i, t := range o.taken {
		if t.meant && o.row != nil {
			o.Result.Switches = append(o.Result.Switches, ShownBy(a.batches[i].sw.Addr(), t.seen))
		}
	}
	o.Result.sumUp()
}

// Registers reports whether there is something to wait for: a gateway that registers, is enabled, and is not up.
func (o *Outcome) Registers() bool {
	return o.Err == nil && o.row != nil && o.row.Get("register") == "true" && o.row.Enabled() && o.Result.GatewayStatus != freeswitch.StatusUp
}

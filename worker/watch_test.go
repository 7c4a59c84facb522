package worker_test

import (
	"fmt"
	"testing"
	"time"

	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/fssim"
)

// answered has the carrier answer otherwise from now on, and the gateway ask it.
func (b *bundle) answered(uuid string, outcome fssim.Outcome) {
	b.switches[0].SetOutcome(func(map[string]string) fssim.Outcome { return outcome })
	b.switches[0].Console("sofia profile external register " + uuid)
}

// isKept waits until the gateway is known to have the status.
func (b *bundle) isKept(t *testing.T, uuid, status string) {
	t.Helper()
	pbxtest.Eventually(t, "the gateway is known to be "+status, func() bool {
		var n int
		must(t, b.pool.QueryRow(t.Context(), "select count(*) from trunkline.gateway_states where gateway_uuid = $1 and status = $2", uuid, status).Scan(&n))
		return n == 1
	})
}

// changes are more than the looks that can be due for another reason: one at the start, one of a gateway just loaded.
var changes = []struct {
	outcome fssim.Outcome
	status  string
}{{fssim.Rejected403, "DOWN"}, {fssim.Registered, "UP"}, {fssim.Rejected403, "DOWN"}, {fssim.Registered, "UP"}}

// Events get lost. What the switches show is the truth, and is asked for.
func TestALookCorrectsWhatNoEventTold(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{stopped: true})
	b.options.Settings.StatePoll = time.Second
	b.switches[0].LoseEvents(true)
	b.start(t)
	uuid := b.provisioned(t, b.gateway("", "unheard", carrier())).GatewayUUID
	for _, change := range changes {
		b.answered(uuid, change.outcome)
		b.isKept(t, uuid, change.status)
	}
}

// Where the connection that events come by ends, there is another, and a look at what happened meanwhile.
func TestEventsAreListenedToAgain(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{}) // no look is due by itself
	uuid := b.provisioned(t, b.gateway("", "heard again", carrier())).GatewayUUID
	b.isKept(t, uuid, "UP")
	sw := b.switches[0]
	sw.LoseEvents(true)
	for i, change := range changes {
		b.answered(uuid, change.outcome)
		pbxtest.Eventually(t, fmt.Sprintf("the switch shows change %d", i), func() bool { return sw.Loaded()[uuid].Up == (change.status == "UP") })
		sw.EndListeners()
		b.isKept(t, uuid, change.status)
	}
	sw.LoseEvents(false)
	b.answered(uuid, fssim.Rejected403) // heard by the new connection, since no look is due
	b.isKept(t, uuid, "DOWN")
}

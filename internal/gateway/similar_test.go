package gateway_test

import (
	"testing"

	"trunkline/internal/fault"
	"trunkline/internal/gateway"
)

// A name that another gateway of the domain has in another case is given to none; one that stands so is left, and a
// gateway's own name may change its case.
func TestNamesThatDifferInCase(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	b.stand(t, standing{label: "wanted", ours: true})
	b.stand(t, standing{label: "other", ours: true})
	renamed := change("", "other", map[string]string{"gateway": "Wanted"})
	renamed.GatewayUUID = uuidOf(t, b, "other")
	for name, c := range map[string]*gateway.Change{"a new one": change("", "WANTED", carrier()), "a new name": renamed} {
		if f := b.failing(t, c); f.Code != fault.Conflict {
			t.Errorf("%s: got %v", name, f)
		}
	}
	own := change("", "wanted", map[string]string{"gateway": "WANTED"})
	own.GatewayUUID = uuidOf(t, b, "wanted")
	if got := b.one(t, own); got.Action != gateway.Updated {
		t.Errorf("its own name: got %+v", got)
	}
	b.exec(t, "update v_gateways set gateway = 'wanted' where gateway = 'other'") // as FusionPBX's page does
	if got := b.one(t, change("", "wanted", map[string]string{"description": "stays"})); got.Action != gateway.Updated {
		t.Errorf("what stands: got %+v", got)
	}
}

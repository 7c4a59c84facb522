package gateway_test

import (
	"testing"

	"trunkline/internal/gateway"
	"trunkline/internal/pbxtest/sample"
)

// FusionPBX 5.5 made enabled and register boolean: a process that runs meanwhile writes them as they are now.
func TestGatewaysAreWrittenAfterAnUpgrade(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{version: sample.V54})
	b.one(t, change("", "before", carrier()))
	_, err := b.Pool.Exec(t.Context(), "alter table v_gateways alter enabled type boolean using enabled::boolean, alter register type boolean using register::boolean")
	must(t, err)
	if got := b.one(t, change("", "after", carrier())); got.Action != gateway.Created || got.GatewayState == gateway.StateNotLoaded {
		t.Errorf("created: got %+v", got)
	}
	if got := b.one(t, change("", "before", map[string]string{"enabled": "false"})); got.GatewayEnabled != "false" {
		t.Errorf("suspended: got %+v", got)
	}
}

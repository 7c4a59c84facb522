package gateway_test

import (
	"encoding/json"
	"strings"
	"testing"

	"trunkline/internal/fault"
	"trunkline/internal/gateway"
	"trunkline/internal/pbxtest/testbed"
)

// What a dry run says of each change, and that nothing comes of it.
func TestDiff(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	for _, label := range []string{"same", "changed", "renamed", "deleted"} {
		b.stand(t, standing{label: label, ours: true})
	}
	renamed := change("", "renamed", map[string]string{"gateway": "new name"})
	renamed.GatewayUUID = uuidOf(t, b, "renamed")
	taken := change("", "renamed", map[string]string{"gateway": "same"})
	taken.GatewayUUID = renamed.GatewayUUID
	rows, told := testbed.GatewayRows(t, b.Pool), b.saw()
	for name, tc := range map[string]struct {
		change *gateway.Change
		want   string // the action, and of a change what changes, as JSON; of a conflict the code
		says   string
	}{
		"a new one":              {change: change("", "new", carrier()), want: "add"},
		"the same":               {change: change("", "same", carrier()), want: "unchanged"},
		"nothing asked":          {change: change("", "same", nil), want: "unchanged"},
		"another password":       {change: change("", "changed", carrier("password", "other")), want: `change [{"field":"password","changed":true}]`},
		"no port any more":       {change: change("", "changed", map[string]string{"realm": ""}), want: `change [{"field":"realm","from":"sip.carrier.example","to":""}]`},
		"codecs, and disabled":   {change: change("", "changed", map[string]string{"codec_prefs": "PCMA", "enabled": "false"}), want: `change [{"field":"codec_prefs","from":"","to":"PCMA"},{"field":"enabled","from":"true","to":"false"}]`},
		"another name":           {change: renamed, want: `change [{"field":"gateway","from":"renamed","to":"new name"}]`},
		"a name that is taken":   {change: taken, want: "conflict " + fault.Conflict, says: "gateway_name"},
		"one in another case":    {change: change("", "SAME", carrier()), want: "conflict " + fault.Conflict, says: "case alone"},
		"a deletion":             {change: deletion("deleted"), want: "delete"},
		"a deletion of none":     {change: deletion("none"), want: "absent"},
		"too little of a new":    {change: change("", "new", map[string]string{"proxy": "x"}), want: "conflict " + fault.MissingParameters, says: "gateway_username"},
		"a value that is bad":    {change: change("", "new", carrier("password", "a$b")), want: "conflict " + fault.InvalidGateway, says: "password"},
		"an unknown profile":     {change: change("", "new", carrier("profile", "nowhere")), want: "conflict " + fault.ProfileUnavailable, says: "nowhere"},
		"another switch's":       {change: change("", "new", carrier("hostname", "elsewhere")), want: "conflict " + fault.InvalidGateway, says: "hostname"},
		"one to enable, unknown": {change: change("", "none", map[string]string{"enabled": "true"}), want: "conflict " + fault.NotFound, says: "none"},
	} {
		d := b.applier.Diff(t.Context(), []*gateway.Change{change("", "beside it", carrier()), tc.change})[1]
		got := d.Action
		if len(d.Changes) > 0 {
			text, err := json.Marshal(d.Changes)
			must(t, err)
			got += " " + string(text)
		}
		if d.Err != nil {
			got += " " + d.Err.(*fault.Error).Code
			if !strings.Contains(d.Err.Error(), tc.says) {
				t.Errorf("%s: the fault does not say %q: %v", name, tc.says, d.Err)
			}
		}
		if got != tc.want {
			t.Errorf("%s: got %s, want %s", name, got, tc.want)
		}
		if stands := d.Action == gateway.ToChange || d.Action == gateway.ToDelete || d.Action == gateway.Unchanged; stands != (d.GatewayUUID != "") {
			t.Errorf("%s: the gateway is %q", name, d.GatewayUUID)
		}
	}
	if got := testbed.GatewayRows(t, b.Pool); got != rows {
		t.Errorf("the rows are\n%s\nand were\n%s", got, rows)
	}
	if got := b.saw(); got != told {
		t.Errorf("the switch saw %+v, and before %+v", got, told)
	}
}

func uuidOf(t *testing.T, b *bundle, label string) string {
	t.Helper()
	rows, err := b.FusionPBX.GatewaysByLabel(t.Context(), "", label)
	must(t, err)
	return rows[0].UUID
}

// A dry run says what becomes of the carrier's networks, and that there is no list to let them in by, as the run would.
func TestDiffOfProviders(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	b.stand(t, standing{label: "trunk", ours: true})
	named := from(change("", "trunk", nil), "192.0.2.0/24")
	diff := func() gateway.Difference { return b.applier.Diff(t.Context(), []*gateway.Change{named})[0] }
	if d := diff(); d.Action != gateway.InConflict || !fault.Is(d.Err, fault.InvalidGateway) || !strings.Contains(d.Err.Error(), "Access Controls") {
		t.Errorf("without the list: got %+v", d)
	}
	b.providers(t)
	if d := diff(); d.Action != gateway.ToChange || len(d.Changes) != 1 || d.Changes[0].Field != "provider_cidrs" || *d.Changes[0].From != "" || *d.Changes[0].To != "192.0.2.0/24" {
		t.Errorf("to be let in: got %+v", d)
	}
	b.one(t, named)
	if d := diff(); d.Action != gateway.Unchanged {
		t.Errorf("let in already: got %+v", d)
	}
	// Enabled, it would be let in again, by whatever it named before.
	b.one(t, change("", "trunk", map[string]string{"enabled": "false"}))
	b.exec(t, "delete from v_access_controls")
	if d := b.applier.Diff(t.Context(), []*gateway.Change{change("", "trunk", map[string]string{"enabled": "true"})})[0]; !fault.Is(d.Err, fault.InvalidGateway) {
		t.Errorf("enabled without the list: got %+v", d)
	}
}

// A switch that is away is told of by a dry run as by the run.
func TestDiffAsksTheSwitches(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	b.Simulated[0].StopProfile("external")
	d := b.applier.Diff(t.Context(), []*gateway.Change{change("", "new", carrier()), change("", "off", carrier("enabled", "false"))})
	if !fault.Is(d[0].Err, fault.ProfileUnavailable) || d[1].Action != gateway.ToAdd {
		t.Errorf("the profile does not run: got %+v", d)
	}
	must(t, b.Simulated[0].Stop())
	if d := b.applier.Diff(t.Context(), []*gateway.Change{change("", "new", carrier())}); !fault.Is(d[0].Err, fault.SwitchUnavailable) {
		t.Errorf("the switch is away: got %+v", d)
	}
}

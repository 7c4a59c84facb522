package gateway_test

import (
	"errors"
	"testing"

	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway"
)

// carrierGets is what a carrier got of each password, from the database, of a real FreeSWITCH 1.10.12 with
// FusionPBX.
var carrierGets = []struct{ password, gets string }{
	{"a&b", "a&b"}, {"&", "&"}, {"a&", "a&"}, {"&&x", "&&x"}, {"a&b;c", "a&b;c"}, {"a&nbsp;b", "a&nbsp;b"}, {"a&#b", "a&#b"}, {"a&#;b", "a&#;b"},
	{"a&amp;b", "a&b"}, {"a&lt;b", "a<b"}, {"a&gt;b", "a>b"}, {"a&quot;b", `a"b`}, {"a&apos;b", "a'b"}, {"a&#38;b", "a&b"}, {"a&#x41;b", "aAb"},
	{`a"b`, `a"b`}, {"a'b", "a'b"}, {"a<b", "a<b"}, {"a>b", "a>b"},
	{"p$b", "pb"}, {"pa${x}b", "pa{x}b"},
	{"a b", "a b"}, {`a\b`, `a\b`}, {"a%41b", "a%41b"}, {"a;b", "a;b"}, {"a,b", "a,b"}, {"a=b", "a=b"}, {"pässwörd", "pässwörd"},
}

// What arrives unaltered is accepted, and exactly what does not is refused, in either mode; and the simulated
// switch does with each value what the real one did.
func TestValuesReachTheCarrierUnaltered(t *testing.T) {
	t.Parallel()
	t.Run("database", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t, setUp{})
		created := b.one(t, change("", "carrier", carrier()))
		for _, c := range carrierGets {
			outcome := b.apply(change("", "carrier", map[string]string{"password": c.password}))[0]
			var refused *gateway.ValueError
			if arrives := c.password == c.gets; arrives != (outcome.Err == nil) || !arrives && (!errors.As(outcome.Err, &refused) || refused.Column != "password") {
				t.Errorf("%q: got %v, and the carrier would get %q", c.password, outcome.Err, c.gets)
			}
			// As FusionPBX's page writes it, the switch still does what it does.
			_, err := b.Pool.Exec(t.Context(), "update v_gateways set password = $1 where gateway_uuid = $2", c.password, created.GatewayUUID)
			must(t, err)
			b.one(t, change("", "carrier", map[string]string{"description": c.password}))
			if got := b.Simulated[0].Loaded()[created.GatewayUUID].Params["password"]; got != c.gets {
				t.Errorf("%q: the simulated switch has %q, the real one %q", c.password, got, c.gets)
			}
		}
	})
	t.Run("files", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t, setUp{files: true})
		created := b.one(t, change("", "carrier", carrier()))
		for _, c := range carrierGets {
			b.one(t, change("", "carrier", map[string]string{"password": c.password}))
			if got := b.Simulated[0].Loaded()[created.GatewayUUID].Params["password"]; got != c.password {
				t.Errorf("%q: the switch has %q", c.password, got)
			}
		}
	})
}

// What FreeSWITCH prints unescaped stays readable as XML.
func TestListOfGatewaysStaysReadable(t *testing.T) {
	t.Parallel()
	for _, column := range []string{"username", "auth_username", "extension", "from_user", "from_domain", "realm", "proxy", "register_proxy", "context"} {
		for _, mode := range []fusionpbx.GatewayMode{fusionpbx.ModeDatabase, fusionpbx.ModeFile} {
			for _, value := range []string{"a&b", "a<b", "&amp;"} {
				if gateway.CheckValue(mode, column, value) == nil {
					t.Errorf("%s %q is accepted in mode %s", column, value, mode)
				}
			}
		}
	}
}

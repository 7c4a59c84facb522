package gateway_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
)

// Where a row is, or is not, is no reason to leave it running.
func TestGatewayOutOfPlaceCanBeSuspended(t *testing.T) {
	t.Parallel()
	for column, value := range map[string]string{"profile": "gone", "hostname": "elsewhere"} {
		t.Run(column, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{})
			row := carrierRow()
			row.Set(column, value)
			must(t, b.FusionPBX.InsertGateway(t.Context(), row, ""))
			if suspended := b.one(t, change("", "carrier", map[string]string{"enabled": "false"})); suspended.GatewayEnabled != "false" {
				t.Errorf("suspended: got %+v", suspended)
			}
			if failure := b.failing(t, change("", "carrier", map[string]string{"enabled": "true"})); !strings.Contains(failure.Message, column) {
				t.Errorf("resumed, though no switch would load it: got %v", failure)
			}
		})
	}
}

// transport=tls where the profile's settings say that it has no TLS is the caller's to mend.
func TestTransportOfAProfileWithoutTLS(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	created := b.one(t, change("", "carrier", carrier()))
	b.withoutTLS(t, "external")
	b.failsInVain(t, carrier("register_transport", "tls"), fault.InvalidGateway, []string{"register_transport", "external", "TLS", "settings"})
	b.one(t, change("", "carrier", carrier("register_transport", "tls", "profile", "internal")))
	b.failsInVain(t, map[string]string{"profile": "external"}, fault.InvalidGateway, []string{"TLS"})
	b.exec(t, "update v_gateways set profile = 'external' where gateway_uuid = $1", created.GatewayUUID)
	b.one(t, change("", "carrier", map[string]string{"enabled": "false"}))
}

// A change of what the switch never gets costs no kill, and every other one does.
func TestEachColumnKillsOnlyIfTheSwitchGetsIt(t *testing.T) {
	t.Parallel()
	values := map[string]string{
		"username": "other", "password": "other", "distinct_to": "true", "auth_username": "other", "realm": "other.example", "from_user": "other",
		"from_domain": "other.example", "proxy": "other.example", "register_proxy": "other.example", "outbound_proxy": "other.example",
		"expire_seconds": "60", "register": "false", "register_transport": "tcp", "contact_params": "a=b", "retry_seconds": "60", "extension": "other",
		"ping": "30", "ping_min": "2", "ping_max": "4", "contact_in_ping": "true", "channels": "7", "caller_id_in_from": "true", "supress_cng": "true",
		"sip_cid_type": "pid", "codec_prefs": "PCMA", "extension_in_contact": "true", "context": "other", "profile": "internal", "hostname": "pbx-1",
		"enabled": "false", "description": "other",
	}
	unseen := []string{"channels", "codec_prefs", "description", "hostname"} // the hostname is this switch's
	b := newBundle(t, setUp{})
	for i, column := range fusionpbx.GatewayColumns {
		if column == "gateway" {
			continue // it is how the gateway is found
		}
		name := fmt.Sprintf("line-%d", i)
		b.one(t, change("", name, carrier()))
		before := b.commands("killgw")
		b.one(t, change("", name, map[string]string{column: values[column]}))
		killed := b.commands("killgw") > before
		if want := !slices.Contains(unseen, column); killed != want {
			t.Errorf("%s was changed: killed %t, want %t", column, killed, want)
		}
		if slices.Contains(unseen, column) {
			b.one(t, change("", name, map[string]string{column: values[column], "password": "s3cret-pw"}))
			if b.commands("killgw") > before {
				t.Errorf("%s was changed, and the same password sent again: killed", column)
			}
		}
	}
}

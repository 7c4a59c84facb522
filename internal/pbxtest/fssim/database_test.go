package fssim

import (
	"testing"

	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"

	"github.com/jackc/pgx/v5"
)

const (
	gatewayOne = "aaaaaaaa-0000-4000-8000-000000000001"
	gatewayTwo = "aaaaaaaa-0000-4000-8000-000000000002"
)

// gatewayDatabase is a database with the profiles external (enabled), off (disabled) and elsewhere (of
// another host), and one gateway that is loaded among others that are not.
func gatewayDatabase(t *testing.T, v sample.Version) (url string, conn *pgx.Conn) {
	t.Helper()
	url = pbxtest.Database(t, v)
	conn = pbxtest.Connect(t, url)
	// An untyped literal serves flags that are text and flags that are boolean.
	_, err := conn.Exec(t.Context(), `
		insert into v_sip_profiles (sip_profile_uuid, sip_profile_name, sip_profile_enabled, sip_profile_hostname) values
			(gen_random_uuid(), 'external', 'true', null), (gen_random_uuid(), 'off', 'false', null),
			(gen_random_uuid(), 'here', 'true', 'vm'), (gen_random_uuid(), 'elsewhere', 'true', 'other');
		insert into v_gateways (gateway_uuid, gateway, profile, enabled, hostname, username, password, proxy, realm, register,
				register_transport, retry_seconds, expire_seconds, distinct_to, caller_id_in_from, context) values
			('AAAAAAAA-0000-4000-8000-000000000001', 'one', 'external', 'true', '', 'me', 'pa$$w&d', 'sip.example', null, 'true',
				'carrier pigeon', 3, 800, 'false', 'true', 'public'),
			('aaaaaaaa-0000-4000-8000-000000000002', 'off', 'external', 'false', null, 'me', 'p', 'sip.example', null, 'true', null, 30, 800, null, null, 'public'),
			(gen_random_uuid(), 'another host', 'external', 'true', 'other', 'me', 'p', 'sip.example', null, 'true', null, 30, 800, null, null, 'public'),
			(gen_random_uuid(), 'no profile', null, 'true', null, 'me', 'p', 'sip.example', null, 'true', null, 30, 800, null, null, 'public'),
			(gen_random_uuid(), 'profile off', 'off', 'true', null, 'me', 'p', 'sip.example', null, 'true', null, 30, 800, null, null, 'public')`)
	if err != nil {
		t.Fatal(err)
	}
	return url, conn
}

func TestGatewaysFromDatabase(t *testing.T) {
	t.Parallel()
	want := `<gateway name="` + gatewayOne + `">
  <param name="username" value="me"/>
  <param name="distinct-to" value="false"/>
  <param name="password" value="paw&d"/>
  <param name="proxy" value="sip.example"/>
  <param name="expire-seconds" value="800"/>
  <param name="register" value="true"/>
  <param name="register-transport" value="udp"/>
  <param name="retry-seconds" value="30"/>
  <param name="context" value="public"/>
  <param name="caller-id-in-from" value="true"/>
</gateway>
`
	for _, v := range sample.Versions {
		t.Run(string(v), func(t *testing.T) {
			t.Parallel()
			url, _ := gatewayDatabase(t, v)
			got, err := GatewaysFromDatabase(url)(t.Context(), "vm")
			if err != nil {
				t.Fatal(err)
			}
			if got["external"] != want {
				t.Errorf("the XML of external is\n%s\nwant\n%s", got["external"], want)
			}
			if here, ok := got["here"]; !ok || here != "" {
				t.Errorf("the XML of a profile without gateways is %q, %v, want it empty", here, ok)
			}
			for _, name := range []string{"off", "elsewhere"} {
				if xml, ok := got[name]; ok {
					t.Errorf("profile %s is configured: %q", name, xml)
				}
			}
		})
	}
}

func TestSwitchOnADatabase(t *testing.T) {
	t.Parallel()
	url, conn := gatewayDatabase(t, sample.V55)
	s := startTestSwitch(t, Options{Gateways: GatewaysFromDatabase(url)})
	c := logIn(t, s)
	c.wantAPI(rescan, scanned)
	if got := s.Loaded()[gatewayOne].Params["password"]; got != "paw&d" {
		t.Errorf("the carrier gets the password %q, want what is left without $", got)
	}
	c.wantAPI("sofia profile internal rescan", "Reload XML [Success]\n-ERR cannot find config for profile internal\n")

	update := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
		c.wantAPI(dropKey55, "true")
	}
	update(`update v_gateways set enabled = true, password = 'a">b' where gateway = 'off'`)
	c.wantAPI(rescan, scanned)
	if got := s.Loaded()[gatewayTwo].Params["password"]; got != `a">b` {
		t.Errorf("the carrier gets the password %q, want it unaltered", got)
	}
	c.wantAPI("sofia profile external killgw "+gatewayTwo, "+OK gateway marked for deletion.\n")

	// The connection that the switch keeps is lost.
	update(`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid != pg_backend_pid()`)
	update(`update v_gateways set password = 'good' where gateway = 'off'`)
	c.wantAPI(rescan, scanned)
	if _, ok := s.Loaded()[gatewayTwo]; !ok {
		t.Error("the repaired gateway was not loaded")
	}
}

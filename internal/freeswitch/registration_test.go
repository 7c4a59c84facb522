package freeswitch

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestRecordedRegistration(t *testing.T) {
	t.Parallel()
	_, body, _ := strings.Cut(recording(t, "api_sofia_xmlstatus_profile_internal_reg_2"), "\n\n")
	found := parseRegistrations(body, "")
	if len(found) != 2 {
		t.Fatalf("got %d registrations, want 2", len(found))
	}
	got, want := found[1], Registration{
		CallID: "call-1002@127.0.0.1", User: "1002@pbx.example", Contact: `"" <sip:1002@127.0.0.1:25062;transport=udp;x=1>`,
		Agent: `sipreg/1.0 "test" & <co>`, Status: "Registered(UDP)(unknown) exp(2026-11-22 19:14:55) expsecs(358)",
		PingStatus: PingReachable, Host: "vm", NetworkIP: "127.0.0.1", NetworkPort: "25062", AuthUser: "1002", AuthRealm: "pbx.example",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	left, ok := got.ExpiresIn()
	if got.Name() != "1002" || got.Domain() != "pbx.example" || got.Transport() != "udp" || left != 358*time.Second || !ok {
		t.Errorf("got %s of %s over %s for %v, %t", got.Name(), got.Domain(), got.Transport(), left, ok)
	}
}

func TestTransport(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ status, contact, want string }{
		{"Registered(UDP)(unknown) exp(x) expsecs(1)", "<sip:a@b;transport=tls>", "udp"},
		{"Registered(TLS-NAT)(unknown)", "", "tls"},
		{"Registered(AUTO-NAT)(unknown)", "<sip:a@b;transport=TCP;x=1>", "tcp"},
		{"Registered(AUTO-NAT-2.0)(unknown)", "<sip:a@b;x=1;transport=wss>", "wss"},
		{"Registered(odd)(unknown)", "<sip:a@b;transport=carrier-pigeon>", ""},
		{"", "<sip:a@b>", ""},
	} {
		if got := (Registration{Status: c.status, Contact: c.contact}).Transport(); got != c.want {
			t.Errorf("%s %s: got %q, want %q", c.status, c.contact, got, c.want)
		}
	}
}

func TestExpiresIn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status string
		want   time.Duration
		ok     bool
	}{
		{"Registered(UDP)(unknown) exp(2026-11-22 19:14:55) expsecs(358)", 358 * time.Second, true},
		{"Registered(UDP)(unknown) exp(2026-11-22 19:14:55) expsecs(-2)", -2 * time.Second, true},
		{"Registered(UDP)(unknown)", 0, false},
		{"Registered(expsecs(5))(unknown)", 0, false},
		{"expsecs(99999999999999999999)", 0, false},
	} {
		if got, ok := (Registration{Status: c.status}).ExpiresIn(); got != c.want || ok != c.ok {
			t.Errorf("%s: got %v, %t; want %v, %t", c.status, got, ok, c.want, c.ok)
		}
	}
}

// What could be taken for more than one word, or for another command, is
// refused before anything is written.
func TestUserIsCheckedBeforeItIsSent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ profile, user, domain, names string }{
		{"internal", "", "pbx.example", "the user"},
		{"internal", "1001 x", "pbx.example", "the user"},
		{"internal", "1001\n\napi fsctl shutdown", "pbx.example", "the user"},
		{"internal", "1001@other.example", "pbx.example", "the user"},
		{"internal", "1001'", "pbx.example", "the user"},
		{"internal", strings.Repeat("1", 65), "pbx.example", "the user"},
		{"internal", "1001", "", "the domain"},
		{"internal", "1001", "pbx.example reg", "the domain"},
		{"internal", "1001", "pbx.example\x00", "the domain"},
		{"internal x", "1001", "pbx.example", "the profile"},
	} {
		s := newSwitch(t, "127.0.0.1:1", Options{}) // where nobody listens
		_, err := s.UserRegistrations(t.Context(), c.profile, c.user, c.domain)
		var argument *ArgumentError
		if !errors.As(err, &argument) || !strings.Contains(argument.Name, c.names) {
			t.Errorf("%+v: got %v", c, err)
		}
	}
	for _, user := range []string{"1001", "alice.smith", "+15550100", "*98", "a_b-c"} {
		if err := CheckUser(user, "pbx.example"); err != nil {
			t.Errorf("%s: %v", user, err)
		}
	}
}

func TestChannelsBelongToCalls(t *testing.T) {
	t.Parallel()
	_, body, _ := strings.Cut(recording(t, "api_show_channels_json_active"), "\n\n")
	channels, ok := parseChannels(body)
	if !ok || len(channels) != 2 {
		t.Fatalf("got %+v, %t", channels, ok)
	}
	if c := channels[0]; c.Call() != c.CallUUID || c.Context != "public" || c.InitialContext != "public" || c.PresenceDomain() != "" {
		t.Errorf("got %+v", c)
	}
	if c := channels[1]; c.CallUUID != "" || c.Call() != c.UUID {
		t.Errorf("got %+v", c)
	}
	for _, partial := range []string{`{"row_count":2,"rows":[{"uuid":"a"}]}`, `{"rows":[]}`, `{}`, ``, `null`, `{"row_count":0}x`} {
		if got, ok := parseChannels(partial); ok {
			t.Errorf("%s: got %+v", partial, got)
		}
	}
}

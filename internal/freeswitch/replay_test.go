package freeswitch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// replaying returns a peer that logs in with the recorded bytes, and answers
// the nth command of a connection with the nth recording. It returns with it
// the commands that came.
func replaying(t *testing.T, names ...string) (*peer, <-chan string) {
	t.Helper()
	logIn := recording(t, "auth_good")
	greeting, accepted, _ := strings.Cut(logIn, "\n\n")
	var answers []string
	for _, name := range names {
		answers = append(answers, recording(t, name))
	}
	commands := make(chan string, 100)
	p := startPeer(t, func(_ int, c *peerConn) {
		c.raw(greeting + "\n\n")
		c.command()
		c.raw(accepted)
		for _, answer := range answers {
			command := c.command()
			if command == "" {
				return
			}
			commands <- command + "\n\n"
			c.raw(answer)
		}
		c.untilGone()
	})
	return p, commands
}

// Each command writes the recorded bytes and understands the recorded answer.
func TestRecordedAnswers(t *testing.T) {
	t.Parallel()
	const uuid = "0b6f1a52-3c1d-4e6f-8a90-1234567890ab"
	rescan := func(profile string) func(context.Context, *Switch) error {
		return func(ctx context.Context, s *Switch) error { return s.Rescan(ctx, profile) }
	}
	reload := func(ctx context.Context, s *Switch) error { return s.ReloadXML(ctx) }
	kill := func(wantFound bool) func(context.Context, *Switch) error {
		return func(ctx context.Context, s *Switch) error {
			found, err := s.KillGateway(ctx, "external", uuid)
			if found != wantFound {
				t.Errorf("killgw: found %v, want %v", found, wantFound)
			}
			return err
		}
	}
	running := func(profile string) func(context.Context, *Switch) error {
		return func(ctx context.Context, s *Switch) error { return s.ProfileRunning(ctx, profile) }
	}
	gateway := func(name string) func(context.Context, *Switch) error {
		return func(ctx context.Context, s *Switch) error {
			g, err := s.Gateway(ctx, name)
			if err == nil && g.Name != name {
				t.Errorf("gateway %s: got %q", name, g.Name)
			}
			return err
		}
	}
	reregister := func(ctx context.Context, s *Switch) error { return s.Register(ctx, "external", uuid) }
	unregister := func(ctx context.Context, s *Switch) error { return s.Unregister(ctx, "external", uuid) }
	is := func(want error) func(error) bool { return func(err error) bool { return errors.Is(err, want) } }
	registered := func(want ...string) func(context.Context, *Switch) error {
		return func(ctx context.Context, s *Switch) error {
			found, err := s.Registrations(ctx, "internal")
			return sameUsers(found, err, want)
		}
	}
	user := func(profile, user string, want ...string) func(context.Context, *Switch) error {
		return func(ctx context.Context, s *Switch) error {
			found, err := s.UserRegistrations(ctx, profile, user, "pbx.example")
			return sameUsers(found, err, want)
		}
	}
	channels := func(want int) func(context.Context, *Switch) error {
		return func(ctx context.Context, s *Switch) error {
			found, err := s.Channels(ctx)
			if err == nil && len(found) != want {
				err = fmt.Errorf("got %d channels, want %d", len(found), want)
			}
			return err
		}
	}
	none := func(err error) bool { return err == nil }
	profileIs := func(profile string, reason ProfileReason) func(error) bool {
		return func(err error) bool {
			var e *ProfileError
			return errors.As(err, &e) && e.Profile == profile && e.Reason == reason && strings.Contains(err.Error(), profile)
		}
	}
	brokenAt := func(line int, detail string) func(error) bool {
		return func(err error) bool {
			var e *ReloadError
			return errors.As(err, &e) && e.Line == line && e.Detail == detail
		}
	}
	replied := func(err error) bool { var e *ReplyError; return errors.As(err, &e) && e.Addr != "" && e.Command != "" }

	type test struct {
		recording string
		call      func(context.Context, *Switch) error
		want      func(error) bool
		names     string // what stands in the recorded command for what is sent, "old new" for a Replacer
	}
	cases := []test{
		{"api_rescan_10new", rescan("external"), none, ""},
		{"api_rescan_nonew", rescan("external"), none, ""},
		{"api_rescan_profile_restarting", rescan("external"), none, ""},
		{"api_rescan_nosuch_profile", rescan("nosuch"), profileIs("nosuch", ProfileNotRunning), ""},
		{"api_rescan_profile_stopped", rescan("external"), profileIs("external", ProfileNotRunning), ""},
		{"api_rescan_profile_stopped2", rescan("external"), profileIs("external", ProfileNotRunning), ""},
		{"api_rescan_profile_config_missing", rescan("external"), profileIs("external", ProfileNoConfig), ""},
		{"api_reloadxml", reload, none, ""},
		{"api_killgw_existing", kill(true), none, "gw-reged " + uuid},
		{"api_killgw_noreg_gateway", kill(true), none, "gw-noreg " + uuid},
		{"api_killgw_twice", kill(false), none, "gw-reged " + uuid},
		{"api_killgw_nosuch", kill(false), none, "nosuch " + uuid},
		{"api_killgw_profile_stopped", kill(false), profileIs("external", ProfileNotRunning), " v  " + uuid},
		{"api_profile_register_gw", reregister, none, "gw-reged " + uuid},
		{"api_profile_register_noreg", reregister, is(ErrNoRegister), "gw-noreg " + uuid},
		{"api_sofia_profile_register_nosuch", reregister, is(ErrNoGateway), "nosuch " + uuid},
		{"api_profile_unregister_gw", unregister, none, "gw-reged " + uuid},
		{"api_profile_unregister_noreg", unregister, is(ErrNoRegister), "gw-noreg " + uuid},
		{"api_unknown", reregister, replied, "-"},
		{"api_sofia_xmlstatus_profile_external", running("external"), none, ""},
		{"api_sofia_xmlstatus_profile_internal", running("internal"), none, ""},
		{"api_sofia_xmlstatus_profile_nosuch", running("nosuch"), profileIs("nosuch", ProfileNotRunning), ""},
		{"api_sofia_xmlstatus_gateway_gw-reged", gateway("gw-reged"), none, ""},
		{"odd_xmlstatus_unescaped_username", gateway("esc"), none, ""},
		{"api_sofia_xmlstatus_gateway_nosuch", gateway("nosuch"), func(err error) bool { return errors.Is(err, ErrNoGateway) }, ""},
		{"api_xmlstatus_gateway_v_profile_stopped", gateway("v"), func(err error) bool { return errors.Is(err, ErrNoGateway) }, ""},
		{"api_sofia_xmlstatus_profile_internal_reg_0", registered(), none, ""},
		{"api_sofia_xmlstatus_profile_internal_reg_2", registered("1001@pbx.example", "1002@pbx.example"), none, ""},
		{"api_sofia_xmlstatus_profile_internal_reg_3", registered("1002@pbx.example", "1001@pbx.example"), none, ""},
		{"api_sofia_xmlstatus_profile_internal_user_1001", user("internal", "1001", "1001@pbx.example"), none, ""},
		{"api_sofia_xmlstatus_profile_internal_user_1003_none", user("internal", "1003"), none, ""},
		{"api_sofia_xmlstatus_profile_nosuch_user", user("nosuch", "1001"), profileIs("nosuch", ProfileNotRunning), ""},
		{"api_show_channels_json_0", channels(0), none, ""},
		{"api_show_channels_json_active", channels(2), none, ""},
		// Not to the command that was recorded, but to any that meets them.
		{"api_unknown", rescan("external"), replied, "-"},
		{"api_unknown", running("external"), replied, "-"},
		{"api_unknown", reload, replied, "-"},
		{"api_unknown", kill(false), replied, "-"},
		{"api_unknown", gateway("x"), replied, "-"},
		{"api_unknown", registered(), replied, "-"},
		{"api_unknown", channels(0), replied, "-"},
		{"api_sofia_xmlstatus_profile_internal", registered(), replied, "-"},
		{"api_sofia_xmlstatus_profile_internal_reg_2", channels(0), replied, "-"},
		{"api_lua_nowrite", gateway("x"), replied, "-"},
		{"api_sofia_xmlstatus_gateway_gw-reged", gateway("other"), replied, "-"},
		{"cmd_unknown", reload, replied, "-"},
		{"shutdown_graceful_idle_connection", rescan("external"), wantReason(ReasonDisconnected), "-"},
	}
	for _, odd := range []struct {
		name string
		want func(error) bool
	}{
		{"bad_attr_quote", none}, {"bom_crlf", none}, {"duplicate_in_file", none}, {"empty_file", none},
		{"gateways_wrapper", none}, {"invalid_name_space", none}, {"invalid_transport", none},
		{"no_include_wrapper", none}, {"ok_control", none}, {"plain_text", none}, {"raw_amp_lt_in_attr", none},
		{"register_without_password", none}, {"register_without_username", none}, {"single_line_include", none},
		{"xml_declaration", none},
		{"binary_nul", brokenAt(71, "unexpected closing tag </gateway>")},
		{"stray_close_profile", brokenAt(75, "unexpected closing tag </gateways>")},
		{"truncated", brokenAt(70, "unexpected closing tag </gateway>")},
		{"unclosed_gateway_tag", brokenAt(73, "unexpected closing tag </gateways>")},
		{"unclosed_param_tag", brokenAt(67, "unexpected closing tag </gateway>")},
		{"unterminated_attr_quote", brokenAt(71, "unexpected closing tag </gateway>")},
		{"unterminated_comment", brokenAt(64, "unclosed <!--")},
	} {
		cases = append(cases,
			test{"odd_rescan_" + odd.name, rescan("external"), odd.want, ""},
			test{"odd_reloadxml_" + odd.name, reload, odd.want, ""})
	}
	for _, c := range cases {
		t.Run(c.recording, func(t *testing.T) {
			t.Parallel()
			p, commands := replaying(t, c.recording)
			if err := c.call(t.Context(), newSwitch(t, p.addr, Options{})); !c.want(err) {
				t.Errorf("got %T %v", err, err)
			}
			if c.names == "-" {
				return
			}
			want := recorded(t, c.recording)
			if old, now, ok := strings.Cut(strings.TrimSpace(c.names), " "); ok {
				want = strings.Replace(want, " "+old+"\n", " "+strings.TrimSpace(now)+"\n", 1)
			}
			if got := receive(t, "the command", commands); got != want {
				t.Errorf("sent %q, want %q", got, want)
			}
		})
	}
}

// sameUsers is err, or an error if others than the wanted ones are registered.
func sameUsers(found []Registration, err error, want []string) error {
	var users []string
	for _, r := range found {
		users = append(users, r.User)
	}
	if err == nil && !slices.Equal(users, want) {
		err = fmt.Errorf("got %v, want %v", users, want)
	}
	return err
}

func TestRecordedNamesAndStatus(t *testing.T) {
	t.Parallel()
	p, _ := replaying(t, "api_hostname", "api_switchname", "api_status", "api_status_active")
	s := newSwitch(t, p.addr, Options{})
	if got, err := s.Names(t.Context()); err != nil || got != (Names{Host: "vm", Switch: "vm"}) {
		t.Errorf("Names: got %+v, %v", got, err)
	}
	for _, want := range []Status{
		{53*time.Second + 517*time.Millisecond + 481*time.Microsecond, "1.10.12-release", true, 96.43},
		{8*time.Minute + 2*time.Second + 816*time.Millisecond + 570*time.Microsecond, "1.10.12-release", true, 77.27},
	} {
		if got, err := s.Status(t.Context()); err != nil || got != want {
			t.Errorf("Status: got %+v, %v; want %+v", got, err, want)
		}
	}
}

// Both versions' keys go in one command, the one that was recorded.
func TestRecordedCacheDelete(t *testing.T) {
	t.Parallel()
	cases := []struct {
		recording string
		ok        bool
	}{{"api_lua_two_keys", true}, {"api_lua_error", false}, {"api_lua_nowrite", false}, {"api_unknown", false}}
	for _, c := range cases {
		t.Run(c.recording, func(t *testing.T) {
			t.Parallel()
			p, commands := replaying(t, "api_hostname", "api_switchname", c.recording)
			err := newSwitch(t, p.addr, Options{}).DeleteSofiaCache(t.Context())
			var reply *ReplyError
			if c.ok != (err == nil) || !c.ok && (!errors.As(err, &reply) || reply.Remedy == "") {
				t.Errorf("got %v", err)
			}
			want := []string{recorded(t, "api_hostname"), recorded(t, "api_switchname"), recorded(t, "api_lua_two_keys")}
			for _, want := range want {
				if got := receive(t, "a command", commands); got != want {
					t.Errorf("sent %q, want %q", got, want)
				}
			}
		})
	}
}

// A refused log-in, recorded.
func TestRecordedRefusals(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]func(error) bool{
		"auth_bad":     wantReason(ReasonWrongPassword),
		"auth_timeout": wantReason(ReasonDisconnected),
		"noauth_api":   wantReason(ReasonWrongPassword),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := recording(t, name)
			p := startPeer(t, func(_ int, c *peerConn) {
				greeting, rest, _ := strings.Cut(text, "\n\n")
				c.raw(greeting + "\n\n")
				c.command()
				c.raw(rest)
			})
			_, err := newSwitch(t, p.addr, Options{}).Status(t.Context())
			if !want(err) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Events that were recorded between commands disturb none of them.
func TestRecordedEventsAreDropped(t *testing.T) {
	t.Parallel()
	_, plain, _ := strings.Cut(recording(t, "events_plain_gateway_delete"), "\n\n")
	_, json, _ := strings.Cut(recording(t, "events_json_gateway_delete"), "\n\n")
	plain, _, _ = strings.Cut(plain, "Content-Type: api/response")
	json, _, _ = strings.Cut(json, "Content-Type: api/response")
	if !strings.Contains(plain, "text/event-plain") || !strings.Contains(json, "text/event-json") {
		t.Fatal("the recordings hold no events")
	}
	p := startPeer(t, func(_ int, c *peerConn) {
		for ok := c.logIn(); ok && c.command() != ""; {
			c.raw(plain + json)
			c.reply("vm")
			c.raw(json + plain)
		}
	})
	s := newSwitch(t, p.addr, Options{})
	for range 5 {
		if got, err := s.bareName(t.Context(), "hostname"); err != nil || got != "vm" {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	if n := p.accepted.Load(); n != 1 {
		t.Errorf("used %d connections, want 1", n)
	}
}

package fssim

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"trunkline/internal/pbxtest"
)

// The recordings in testdata/esl-transcripts are of a FreeSWITCH 1.10.12: NAME.sent is what the client
// wrote, after a good auth unless the name says otherwise, NAME.recv all that came back.

func transcript(t *testing.T, name string) (sent, recv string) {
	t.Helper()
	read := func(suffix string) string {
		b, err := os.ReadFile("testdata/esl-transcripts/" + name + suffix)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	return read(".sent"), read(".recv")
}

// volatile are the fields that no two runs share, by name.
var volatile = map[string]*regexp.Regexp{
	"uuid":      regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`),
	"dates":     regexp.MustCompile(`Event-Date-(Local|GMT|Timestamp)(: [^\n]*|":"[^"]*")`),
	"sequence":  regexp.MustCompile(`Event-Sequence(: |":")\d+`),
	"length":    regexp.MustCompile(`Content-Length: \d+`),
	"uptime":    regexp.MustCompile(`UP 0 years.*|<uptime-usec>\d+|Uptime  \t\d+s|\n\n\d+\n$`),
	"idle":      regexp.MustCompile(`min idle cpu .*`),
	"retry":     regexp.MustCompile(`(<retry>|retry: )\d+s`),
	"ping":      regexp.MustCompile(`(<ping>|Ping    \t)\d{10}`),
	"expires":   regexp.MustCompile(`(?i)exp\([^)]*\) expsecs\(-?\d+\)`),
	"wait":      regexp.MustCompile(`Please wait \d+`),
	"line":      regexp.MustCompile(`near line \d+`),
	"xml-dates": regexp.MustCompile(`<Event-(Date-Local|Date-GMT|Date-Timestamp|Sequence)>[^<]*`),
}

func withoutVolatile(text string, fields []string) string {
	for _, name := range fields {
		re := volatile[name]
		if re == nil {
			panic("no volatile field is called " + name)
		}
		text = re.ReplaceAllString(text, "["+name+"]")
	}
	return text
}

var eventFields = []string{"uuid", "dates", "sequence", "length"}

// frames takes recorded bytes apart.
func frames(t *testing.T, recv string) []string {
	t.Helper()
	var all []string
	r := bufio.NewReader(strings.NewReader(recv))
	for {
		if _, err := r.Peek(1); err != nil {
			return all
		}
		frame, err := readFrame(r)
		if err != nil {
			t.Fatalf("the recording ends within a frame: %v", err)
		}
		all = append(all, frame)
	}
}

// replay sends what a recording sent and compares what comes back, but for the volatile fields named.
func replay(t *testing.T, s *Switch, name string, fields ...string) {
	t.Helper()
	sent, recv := transcript(t, name)
	want := frames(t, recv)
	var c *socketClient
	if slices.Contains([]string{"greeting", "full_session", "auth_good", "auth_bad", "auth_crlf", "auth_userauth", "noauth_api"}, name) {
		c = dialSocket(t, s)
	} else {
		c = logIn(t, s)
	}
	c.send(sent)
	for i, frame := range want {
		got := withoutVolatile(c.frame(), fields)
		if frame = withoutVolatile(frame, fields); got != frame {
			t.Fatalf("%s: frame %d is\n%q\nwhere the recording has\n%q", name, i, got, frame)
		}
	}
	if last := want[len(want)-1]; strings.HasPrefix(last, "Content-Type: text/disconnect-notice") {
		c.wantEOF()
	}
}

// replayAll replays recordings that need nothing but a switch of their own.
func replayAll(t *testing.T, s *Switch, names []string, fields ...string) {
	t.Helper()
	for _, name := range names {
		t.Run(name, func(t *testing.T) { replay(t, s, name, fields...) })
	}
}

// gatewayConfig makes a Gateways function of gateways, in order, under the profile external.
func gatewayConfig(gateways ...string) func(context.Context, string) (map[string]string, error) {
	return func(context.Context, string) (map[string]string, error) {
		return map[string]string{"internal": "", "external": strings.Join(gateways, "")}, nil
	}
}

// element is a gateway's XML from name=value pairs.
func element(name string, params ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<gateway name=%q>\n", name)
	for _, p := range params {
		key, value, _ := strings.Cut(p, "=")
		fmt.Fprintf(&b, "<param name=\"%s\" value=\"%s\"/>\n", key, value)
	}
	return b.String() + "</gateway>\n"
}

// recordedGateways are those of the switch that was recorded, in the order in which they were loaded.
func recordedGateways() []string {
	const proxy, secret = "proxy=127.0.0.1:15060", "password=secret"
	return []string{
		element("gw-403", "username=deny1", secret, proxy),
		element("gw-503", "username=busy1", secret, proxy),
		element("gw-badpw", "username=okrot", secret, proxy),
		element("gw-closedport", "username=u1", secret, "proxy=127.0.0.1:15998"),
		element("gw-hole", "username=hole1", secret, proxy),
		element("gw-loop401", "username=badauth1", secret, proxy),
		element("gw-noreg-ping-dead", "username=hole9", secret, "proxy=127.0.0.1:15999", "register=false", "ping=5", "ping-max=3"),
		element("gw-noreg-ping", "username=nobody", secret, proxy, "register=false", "ping=5"),
		element("gw-noreg", "username=nobody", secret, proxy, "register=false"),
		element("gw-reged", "username=okuser", secret, proxy, "extension=auto_to_user", "expire-seconds=60"),
	}
}

// recordedOutcome is what the recorded gateways' registrars did.
func recordedOutcome(params map[string]string) Outcome {
	return map[string]Outcome{
		"deny1": Rejected403, "okrot": Rejected403, "busy1": Rejected503, "badauth1": Unchallenged,
		"u1": Unreachable, "hole1": Silent, "hole9": Silent,
	}[params["username"]]
}

func recordedSwitch(t *testing.T, gateways []string, tune ...func(*switchTimes)) *Switch {
	s := startTestSwitch(t, Options{Hostname: "vm", Gateways: gatewayConfig(gateways...)}, tune...)
	s.SetOutcome(recordedOutcome)
	return s
}

func TestReplayConnection(t *testing.T) {
	t.Parallel()
	s := recordedSwitch(t, nil)
	replayAll(t, s, []string{
		"greeting", "auth_good", "auth_bad", "auth_crlf", "auth_userauth", "noauth_api", "full_session",
		"exit", "exit_dots", "cmd_unknown", "cmd_unknown_with_args", "api_noargs_cmd", "noop_linger", "myevents_bad",
		"sendmsg_bad", "log_info", "nolog", "single_newline_injection", "pipelined_three_apis",
		"event_bad_name", "event_no_keywords", "event_custom_only", "filter_add", "filter_bad", "nixevent", "noevents_not_listening",
	})
	replayAll(t, s, []string{"sendevent_custom_nolistener", "bgapi_no_subscription", "event_custom_before_background_job"}, "uuid")
	t.Run("cmd_api_uppercase", func(t *testing.T) { replay(t, s, "cmd_api_uppercase", "uptime", "idle", "length") })
}

func TestReplayCommands(t *testing.T) {
	t.Parallel()
	s := recordedSwitch(t, nil)
	replayAll(t, s, []string{
		"api_echo", "api_echo_empty", "api_echo_utf8", "api_hostname", "api_switchname", "api_version", "api_version_short",
		"api_global_getvar_domain", "api_global_getvar_hostname", "api_global_getvar_missing", "api_module_exists", "api_module_exists_no",
		"api_reloadxml", "api_unknown", "api_show_registrations_0", "api_show_registrations_json_0", "api_show_registrations_xml_0",
		"api_show_registrations_count_0", "api_show_registrations_count_json_0", "api_show_calls_count", "api_show_calls_count_json",
		"api_show_calls_json_0", "api_show_channels_0", "api_show_channels_count", "api_show_channels_json_0",
		"api_sofia_badcmd", "api_sofia_profile_badverb", "api_sofia_profile_gwlist", "api_sofia_profile_gwlist_down",
		"api_sofia_status", "api_sofia_xmlstatus", "api_sofia_status_gateway_empty", "api_sofia_xmlstatus_gateway_empty",
		"api_sofia_status_gateway_nosuch", "api_sofia_xmlstatus_gateway_nosuch", "api_sofia_profile_register_nosuch",
		"api_killgw_noname", "api_killgw_nosuch", "api_startgw_nosuch", "api_rescan_nonew", "api_rescan_nosuch_profile", "api_rescan_reloadxml_suffix",
		"api_sofia_status_profile_external", "api_sofia_xmlstatus_profile_external", "api_sofia_status_profile_nosuch",
		"api_sofia_xmlstatus_profile_nosuch", "api_sofia_xmlstatus_profile_nosuch_user",
		"api_sofia_status_profile_internal_reg_0", "api_sofia_xmlstatus_profile_internal_reg_0", "api_sofia_contact_unreg",
		"api_lua_cache_del", "api_lua_cache_del_old_key", "api_lua_two_keys", "api_lua_error", "api_lua_missing_module",
		"api_lua_module_missing", "api_lua_nowrite",
	})
	replayAll(t, s, []string{"api_status", "api_uptime", "api_uptime_s"}, "uptime", "idle", "length")
}

func TestReplayGateways(t *testing.T) {
	t.Parallel()
	s := recordedSwitch(t, recordedGateways(), func(times *switchTimes) { times.silence = time.Hour })
	replay(t, s, "api_rescan_10new")
	for name, state := range map[string]string{
		"gw-403": stateFailWait, "gw-503": stateFailWait, "gw-badpw": stateFailWait, "gw-closedport": stateFailWait,
		"gw-hole": stateTrying, "gw-loop401": stateFailWait, "gw-noreg": stateNoReg, "gw-reged": stateReged,
	} {
		waitState(t, s, name, state)
	}
	times := []string{"uptime", "retry", "ping", "length"}
	for _, gw := range []string{"gw-403", "gw-503", "gw-badpw", "gw-closedport", "gw-hole", "gw-loop401", "gw-noreg", "gw-noreg-ping", "gw-reged"} {
		replayAll(t, s, []string{"api_sofia_xmlstatus_gateway_" + gw, "api_sofia_status_gateway_" + gw}, times...)
	}
	pbxtest.Eventually(t, "the failing ping", func() bool { return !s.Loaded()["gw-noreg-ping-dead"].Up })
	replayAll(t, s, []string{
		"api_sofia_xmlstatus_gateway_gw-noreg-ping-dead_later", "api_sofia_status_gateway_gw-noreg-ping-dead_later",
		"api_sofia_xmlstatus_gateway_external_prefix", "api_sofia_status_gateway_list", "api_sofia_status_with_gateways",
		"api_sofia_xmlstatus_with_gateways", "api_sofia_status_profile_external_with_gateways",
	}, times...)
	replayAll(t, s, []string{"api_sofia_profile_gwlist_up", "api_sofia_profile_gwlist_down_some",
		"api_profile_register_noreg", "api_profile_unregister_noreg", "api_profile_unregister_gw"})
	waitState(t, s, "gw-reged", stateDown)
	pbxtest.Eventually(t, "the steady state after unregister", func() bool { return s.Loaded()["gw-reged"].Up })
	replay(t, s, "api_sofia_xmlstatus_gateway_unregister_down-up", times...)
	replay(t, s, "api_profile_register_gw")
	waitState(t, s, "gw-reged", stateReged)
	replayAll(t, s, []string{"api_killgw_existing", "api_killgw_twice", "api_killgw_noreg_gateway"})
}

func TestReplayJustLoaded(t *testing.T) {
	t.Parallel()
	late := func(times *switchTimes) { times.trying = time.Hour }
	account := []string{"username=okm0", "password=secret", "proxy=127.0.0.1:15060"}
	t.Run("list of ten", func(t *testing.T) {
		s := recordedSwitch(t, recordedGateways(), late)
		logIn(t, s).api("sofia profile external rescan")
		replay(t, s, "api_sofia_xmlstatus_gateway_just_after_rescan", "uptime", "ping", "length")
	})
	t.Run("timing_rescan_1_reg", func(t *testing.T) {
		replay(t, recordedSwitch(t, []string{element("m0000", account...)}, late), "timing_rescan_1_reg")
	})
	t.Run("timing_rescan_1_noreg", func(t *testing.T) {
		s := recordedSwitch(t, []string{element("m0000", append(account, "register=false")...)}, late)
		replay(t, s, "timing_rescan_1_noreg", "uptime", "length")
	})
	t.Run("odd_xmlstatus_unescaped_username", func(t *testing.T) {
		s := recordedSwitch(t, []string{element("esc", "username=a&amp;b&lt;c&gt;&quot;d'é", "password=p", "realm=127.0.0.1:15060",
			"from-domain=x&amp;y", "register=false")})
		logIn(t, s).api("sofia profile external rescan")
		replay(t, s, "odd_xmlstatus_unescaped_username", "uptime", "length")
	})
	t.Run("st1", func(t *testing.T) {
		s := recordedSwitch(t, []string{element("st1", "username=u", "password=p", "proxy=127.0.0.1:15060", "register=false")})
		replayAll(t, s, []string{"api_startgw_existing_file", "api_startgw_again", "api_crlf"})
	})
}

func TestReplayProfiles(t *testing.T) {
	t.Parallel()
	noreg := element("v", "username=u", "register=false", "realm=127.0.0.1")
	s := recordedSwitch(t, []string{noreg})
	replay(t, s, "api_rescan_nonew")
	if _, ok := s.Loaded()["v"]; !ok {
		t.Fatal("the gateway is not loaded")
	}
	replayAll(t, s, []string{"api_profile_stop", "api_rescan_profile_stopped", "api_killgw_profile_stopped",
		"api_sofia_status_external_stopped", "api_sofia_status_profile_stopped", "api_xmlstatus_gateway_profile_stopped",
		"api_xmlstatus_gateway_v_profile_stopped", "api_profile_start", "api_profile_start_again"})
	if _, ok := s.Loaded()["v"]; !ok {
		t.Error("the profile started without the gateway that is configured for it")
	}
	s.RemoveProfileConfig("external")
	replay(t, s, "api_rescan_profile_config_missing")
	s.RestoreProfileConfig("external")
	replayAll(t, s, []string{"api_rescan_nonew", "api_profile_restart"})
	pbxtest.Eventually(t, "the restart", func() bool { _, ok := s.Loaded()["v"]; return ok })

	slow := startTestSwitch(t, Options{RealTimes: true})
	replay(t, slow, "api_profile_restart_too_soon", "wait", "length")
}

func TestReplayRegistrations(t *testing.T) {
	t.Parallel()
	s := recordedSwitch(t, nil)
	expires := time.Unix(1795374895, 0)
	first := Registration{Profile: "internal", User: "1001", Domain: "pbx.example", Agent: `sipreg/1.0 "test" & <co>`,
		IP: "127.0.0.1", Port: 25061, Expires: expires}
	second := first
	second.User, second.Port, second.Contact = "1002", 25062, "sip:1002@127.0.0.1:25062;transport=udp;x=1"
	s.AddRegistration(first)
	s.AddRegistration(second)
	replayAll(t, s, []string{
		"api_show_registrations_2", "api_show_registrations_count_2", "api_show_registrations_count_json_2",
		"api_show_registrations_count_xml_2", "api_show_registrations_delim_2", "api_show_registrations_json_2", "api_show_registrations_xml_2",
		"api_sofia_contact_plain", "api_sofia_contact_star", "api_sofia_contact_internal", "api_sofia_contact_unregistered_1003",
		"api_sofia_status_profile_internal", "api_sofia_xmlstatus_profile_internal", "api_sofia_xmlstatus_profile_internal_reg_1001",
		"api_sofia_xmlstatus_profile_internal_user_1003_none", "api_sofia_xmlstatus_profile_internal_user_nodomain",
		"api_sofia_xmlstatus_profile_internal_pres_1001", "api_sofia_status_profile_internal_reg_1001",
	})
	replayAll(t, s, []string{"api_sofia_xmlstatus_profile_internal_reg_2", "api_sofia_status_profile_internal_reg_2",
		"api_sofia_status_profile_internal_user_1001"}, "expires", "length")

	s.AddRegistration(Registration{Profile: "internal", User: "1001", Domain: "pbx.example", Agent: "Second Phone 2.0", IP: "127.0.0.1", Port: 25063, CallID: "call-1001b@127.0.0.1"})
	replay(t, s, "api_sofia_xmlstatus_profile_internal_user_1001", "expires", "length")
	s.RemoveRegistration("1001", "pbx.example")

	third := first
	third.Port, third.CallID, third.Expires = 25071, "call-1001b@127.0.0.1", expires.Add(3*time.Second)
	s.AddRegistration(third) // a second device of the first user
	replayAll(t, s, []string{"api_show_registrations_3", "api_show_registrations_json_3_contacts", "api_sofia_contact_after_second_contact"})
	replay(t, s, "api_sofia_xmlstatus_profile_internal_reg_3", "expires", "length")

	replay(t, s, "api_flush_inbound_reg") // of 1002, who stays in the list that is stale
	replay(t, s, "api_show_registrations_3")
	s.RemoveRegistration("1001", "pbx.example")
	replay(t, s, "api_show_registrations_json_1")
	replay(t, s, "api_sofia_xmlstatus_profile_internal_reg_0")
}

func TestReplayCalls(t *testing.T) {
	t.Parallel()
	s := recordedSwitch(t, nil)
	leg := func(more Channel) Channel {
		c := Channel{"created": "2026-11-22 19:13:54", "created_epoch": "1795374834", "state": "CS_EXECUTE", "dest": "9123",
			"application": "park", "dialplan": "xml", "context": "public", "read_codec": "L16", "read_rate": "8000", "read_bit_rate": "128000",
			"write_codec": "L16", "write_rate": "8000", "write_bit_rate": "128000", "callstate": "ACTIVE",
			"initial_cid_name": `A "q" é`, "initial_cid_num": "555", "initial_dest": "9123", "initial_dialplan": "xml", "initial_context": "public"}
		maps.Copy(c, more)
		return c
	}
	s.AddChannel(leg(Channel{"uuid": "b2c0e3a1-4624-4222-a2f3-affa9331b96c", "direction": "outbound", "name": "loopback/9123-a",
		"cid_name": "Outbound Call", "cid_num": "public", "callee_name": `A "q" é`, "callee_num": "555", "callee_direction": "RECV",
		"call_uuid": "b2c0e3a1-4624-4222-a2f3-affa9331b96c"}))
	s.AddChannel(leg(Channel{"uuid": "d75e8742-663e-4a3b-a337-a336f23f9ca7", "direction": "inbound", "name": "loopback/9123-b",
		"cid_name": `A "q" é`, "cid_num": "555", "callee_name": "Outbound Call", "callee_num": "public"}))
	replayAll(t, s, []string{
		"api_show_channels_json_active", "api_show_channels_active", "api_show_channels_count_active", "api_show_channels_count_json_active",
		"api_show_calls_json_active", "api_show_calls_active", "api_show_calls_count_active",
	})
}

// Of a bridged call both legs are channels, and it is one call.
func TestBridgedCall(t *testing.T) {
	t.Parallel()
	s := startTestSwitch(t, Options{})
	call := s.AddCall("pbx.example", "1001", "1002")
	c := logIn(t, s)
	for command, want := range map[string]string{"show channels count": "\n2 total.\n", "show calls count": "\n1 total.\n"} {
		if got := c.api(command); got != want {
			t.Errorf("%s: got %q, want %q", command, got, want)
		}
	}
	if got := c.api("show calls as json"); !strings.Contains(got, `"presence_id":"1001@pbx.example"`) || !strings.Contains(got, `"b_presence_id":"1002@pbx.example"`) {
		t.Errorf("got %s", got)
	}
	s.EndCall(call)
	if got := c.api("show channels as json"); got != "{\"row_count\": 0}\n" {
		t.Errorf("after its end: %q", got)
	}
}

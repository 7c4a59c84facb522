package api_test

import (
	"encoding/base64"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"trunkline/internal/pbxtest/fssim"
	"trunkline/internal/pbxtest/sample"
)

const checkPath = "/app/registrations/check_registration.php"

// check asks about an extension of the sample's nth domain.
func (b *bundle) check(extension string, domain int) call {
	return b.asSuperadmin(call{path: checkPath, form: form("extension", extension, "tenant_domain", b.sample.Domains[domain].Name)})
}

// wantFields compares fields of an answer.
func (a answer) wantFields(t *testing.T, want map[string]any) {
	t.Helper()
	got := a.decode(t)
	for field, value := range want {
		if got[field] != value {
			t.Errorf("%s is %v, want %v in %s", field, got[field], value, a.body)
		}
	}
}

// devices are the agents of the registrations in an answer, in order.
func (a answer) devices(t *testing.T) string {
	t.Helper()
	var agents []string
	for _, d := range a.decode(t)["registrations"].([]any) {
		agents = append(agents, d.(map[string]any)["user_agent"].(string))
	}
	return strings.Join(agents, "; ")
}

func TestCheckRegistrationOnEveryVersion(t *testing.T) {
	t.Parallel()
	for _, version := range sample.Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{version: version, noWorker: true})
			expires := time.Now().Add(time.Hour).Truncate(time.Second)
			b.register(b.switches[0], 0, "1001", func(r *fssim.Registration) {
				r.Agent, r.IP, r.Port, r.Expires = `SIP Client/1.0 "x" & <y>`, "192.168.1.100", 5060, expires
			})
			b.register(b.switches[0], 1, "1001", func(r *fssim.Registration) { r.IP = "203.0.113.9" }) // another tenant's
			got := b.do(t, b.check("1001", 0)).want(t, http.StatusOK, "")
			got.wantFields(t, map[string]any{
				"status": "success", "message": "Extension status retrieved", "registered": "yes", "register_ip": "192.168.1.100",
				"register_port": "5060", "register_useragent": `SIP Client/1.0 "x" & <y>`, "extension": "1001",
				"tenant_domain": b.sample.Domains[0].Name, "extension_enabled": "true",
			})
			all := got.decode(t)["registrations"].([]any)
			one := all[0].(map[string]any)
			at, err := time.Parse(time.RFC3339, one["expires"].(string))
			if err != nil || at.Sub(expires).Abs() > 10*time.Second {
				t.Errorf("expires is %v, want about %v", one["expires"], expires)
			}
			delete(one, "expires")
			want := map[string]any{"user": "1001", "domain": b.sample.Domains[0].Name, "user_agent": `SIP Client/1.0 "x" & <y>`,
				"contact": `"" <sip:1001@192.168.1.100:5060>`, "ip": "192.168.1.100", "port": 5060.0, "transport": "udp",
				"ping_status": "Reachable", "profile": "internal", "switch": b.switches[0].Addr()}
			if fmt.Sprint(one) != fmt.Sprint(want) || len(all) != 1 {
				t.Errorf("got  %v\nwant %v", all, want)
			}

			b.exec(t, `update v_extensions set enabled = 'false' where domain_uuid = $1`, b.sample.Domains[2].UUID)
			none := b.do(t, b.check("1001", 2)).want(t, http.StatusOK, "")
			none.wantFields(t, map[string]any{"status": "success", "registered": "no", "register_ip": "", "register_port": "",
				"register_useragent": "", "extension_enabled": "false"})
			if list, ok := none.decode(t)["registrations"].([]any); !ok || len(list) != 0 {
				t.Errorf("got %s", none.body)
			}
		})
	}
}

// The latest of several devices is in the documented fields, and all are beside it: on every profile of
// every switch, and under the extension's alias.
func TestCheckRegistrationOfSeveralDevices(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{switches: 2, noWorker: true})
	b.exec(t, `update v_extensions set number_alias = '2001' where domain_uuid = $1`, b.sample.Domains[0].UUID)
	add := func(sw int, user, profile, agent string, left time.Duration, ping string) {
		b.register(b.switches[sw], 0, user, func(r *fssim.Registration) {
			r.Profile, r.Agent, r.Expires, r.Ping, r.Another = profile, agent, time.Now().Add(left), ping, true
		})
	}
	add(0, "1001", "internal", "desk", 10*time.Minute, "")
	add(0, "1001", "internal", "mobile", 30*time.Minute, "")
	add(0, "1001", "external", "home", 20*time.Minute, "")
	add(1, "1001", "internal", "laptop", 40*time.Minute, "Unreachable")
	add(1, "2001", "internal", "alias", 5*time.Minute, "")
	add(1, "1002", "internal", "somebody else's", 50*time.Minute, "")
	for _, extension := range []string{"1001", "2001"} {
		got := b.do(t, b.check(extension, 0)).want(t, http.StatusOK, "")
		got.wantFields(t, map[string]any{"registered": "yes", "register_useragent": "laptop", "extension": "1001"})
		if got.devices(t) != "laptop; mobile; home; desk; alias" {
			t.Errorf("%s: got %s", extension, got.devices(t))
		}
	}
	b.switches[1].StopProfile("internal") // its devices are gone, and external runs there still
	if got := b.do(t, b.check("1001", 0)).want(t, http.StatusOK, ""); got.devices(t) != "mobile; home; desk" {
		t.Errorf("got %s", got.devices(t))
	}
}

// A profile that FusionPBX has switched off is not asked about.
func TestCheckRegistrationAsksEnabledProfiles(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	b.exec(t, `update v_sip_profiles set sip_profile_enabled = 'false' where sip_profile_name = 'external'`)
	b.do(t, b.check("1001", 0)).want(t, http.StatusOK, "")
	user := "user 1001@" + b.sample.Domains[0].Name
	if n := b.switches[0].CountCommands("sofia xmlstatus profile internal " + user); n != 1 {
		t.Errorf("internal was asked %d times", n)
	}
	if n := b.switches[0].CountCommands("sofia xmlstatus profile external"); n != 0 {
		t.Errorf("external was asked %d times", n)
	}
}

// What is read from the switch does not grow with the registrations of others.
func TestCheckRegistrationReadsTheSameBytes(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	sw := b.switches[0]
	b.register(sw, 0, "1001", func(r *fssim.Registration) { r.Expires = time.Now().Add(24 * time.Hour) })
	read := func() int64 {
		least := int64(math.MaxInt64)
		for range 5 { // one of them may open another connection, and be greeted
			before := sw.BytesWritten()
			b.do(t, b.check("1001", 0)).want(t, http.StatusOK, "").wantFields(t, map[string]any{"registered": "yes"})
			least = min(least, sw.BytesWritten()-before)
		}
		return least
	}
	fill := func(from, to int) {
		for i := from; i < to; i++ {
			b.register(sw, 0, fmt.Sprint(20000+i), func(r *fssim.Registration) { r.Another = true })
		}
	}
	fill(1, 100)
	few := read()
	fill(100, 10_000)
	if many := read(); many != few || few == 0 {
		t.Errorf("read %d bytes with 100 registrations and %d with 10,000", few, many)
	}
}

// A telephone may call itself anything.
func TestHostileUserAgents(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	odd := []string{
		"Phone & Co <1.0> \"x\"", "Phone\x00\x07\x1b[31m", "Phone \xff\xfe", "Phone\r\n\r\napi fsctl shutdown", "</agent></registration>",
		"&amp;&#0;&bogus;", strings.Repeat("x", 5000), "=cmd|' /C calc'!A0", "\u202e\u2028",
	}
	for i, agent := range odd {
		b.register(b.switches[0], 0, "1001", func(r *fssim.Registration) { r.Agent, r.Port, r.Another = agent, 5060+i, true })
	}
	for _, c := range []call{b.check("1001", 0), b.asSuperadmin(call{path: "/v1/registrations"})} {
		got := b.do(t, c).want(t, http.StatusOK, "")
		list := got.decode(t)["registrations"].([]any)
		if len(list) != len(odd) {
			t.Errorf("%s: %d devices, want %d", c.path, len(list), len(odd))
		}
		for _, d := range list {
			agent := d.(map[string]any)["user_agent"].(string)
			if agent == "" || !utf8.ValidString(agent) || strings.ContainsFunc(agent, unicode.IsControl) {
				t.Errorf("%s: got %q", c.path, agent)
			}
		}
		got.says(t, `Phone & Co <1.0> \"x\"`)
	}
}

// An ampersand that the switch did not escape takes no registration with it.
func TestUnescapedRegistrations(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	user := "1001@" + b.sample.Domains[0].Name
	body := "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<profile>\n  <registrations>\n" +
		"    <registration>\n        <user>" + user + "</user>\n        <agent>A & B \x01 < C</agent>\n        <network-ip>192.0.2.1</network-ip>\n    </registration>\n" +
		"    <registration>\n        <user>" + user + "</user>\n        <agent>other</agent>\n        <network-port>5061</network-port>\n    </registration>\n" +
		"  </registrations>\n</profile>\n"
	b.switches[0].FaultOnce("profile internal user", func(conn net.Conn) {
		fmt.Fprintf(conn, "Content-Type: api/response\nContent-Length: %d\n\n%s", len(body), body)
	})
	got := b.do(t, b.check("1001", 0)).want(t, http.StatusOK, "")
	if got.devices(t) != "other; A & B  < C" {
		t.Errorf("got %s", got.body)
	}
	got.wantFields(t, map[string]any{"registered": "yes", "register_port": "5061", "register_useragent": "other"})
}

func TestCheckRegistrationErrors(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	one, two := b.sample.Domains[0].Name, b.sample.Domains[1].Name
	b.exec(t, `insert into v_domains (domain_uuid, domain_name) values (gen_random_uuid(), 'odd name.example')`)
	super, admin := b.asSuperadmin(call{}), b.asAdmin(call{})
	for name, c := range map[string]struct {
		who    call
		form   url.Values
		status int
		code   string
		says   []string
	}{
		"nothing":               {super, form(), 400, "missing_parameters", []string{"Missing Parameters", "extension, tenant_domain"}},
		"no extension":          {super, form("tenant_domain", one), 400, "missing_parameters", []string{"extension"}},
		"empty":                 {super, form("extension", " ", "tenant_domain", one), 400, "missing_parameters", []string{"extension"}},
		"no domain":             {super, form("extension", "1001"), 400, "missing_parameters", []string{"tenant_domain"}},
		"unknown domain":        {super, form("extension", "1001", "tenant_domain", "none.example"), 404, "not_found", []string{"none.example"}},
		"unknown extension":     {super, form("extension", "4711", "tenant_domain", one), 404, "not_found", []string{"4711", one}},
		"another's extension":   {admin, form("extension", "1001", "tenant_domain", one), 403, "forbidden", []string{two}},
		"global":                {super, form("extension", "1001", "tenant_domain", "global"), 400, "invalid_request", []string{"tenant_domain"}},
		"two words":             {super, form("extension", "1001 reg", "tenant_domain", one), 400, "invalid_request", []string{"extension"}},
		"a command":             {super, form("extension", "1001\n\napi fsctl shutdown", "tenant_domain", one), 400, "invalid_request", []string{"extension"}},
		"quotes":                {super, form("extension", "1001'--", "tenant_domain", one), 400, "invalid_request", []string{"extension"}},
		"too long":              {super, form("extension", strings.Repeat("1", 5000), "tenant_domain", one), 400, "invalid_request", []string{"extension"}},
		"a domain of two words": {super, form("extension", "1001", "tenant_domain", "odd name.example"), 400, "invalid_request", []string{"tenant_domain"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.who.path, c.who.form = checkPath, c.form
			b.do(t, c.who).want(t, c.status, c.code).says(t, c.says...)
		})
	}
	b.do(t, b.asAdmin(call{path: checkPath, form: form("extension", "1001")})).want(t, http.StatusOK, "").
		wantFields(t, map[string]any{"tenant_domain": two, "registered": "no"})
	b.do(t, call{path: checkPath, form: form("extension", "1001", "tenant_domain", one)}).want(t, http.StatusUnauthorized, "authentication_failed")
}

func TestListRegistrations(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{switches: 2, noWorker: true})
	for i := range 5 {
		for domain := range 2 {
			b.register(b.switches[i%2], domain, fmt.Sprint(1001+i), func(r *fssim.Registration) {
				r.Profile = []string{"internal", "external"}[i%2]
				r.Agent = fmt.Sprintf("%d of %d", i, domain)
			})
		}
	}
	list := func(c call, query string) (agents []string, next string) {
		c.path = "/v1/registrations?" + query
		got := b.do(t, c).want(t, http.StatusOK, "")
		if text := got.devices(t); text != "" {
			agents = strings.Split(text, "; ")
		}
		return agents, got.text(t, "next")
	}
	own := []string{"0 of 1", "1 of 1", "2 of 1", "3 of 1", "4 of 1"}
	if got, next := list(b.asAdmin(call{}), ""); !slices.Equal(got, own) || next != "" {
		t.Errorf("the admin sees %v, then %q", got, next)
	}
	if got, _ := list(b.asSuperadmin(call{}), "tenant_domain="+strings.ToUpper(b.sample.Domains[1].Name)); !slices.Equal(got, own) {
		t.Errorf("of the named domain: %v", got)
	}
	if got, _ := list(b.asSuperadmin(call{}), "tenant_domain="+b.sample.Domains[2].Name); len(got) != 0 {
		t.Errorf("of a domain without: %v", got)
	}
	var all []string
	for next, pages := "", 0; ; pages++ {
		page, after := list(b.asSuperadmin(call{}), "limit=3&after="+url.QueryEscape(next))
		all = append(all, page...)
		if next = after; next == "" {
			if pages != 3 {
				t.Errorf("got %d full pages, want 3", pages)
			}
			break
		}
	}
	want := append([]string{"0 of 0", "1 of 0", "2 of 0", "3 of 0", "4 of 0"}, own...)
	if !slices.Equal(all, want) {
		t.Errorf("got  %v\nwant %v", all, want)
	}
	// A page goes on where the last one ended also when that device is gone.
	_, next := list(b.asAdmin(call{}), "limit=2")
	b.switches[1].RemoveRegistration("1002", b.sample.Domains[1].Name)
	if got, _ := list(b.asAdmin(call{}), "limit=2&after="+next); !slices.Equal(got, own[2:4]) {
		t.Errorf("after one that is gone: %v", got)
	}
}

// The list knows whoever a check of one extension knows, however long counts may be kept.
func TestListRegistrationsIsAsFreshAsACheck(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true, settings: shared})
	list := b.asSuperadmin(call{path: "/v1/registrations"})
	b.do(t, b.asSuperadmin(call{path: statusPath, form: form()})).want(t, http.StatusOK, "")
	for i, extension := range []string{"1001", "1002"} {
		b.register(b.switches[0], 0, extension, nil)
		if got := b.do(t, list).want(t, http.StatusOK, "").decode(t)["registrations"].([]any); len(got) != i+1 {
			t.Errorf("after %d registered the list has %d", i+1, len(got))
		}
	}
}

func TestListRegistrationsErrors(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	for query, names := range map[string]string{
		"limit=0": "limit", "limit=201": "limit", "limit=many": "limit", "after=%25%25": "after", "tenant_domain=global": "tenant_domain",
	} {
		b.do(t, b.asSuperadmin(call{path: "/v1/registrations?" + query})).want(t, http.StatusBadRequest, "invalid_request").says(t, names)
	}
	b.do(t, b.asAdmin(call{path: "/v1/registrations?tenant_domain=" + b.sample.Domains[0].Name})).want(t, http.StatusForbidden, "forbidden")
	b.do(t, b.asSuperadmin(call{path: "/v1/registrations?tenant_domain=none.example"})).want(t, http.StatusNotFound, "not_found")
	beyond := base64.RawURLEncoding.EncodeToString([]byte("zzz"))
	if got := b.do(t, b.asSuperadmin(call{path: "/v1/registrations?after=" + beyond})).want(t, http.StatusOK, ""); got.devices(t) != "" {
		t.Errorf("got %s", got.body)
	}
}

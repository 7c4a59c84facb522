package api_test

import (
	"encoding/xml"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"trunkline/internal/config"
	"trunkline/internal/pbxtest/fssim"
	"trunkline/internal/pbxtest/sample"
)

const (
	statusPath = "/app/status/index.php"
	xmlPath    = "/app/status/"
)

// register registers an extension of the sample's nth domain at a switch.
func (b *bundle) register(sw *fssim.Switch, domain int, extension string, more func(*fssim.Registration)) {
	r := fssim.Registration{Profile: "internal", User: extension, Domain: b.sample.Domains[domain].Name, Agent: "Desk Phone 1.0", IP: "192.0.2.50", Port: 5062}
	if more != nil {
		more(&r)
	}
	sw.AddRegistration(r)
}

// shared makes answers good for an hour, so that the switches are asked once.
func shared(s *config.Settings) { s.StatusMaxAge = time.Hour }

func TestStatusOnEveryVersion(t *testing.T) {
	t.Parallel()
	for _, version := range sample.Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{version: version, noWorker: true})
			sw := b.switches[0]
			b.register(sw, 0, "1001", nil)
			b.register(sw, 0, "1001", func(r *fssim.Registration) { r.Another, r.Port = true, 5064 }) // a second device
			b.register(sw, 1, "1001", nil)                                                            // another's extension of the same number
			b.register(sw, 1, "1002", func(r *fssim.Registration) { r.Profile, r.Domain = "external", "PBX2.example" })
			sw.AddCall(b.sample.Domains[0].Name, "1001", "1002")
			for range 2 {
				sw.AddCall(b.sample.Domains[1].Name, "1001", "1002")
			}
			sw.AddChannel(fssim.Channel{"uuid": "from-outside", "context": "public", "initial_context": "public"}) // not routed yet
			b.exec(t, `insert into v_extensions (extension_uuid, domain_uuid, extension) values (gen_random_uuid(), $1, '1009')`, b.sample.Domains[1].UUID)

			for _, c := range []struct {
				who                            string
				call                           call
				calls, extensions, registered  float64
				registrationsHere, callsOnHere float64
			}{
				{"superadmin", b.asSuperadmin(call{path: statusPath, form: form()}), 4, 4, 3, 4, 4},
				{"superadmin, by GET", b.asSuperadmin(call{path: statusPath}), 4, 4, 3, 4, 4},
				{"superadmin of one domain", b.asSuperadmin(call{path: statusPath, form: form("tenant_domain", b.sample.Domains[0].Name)}), 1, 1, 1, 2, 1},
				{"admin", b.asAdmin(call{path: statusPath, form: form()}), 2, 2, 2, 2, 2},
			} {
				got := b.do(t, c.call).want(t, http.StatusOK, "").decode(t)
				want := map[string]any{"status": "success", "message": "System operational", "version": string(version),
					"active_calls": c.calls, "total_extensions": c.extensions, "registered_extensions": c.registered}
				for field, value := range want {
					if got[field] != value {
						t.Errorf("%s: %s is %v, want %v", c.who, field, got[field], value)
					}
				}
				if _, err := time.Parse(time.RFC3339, got["timestamp"].(string)); err != nil || !strings.HasSuffix(got["timestamp"].(string), "Z") {
					t.Errorf("timestamp is %v", got["timestamp"])
				}
				if !regexp.MustCompile(`^\d+ \w+(, \d+ \w+)?$`).MatchString(got["uptime"].(string)) {
					t.Errorf("uptime is %v", got["uptime"])
				}
				one := got["switches"].([]any)[0].(map[string]any)
				if one["address"] != sw.Addr() || one["version"] != "1.10.12-release" || one["ready"] != true ||
					one["registrations"] != c.registrationsHere || one["active_calls"] != c.callsOnHere {
					t.Errorf("%s: the switch is %v", c.who, one)
				}
			}
		})
	}
}

func TestStatusOfSeveralSwitches(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{switches: 2, noWorker: true})
	for i, sw := range b.switches {
		b.register(sw, 0, "1001", nil) // the same extension at both
		b.register(sw, 0, fmt.Sprint(1002+i), nil)
		sw.AddCall(b.sample.Domains[0].Name, "1001", "1002")
	}
	got := b.do(t, b.asSuperadmin(call{path: statusPath})).want(t, http.StatusOK, "").decode(t)
	if got["active_calls"] != 2.0 || got["registered_extensions"] != 3.0 || len(got["switches"].([]any)) != 2 {
		t.Errorf("got %v", got)
	}
	must(t, b.switches[1].Stop())
	b.do(t, b.asSuperadmin(call{path: statusPath})).want(t, http.StatusServiceUnavailable, "switch_unavailable").says(t, b.switches[1].Addr())
}

func TestStatusXML(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	got := b.do(t, call{path: xmlPath}).want(t, http.StatusOK, "")
	var page struct {
		Load   string `xml:"load"`
		Uptime string `xml:"uptime"`
	}
	must(t, xml.Unmarshal([]byte(got.body), &page))
	if page.Load == "" || !strings.Contains(page.Uptime, "second") || !strings.HasPrefix(got.header.Get("Content-Type"), "text/xml") {
		t.Errorf("got %s %s", got.header.Get("Content-Type"), got.body)
	}
	b.do(t, call{method: http.MethodHead, path: xmlPath}).want(t, http.StatusOK, "")
	b.do(t, call{path: xmlPath, from: stranger + ":1"}).want(t, http.StatusForbidden, "not_whitelisted")
	b.do(t, call{method: http.MethodPost, path: xmlPath}).want(t, http.StatusMethodNotAllowed, "method_not_allowed")
	must(t, b.switches[0].Stop())
	b.do(t, call{path: xmlPath}).want(t, http.StatusServiceUnavailable, "switch_unavailable").says(t, b.switches[0].Addr())
}

// Any number of callers cost each switch one question of a kind; but a list of registrations is read anew.
func TestStatusIsAskedOnce(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{switches: 2, noWorker: true, settings: shared})
	var wg sync.WaitGroup
	for range 30 {
		for _, c := range []call{
			b.asSuperadmin(call{path: statusPath}), b.asAdmin(call{path: statusPath}), {path: xmlPath}, b.asAdmin(call{path: "/v1/registrations?after=eA"}),
		} {
			wg.Go(func() {
				if got := b.send(t, c.request().WithContext(t.Context())); got.status != http.StatusOK {
					t.Errorf("got %d %s", got.status, got.body)
				}
			})
		}
	}
	wg.Wait()
	for _, sw := range b.switches {
		for _, command := range []string{"status", "show channels", "sofia xmlstatus profile internal reg", "sofia xmlstatus profile external reg"} {
			if n := sw.CountCommands(command); n != 1 {
				t.Errorf("%s: %q was asked %d times", sw.Addr(), command, n)
			}
		}
	}
}

// A switch that is away or does not answer is named, and none of its counts is made up.
func TestStatusOfASwitchThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	const impatient = 2 * time.Second // what is well must answer within it on a busy machine too
	paths := []string{statusPath, "/v1/registrations", "/app/registrations/check_registration.php?extension=1001&tenant_domain=pbx1.example"}
	for name, c := range map[string]struct {
		do     func(t *testing.T, b *bundle)
		status int
		code   string
	}{
		"down":             {func(t *testing.T, b *bundle) { must(t, b.switches[1].Stop()) }, http.StatusServiceUnavailable, "switch_unavailable"},
		"hanging":          {func(_ *testing.T, b *bundle) { b.switches[1].Hang(true) }, http.StatusGatewayTimeout, "switch_timeout"},
		"refusing":         {func(_ *testing.T, b *bundle) { b.switches[1].RefuseACL(true) }, http.StatusServiceUnavailable, "switch_unavailable"},
		"slow in one list": {func(_ *testing.T, b *bundle) { b.switches[1].Delay("profile internal", time.Minute) }, http.StatusGatewayTimeout, "switch_timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{switches: 2, noWorker: true, settings: func(s *config.Settings) { s.StatusTimeout = impatient }})
			c.do(t, b)
			for _, path := range paths {
				got := b.do(t, b.asSuperadmin(call{path: path})).want(t, c.status, c.code).says(t, b.switches[1].Addr())
				if got.header.Get("Retry-After") == "" {
					t.Error("no Retry-After")
				}
			}
		})
	}
}

// An answer that is cut off or odd is an error, and not an empty PBX.
func TestStatusOfOddAnswers(t *testing.T) {
	t.Parallel()
	for command, answer := range map[string]string{
		"status":                     "UP 0 years",
		"show channels":              `{"row_count":2,"rows":[{"uuid":"a"}]}`,
		"profile internal reg":       "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<profile>\n  <registrations>\n",
		"xmlstatus profile external": "-ERR sofia Command not found!\n",
	} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{noWorker: true})
			b.switches[0].FaultOnce(command, func(conn net.Conn) {
				fmt.Fprintf(conn, "Content-Type: api/response\nContent-Length: %d\n\n%s", len(answer), answer)
			})
			b.do(t, b.asSuperadmin(call{path: statusPath})).want(t, http.StatusServiceUnavailable, "switch_unavailable").says(t, b.switches[0].Addr())
			b.do(t, b.asSuperadmin(call{path: statusPath})).want(t, http.StatusOK, "")
		})
	}
}

// A profile that is stopped is passed over while another runs; with none there is nothing to count.
func TestStatusOfStoppedProfiles(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	b.register(b.switches[0], 0, "1001", nil)
	b.switches[0].StopProfile("external")
	if got := b.do(t, b.asSuperadmin(call{path: statusPath})).want(t, http.StatusOK, ""); got.text(t, "registered_extensions") != "1" {
		t.Errorf("got %s", got.body)
	}
	b.switches[0].StopProfile("internal")
	for _, path := range []string{statusPath, "/v1/registrations", checkPath + "?extension=1001&tenant_domain=" + b.sample.Domains[0].Name} {
		b.do(t, b.asSuperadmin(call{path: path})).want(t, http.StatusServiceUnavailable, "switch_unavailable").says(t, "external, internal", b.switches[0].Addr())
	}
}

func TestStatusErrors(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	b.do(t, call{path: statusPath}).want(t, http.StatusUnauthorized, "authentication_failed")
	b.do(t, b.asSuperadmin(call{path: statusPath, form: form("tenant_domain", "none.example")})).want(t, http.StatusNotFound, "not_found").says(t, "none.example")
	b.do(t, b.asSuperadmin(call{path: statusPath, form: form("tenant_domain", "global")})).want(t, http.StatusBadRequest, "invalid_request").says(t, "tenant_domain")
	b.do(t, b.asAdmin(call{path: statusPath, form: form("tenant_domain", b.sample.Domains[0].Name)})).want(t, http.StatusForbidden, "forbidden")
}

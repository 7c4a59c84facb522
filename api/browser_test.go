package api_test

import (
	"fmt"
	"html/template"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"trunkline/internal/pbxtest"
)

// attack is a page elsewhere that has the browser of whoever reads it ask for changes: each in a window of
// its own, since a browser may keep credentials from what is only a part of another site's page.
var attack = template.Must(template.New("").Parse(`<!doctype html><meta name="referrer" content="no-referrer">
{{range .}}<form method="{{.Method}}" action="{{.URL}}" target="_blank">
{{range $name, $values := .Form}}<input name="{{$name}}" value="{{index $values 0}}">{{end}}</form>
{{end}}<script>for (const form of document.forms) form.submit()</script>`))

// asked is what the page asks for.
type asked struct {
	Method, URL string
	Form        url.Values
}

// browse has a real browser read the page at the address, until the test ends.
func browse(t *testing.T, address string) {
	t.Helper()
	browser := exec.Command("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--disable-background-networking", "--disable-popup-blocking", "--disable-features=HttpsUpgrades,HttpsFirstBalancedMode,HttpsFirstBalancedModeAutoEnable",
		"--host-resolver-rules=MAP pbx.example 127.0.0.1", "--user-data-dir="+t.TempDir(), address)
	browser.Env = append(os.Environ(), "HOME="+t.TempDir())
	browser.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // it is several processes
	must(t, browser.Start())
	t.Cleanup(func() {
		must(t, syscall.Kill(-browser.Process.Pid, syscall.SIGKILL))
		_ = browser.Wait() // it was killed
	})
}

// behindBasic is the front end behind a page of the same address that asks for Basic, as another program there
// may: the browser then sends what it was told to the front end too. It keeps what came, and with which answer.
type behindBasic struct {
	*httptest.Server
	mu   sync.Mutex
	came []string
}

func (b *bundle) askingBasic(t *testing.T, next func(host string) string) *behindBasic {
	t.Helper()
	g := &behindBasic{}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		user, _, signedIn := req.BasicAuth()
		switch {
		case req.URL.Path == "/" && !signedIn:
			w.Header().Set("WWW-Authenticate", `Basic realm="another program"`)
			w.WriteHeader(http.StatusUnauthorized)
		case req.URL.Path == "/":
			http.Redirect(w, req, next(req.Host), http.StatusFound)
		case req.URL.Path == "/favicon.ico":
			http.NotFound(w, req)
		default:
			recorder := httptest.NewRecorder()
			b.server.Handler().ServeHTTP(recorder, req)
			g.mu.Lock()
			defer g.mu.Unlock()
			g.came = append(g.came, fmt.Sprintf("%s %s as %s: %d", req.Method, req.URL.Path, user, recorder.Code))
		}
	}))
	t.Cleanup(g.Close)
	return g
}

// A page elsewhere, read in a browser that knows the superadmin's password, changes nothing: neither by GET nor by
// a form, over an address that the browser trusts nor over plain HTTP, where it does not say who asks.
func TestBrowserChangesNothingForAnotherSite(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier("victim")})).want(t, http.StatusOK, "")
	list, err := os.ReadFile(b.whitelist)
	must(t, err)

	var elsewhere *httptest.Server
	var names []string // of the front end's address, one of which the browser takes for a network's
	signIn := func(name string) string {
		return (&url.URL{Scheme: "http", Host: name, Path: "/", User: url.UserPassword(b.sample.SuperadminName, b.sample.SuperadminPassword)}).String()
	}
	pbx := b.askingBasic(t, func(host string) string {
		if host == names[0] {
			return signIn(names[1])
		}
		return elsewhere.URL
	})
	_, port, err := net.SplitHostPort(pbx.Listener.Addr().String())
	must(t, err)
	names = []string{"127.0.0.1:" + port, "pbx.example:" + port}
	var wanted []asked
	for _, name := range names {
		at := "http://" + name
		wanted = append(wanted,
			asked{"GET", at + provisionPath, form("gateway_name", "victim", "gateway_enabled", "false")},
			asked{"POST", at + "/v1/whitelist", form("address", "203.0.113.66")},
			asked{"POST", at + tokensPath, form("name", "theirs", "scopes", "admin", "all_domains", "true")})
	}
	elsewhere = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := attack.Execute(w, wanted); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(elsewhere.Close)

	browse(t, signIn(names[0]))
	pbxtest.Eventually(t, "the browser has sent everything", func() bool {
		pbx.mu.Lock()
		defer pbx.mu.Unlock()
		return len(pbx.came) >= len(wanted)
	})
	pbx.mu.Lock()
	defer pbx.mu.Unlock()
	for _, one := range pbx.came {
		if !strings.Contains(one, " as "+b.sample.SuperadminName+": 403") {
			t.Errorf("got %s", one)
		}
	}
	if after, err := os.ReadFile(b.whitelist); err != nil || string(after) != string(list) {
		t.Errorf("the whitelist is %s, %v", after, err)
	}
	if n := b.count(t, "select count(*) from trunkline.tokens"); n != 0 {
		t.Errorf("there are %d tokens", n)
	}
	if n := b.count(t, "select count(*) from v_gateways where gateway = 'victim' and enabled::text = 'true'"); n != 1 {
		t.Error("the gateway is suspended")
	}
}

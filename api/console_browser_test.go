package api_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// window is a window of a real browser with a profile of its own, which has noted what it was told to load and what it
// complained of.
type window struct {
	ctx     context.Context
	base    string
	scripts bool // none run where it is false, and so axe-core does not

	mu         sync.Mutex
	asked      []string // the URLs
	complaints []string
}

// The widths that pages are looked at.
const (
	wide   = 1280
	narrow = 360 // of a phone
)

// openWindow has a browser at hand until the test ends, and the front end at an address of this host.
func (b *bundle) openWindow(t *testing.T, width int64, dark bool) *window {
	t.Helper()
	server := httptest.NewServer(b.server.Handler())
	t.Cleanup(server.Close)
	allocator, endBrowser := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("chromium"), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.WSURLReadTimeout(2*patience))...)
	ctx, closeWindow := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		closeWindow()
		endBrowser()
	})
	w := &window{ctx: ctx, base: server.URL, scripts: true}
	must(t, chromedp.Listen(ctx, func(event any) {
		w.mu.Lock()
		defer w.mu.Unlock()
		switch e := event.(type) {
		case *network.EventRequestWillBeSent:
			w.asked = append(w.asked, e.Request.URL)
		case *log.EventEntryAdded:
			w.complaints = append(w.complaints, e.Entry.Text+" "+e.Entry.URL)
		}
	}))
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	w.do(t, chromedp.EmulateViewport(width, 800))
	_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	must(t, err)
	return w
}

func (w *window) do(t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ask(t, w, chromedp.Steps(steps...))
}

// ask is what the window answers.
func ask[T any](t *testing.T, w *window, question chromedp.Action[T]) T {
	t.Helper()
	ctx, giveUp := context.WithTimeout(w.ctx, patience)
	defer giveUp()
	answer, err := chromedp.Run(ctx, question)
	if err != nil {
		page, _ := chromedp.Run(w.ctx, chromedp.OuterHTML("html"))
		t.Fatalf("%v at %.3000s", err, page)
	}
	return answer
}

func (w *window) open(t *testing.T, path string) {
	t.Helper()
	w.do(t, chromedp.Navigate(w.base+path), chromedp.WaitReady("main"))
}

// withoutScripts has the window run no scripts from now on.
func (w *window) withoutScripts(t *testing.T) {
	t.Helper()
	_, err := chromedp.Call(w.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	must(t, err)
	w.scripts = false
}

// looker is somebody who looks at pages, and how.
type looker struct {
	who, name, password string
	width               int64
	dark, scripts       bool
}

// lookers are a superadmin at a desk, and a tenant's admin by phone and without scripts.
func (b *bundle) lookers() []looker {
	return []looker{
		{"superadmin", b.sample.SuperadminName, b.sample.SuperadminPassword, wide, false, true},
		{"tenant's admin by phone", b.sample.AdminName, b.sample.AdminPassword, narrow, true, true},
		{"tenant's admin without scripts", b.sample.AdminName, b.sample.AdminPassword, wide, false, false},
	}
}

// lookingAt is a window in which they have signed in and see the page with the heading.
func (b *bundle) lookingAt(t *testing.T, path, heading string, c looker) *window {
	t.Helper()
	w := b.openWindow(t, c.width, c.dark)
	if !c.scripts {
		w.withoutScripts(t)
	}
	w.open(t, path)
	w.signIn(t, c.name, c.password)
	w.shows(t, heading)
	return w
}

// shows waits for the page of that heading.
func (w *window) shows(t *testing.T, heading string) {
	t.Helper()
	w.do(t, chromedp.WaitVisible(fmt.Sprintf("//h1[text()=%q]", heading)))
}

func (w *window) signIn(t *testing.T, name, password string) {
	t.Helper()
	w.shows(t, "Sign in")
	w.do(t,
		chromedp.SendKeys("#username", name), chromedp.SendKeys("#password", password),
		chromedp.Click("//button[text()='Sign in']"))
}

// loadedNothingElse fails if the browser asked anybody else for anything, or complained.
func (w *window) loadedNothingElse(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, asked := range w.asked {
		if u, err := url.Parse(asked); err != nil || !strings.HasPrefix(asked, w.base+"/") && u.Scheme != "about" && u.Scheme != "data" { // of data: are the browser's own pictures of its fields
			t.Errorf("the browser asked for %s", asked)
		}
	}
	for _, complaint := range w.complaints {
		if strings.Contains(complaint, "responded with a status of 4") { // a form was refused, as its page says
			continue
		}
		t.Errorf("the browser says: %s", complaint)
	}
}

// axe is the source of axe-core, of the version and with the checksum of testdata/axe/package-lock.json.
var axe = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "axe")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	if err := os.CopyFS(dir, os.DirFS("testdata/axe")); err != nil {
		return "", err
	}
	install := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci: %w: %s", err, out)
	}
	source, err := os.ReadFile(filepath.Join(dir, "node_modules/axe-core/axe.min.js"))
	return string(source), err
})

// accessible fails if axe-core finds anything wrong with the page, or it is wider than the window. Where no scripts run, it cannot look.
func (w *window) accessible(t *testing.T, what string) {
	t.Helper()
	if !w.scripts {
		return
	}
	source, err := axe()
	must(t, err)
	w.do(t, chromedp.Evaluate[chromedp.Void](source))
	found := ask(t, w, chromedp.Evaluate[[]string](`axe.run().then((found) => found.violations.map((v) => JSON.stringify([v.id, v.help, v.nodes.map((n) => n.html)])))`,
		chromedp.EvalAwaitPromise))
	for _, violation := range found {
		t.Errorf("%s: %s", what, violation)
	}
	if ask(t, w, chromedp.Evaluate[bool](`document.documentElement.scrollWidth > innerWidth`)) {
		t.Errorf("%s: it is wider than the window", what)
	}
}

// A superadmin and a tenant's admin sign in, look around and sign out, in light and dark, at a desk and by phone; axe-core
// finds nothing wrong.
func TestConsoleInABrowser(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 10})
	b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier("first", "tenant_domain", b.sample.AdminDomain)})).want(t, http.StatusOK, "")
	for _, c := range []struct {
		who, name, password string
		width               int64
		dark                bool
	}{
		{"superadmin", b.sample.SuperadminName, b.sample.SuperadminPassword, wide, false},
		{"superadmin by phone", b.sample.SuperadminName, b.sample.SuperadminPassword, narrow, true},
		{"tenant's admin", b.sample.AdminName, b.sample.AdminPassword, narrow, false},
		{"tenant's admin in the dark", b.sample.AdminName, b.sample.AdminPassword, wide, true},
	} {
		t.Run(c.who, func(t *testing.T) {
			w := b.openWindow(t, c.width, c.dark)
			w.open(t, "/console/sessions")
			w.accessible(t, "signing in")
			w.signIn(t, c.name, c.password)
			w.shows(t, "Sessions")
			w.accessible(t, "sessions")
			w.do(t, chromedp.Click("//nav//a[text()='Overview']"))
			w.shows(t, "Overview")
			w.accessible(t, "overview")
			if !ask(t, w, chromedp.Evaluate[bool](`Promise.all(Array.from(document.images).map((image) => image.decode())).then((all) => all.length > 0)`, chromedp.EvalAwaitPromise)) {
				t.Error("the chart is not drawn")
			}
			w.do(t, chromedp.Click("//button[text()='Sign out']"))
			w.shows(t, "Sign in")
			w.open(t, "/console")
			w.shows(t, "Sign in")
			w.loadedNothingElse(t)
		})
	}
}

// Reading works without a script, and so does signing in and out.
func TestConsoleWithoutScripts(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	w := b.openWindow(t, wide, false)
	w.withoutScripts(t)
	w.open(t, "/console")
	w.signIn(t, b.sample.SuperadminName, b.sample.SuperadminPassword)
	w.shows(t, "Overview")
	w.do(t, chromedp.WaitVisible("#pbx"), chromedp.Click("//button[text()='Sign out']"))
	w.shows(t, "Sign in")
}

// The address to which somebody is sent signs them on with one click, and the code is gone from it.
func TestConsoleSignOnInABrowser(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	code := b.do(t, b.asAdmin(call{path: "/v1/console/sign-ons", form: form()})).want(t, http.StatusCreated, "").text(t, "code")
	w := b.openWindow(t, narrow, false)
	w.open(t, "/console/sign-on#"+code)
	w.shows(t, "Sign on")
	w.accessible(t, "signing on")
	address := ask(t, w, chromedp.Location())
	w.do(t, chromedp.Click("//button[text()='Sign on']"))
	w.shows(t, "Overview")
	if strings.Contains(address, code) {
		t.Errorf("the address is %s", address)
	}
	w.loadedNothingElse(t)
}

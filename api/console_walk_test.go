package api_test

import (
	"cmp"
	"flag"
	"html"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// screenshots is given by make screenshots.
var screenshots = flag.String("write-screenshots", "", "the folder to which pictures of the console's pages are written")

// livedIn is a PBX with something for every page of the console to show.
func livedIn(t *testing.T) *bundle {
	t.Helper()
	b := newBundle(t, setUp{cdrs: 300, switches: 2})
	own, backup := b.sample.AdminDomain, ""
	b.failing(t, b.asAdmin, "initech")
	for _, name := range []string{"acme-primary", "acme-backup", "globex"} {
		b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier(name, "tenant_domain", own)})).want(t, http.StatusOK, "")
	}
	must(t, b.pool.QueryRow(t.Context(), "select gateway_uuid::text from v_gateways where gateway = 'acme-backup'").Scan(&backup))
	b.do(t, b.asSuperadmin(call{path: "/v1/gateways/" + backup + "/disable", form: form()})).want(t, http.StatusOK, "")
	b.exec(t, "update v_gateways set proxy = 'sip2.carrier.example' where gateway = 'globex'") // as somebody does by hand, so that the switches differ
	destination, _ := b.delivered(t)
	billing := b.do(t, b.asAdmin(folderCalled("billing"))).want(t, http.StatusCreated, "").text(t, "id")
	b.do(t, b.asSuperadmin(nightly("nightly", "tenant_domain", "global", "time_zone", "Europe/Berlin", "destinations", destination))).want(t, http.StatusCreated, "")
	schedule := b.do(t, b.asAdmin(nightly("billing", "time_zone", "Europe/Berlin", "destinations", billing))).want(t, http.StatusCreated, "").text(t, "id")
	b.do(t, b.asAdmin(call{path: schedulesPath + "/" + schedule + "/run", form: form()})).want(t, http.StatusAccepted, "")
	paused := schedulesPath + "/" + b.do(t, b.asAdmin(nightly("archive", "time_zone", "Europe/Berlin", "enabled", "false"))).want(t, http.StatusCreated, "").text(t, "id")
	b.do(t, b.asAdmin(call{path: paused + "/backfill", form: form("from", "2024-01-01", "to", "2024-01-03")})).want(t, http.StatusAccepted, "")
	b.do(t, b.asAdmin(call{path: paused + "/skip", form: form("reason", "the switch was down", "number", "1", "series", "backfill")})).want(t, http.StatusOK, "")
	b.look(t)
	b.exported(t, b.asAdmin(call{}))
	b.issue(t, "whmcs", "read,provision", "all_domains", "true")
	b.do(t, b.asAdmin(call{path: "/v1/tokens", form: form("name", "crm", "scopes", "read")})).want(t, http.StatusCreated, "")
	b.do(t, call{path: "/v1/status", from: stranger + ":9"})
	b.do(t, b.asAdmin(file("", "name\nacme-primary\n"))).bulk(t)
	return b
}

// links is whatever has a browser load something, or go somewhere.
var links = regexp.MustCompile(`(?i)(?:src|href|srcset|poster|data)\s*=\s*"([^"]*)"|url\(([^)]*)\)|@import\s+(\S+)`)

// alike is how many pages of one kind are read.
const alike = 6

// walked are the paths of the console that somebody came to by following every link from its first page, each by the
// route's, such as /console/jobs/:id; and those of them that are pages.
func walked(t *testing.T, b *bundle, v *visitor) (seen, pages map[string]string) {
	t.Helper()
	routes := b.server.ConsolePaths()
	slices.SortStableFunc(routes, func(a, b string) int { return cmp.Compare(strings.Count(a, ":"), strings.Count(b, ":")) })
	patterns := map[string]*regexp.Regexp{}
	for _, route := range routes {
		patterns[route] = regexp.MustCompile("^" + regexp.MustCompile(`:\w+`).ReplaceAllString(route, `[^/]+`) + "$")
	}
	routeOf := func(path string) string {
		path, _, _ = strings.Cut(path, "?")
		if i := slices.IndexFunc(routes, func(route string) bool { return patterns[route].MatchString(path) }); i >= 0 {
			return routes[i]
		}
		return path
	}
	seen, pages = map[string]string{}, map[string]string{}
	times, read := map[string]int{}, map[string]bool{}
	paths := []string{"/console", "/console/", "/console/sign-in", "/console/sign-on", "/console/assets/none.css"}
	for len(paths) > 0 {
		path := paths[0]
		paths = paths[1:]
		route := routeOf(path)
		if times[route]++; read[path] || times[route] > alike {
			continue
		}
		read[path] = true
		got := v.get(t, path)
		if seen[route] == "" {
			seen[route] = path
		}
		if pages[route] == "" && strings.Contains(got.header.Get("Content-Type"), "html") && got.status == http.StatusOK {
			pages[route] = path
		}
		if got.status >= http.StatusBadRequest && path != "/console/" && path != "/console/assets/none.css" {
			t.Errorf("%s: got %d %s", path, got.status, got.body)
		}
		if strings.HasPrefix(path, "/console/assets/swagger-ui") { // others wrote it; the browser shows that it loads nothing
			continue
		}
		for _, found := range links.FindAllStringSubmatch(got.body, -1) {
			to := html.UnescapeString(found[1] + found[2] + found[3])
			switch {
			case to == "/console" || strings.HasPrefix(to, "/console/") || strings.HasPrefix(to, "/console?"):
				to, _, _ = strings.Cut(to, "#")
				paths = append(paths, to)
			case strings.HasPrefix(to, "?"):
				at, _, _ := strings.Cut(path, "?")
				paths = append(paths, at+to)
			case strings.HasPrefix(to, "#"):
			default:
				t.Errorf("%s: leads to, or loads, %q", path, to)
			}
		}
		inert(t, path, got)
	}
	return seen, pages
}

// inert fails if the answer lets a browser load or run anything from elsewhere, keeps what it must not, or is too long.
func inert(t *testing.T, path string, got answer) {
	t.Helper()
	policy := got.header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("%s: the policy %q lacks %s", path, policy, want)
		}
	}
	asset := strings.HasPrefix(path, "/console/assets/") && got.status == http.StatusOK
	if strings.Contains(policy, "unsafe") || got.header.Get("X-Content-Type-Options") != "nosniff" || strings.Contains(got.header.Get("Cache-Control"), "no-store") == asset {
		t.Errorf("%s: got %v", path, got.header)
	}
	if !strings.Contains(got.header.Get("Content-Type"), "html") {
		return
	}
	if regexp.MustCompile(`(?i)<script(?:[^>]*)>[^<]|<style|\sstyle\s*=|\son\w+\s*=`).MatchString(got.body) {
		t.Errorf("%s: has a script or a style within: %s", path, got.body)
	}
	shown := regexp.MustCompile(`(?s)<pre.*?</pre>|<code.*?</code>`).ReplaceAllString(got.body, "") // what was sent, and what a file has, stands there as it is
	if raw := regexp.MustCompile(`>[^<]*\d{4}-\d\d-\d\dT\d\d:\d\d[^<]*<`).FindString(shown); raw != "" && path != "/console/api" {
		t.Errorf("%s: the time in %q is not shown in the page's zone", path, raw)
	}
	if len(got.body) > 100_000 {
		t.Errorf("%s has %d bytes", path, len(got.body))
	}
	if strings.Contains(got.body, gatewayPassword) {
		t.Errorf("%s: a password is in %s", path, got.body)
	}
}

// onlyOverall are the pages for those alone who see all domains.
var onlyOverall = []string{"/console/queues", "/console/whitelist"}

// Every page can be come to by links, which lead nowhere else; no answer has a browser load or run anything from
// elsewhere, and each says so to the browser. In a browser axe-core finds nothing wrong with any page, at a desk and by
// phone.
func TestEveryPageOfTheConsole(t *testing.T) {
	t.Parallel()
	b := livedIn(t)
	t.Run("tenant's admin", func(t *testing.T) {
		admin := b.tenantAdmin(t)
		admin.sendsFile(t, "name;description\nacme-primary;of old\n")
		seen, _ := walked(t, b, admin)
		for _, route := range b.server.ConsolePaths() {
			if _, is := seen[route]; is == slices.Contains(onlyOverall, route) {
				t.Errorf("%s: it is come to: %t", route, is)
			}
		}
	})
	var pages map[string]string
	root := b.superadmin(t)
	t.Run("superadmin", func(t *testing.T) {
		var seen map[string]string
		root.sendsFile(t, "name;host;user;secret;domain\nacme-third;sip.carrier.example;acme;"+gatewayPassword+";"+b.sample.AdminDomain+"\nacme-fourth;not a host;acme;"+gatewayPassword+";"+b.sample.AdminDomain+"\n")
		seen, pages = walked(t, b, root)
		for _, route := range b.server.ConsolePaths() {
			if _, is := seen[route]; !is {
				t.Errorf("no link leads to %s", route)
			}
		}
	})
	documented, err := os.ReadFile("../docs/console.md")
	must(t, err)
	for route := range pages {
		for _, what := range []string{"light", "dark"} {
			if name := "screenshots/" + pictureOf(route) + "-" + what + ".webp"; !strings.Contains(string(documented), name) {
				t.Errorf("docs/console.md does not show %s; make screenshots makes it", name)
			} else if _, err := os.Stat("../docs/" + name); err != nil && *screenshots == "" {
				t.Errorf("%v; make screenshots makes it", err)
			}
		}
	}
	for _, c := range []struct {
		what  string
		width int64
		dark  bool
	}{{"light", wide, false}, {"dark", wide, true}, {"by phone", narrow, true}} {
		t.Run(c.what, func(t *testing.T) {
			w := b.openWindow(t, c.width, c.dark)
			w.open(t, "/console/sign-in")
			w.accessible(t, "signing in")
			w.picture(t, "/console/sign-in", c.what)
			w.signIn(t, b.sample.SuperadminName, b.sample.SuperadminPassword)
			w.shows(t, "Overview")
			w.goesOnAs(t, root)
			for _, route := range slices.Sorted(maps.Keys(pages)) {
				w.open(t, pages[route])
				w.do(t, chromedp.WaitVisible("main h1"))
				w.accessible(t, route)
				w.picture(t, route, c.what)
			}
			w.loadedNothingElse(t)
		})
	}
}

// goesOnAs has the window go on with the visitor's session, so that it sees what that one sent.
func (w *window) goesOnAs(t *testing.T, v *visitor) {
	t.Helper()
	_, err := chromedp.Call(w.ctx, network.SetCookie, network.SetCookieParams{
		Name: v.cookie.Name, Value: v.cookie.Value, URL: w.base, Path: "/", Secure: new(true), HTTPOnly: new(true), SameSite: network.CookieSameSiteStrict,
	})
	must(t, err)
}

// pictureOf is the name of a route's pictures, without light or dark.
func pictureOf(route string) string {
	route = regexp.MustCompile(`:\w+`).ReplaceAllString(strings.TrimPrefix(route, "/console"), "one")
	return cmp.Or(strings.ReplaceAll(strings.Trim(route, "/"), "/", "-"), "overview")
}

// picture writes what the window shows to a file named by the route, if pictures are asked for.
func (w *window) picture(t *testing.T, route, what string) {
	t.Helper()
	if *screenshots == "" || what == "by phone" {
		return
	}
	quality := int64(60)
	image, err := chromedp.Call(w.ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{Format: page.CaptureScreenshotFormatWebp, Quality: &quality})
	must(t, err)
	must(t, os.WriteFile(filepath.Join(*screenshots, pictureOf(route)+"-"+what+".webp"), image.Data, 0o644))
}

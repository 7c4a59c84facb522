package api_test

import (
	"html"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
)

// madeGateway puts a gateway of the domain into FusionPBX's table, and returns its uuid.
func (b *bundle) madeGateway(t *testing.T, domainUUID, name string) (id string) {
	t.Helper()
	must(t, b.pool.QueryRow(t.Context(), `insert into v_gateways (gateway_uuid, domain_uuid, gateway, proxy, password, profile, enabled, description)
		values (gen_random_uuid(), $1, $2, 'sip.carrier.example', $3, 'external', 'true', $2) returning gateway_uuid::text`, domainUUID, name, gatewayPassword).Scan(&id))
	return id
}

// Gateways are listed by what stands in the address, with figures by state; a tenant's admin has its own alone, and no
// page has a password or runs what somebody wrote.
func TestConsoleGateways(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	long := hostileText + strings.Repeat("x", 10_000)
	own, other := b.madeGateway(t, b.ownDomain().UUID, long), b.madeGateway(t, b.foreign().UUID, "theirs")
	root, admin := b.superadmin(t), b.tenantAdmin(t)
	for _, c := range []struct{ query, has, lacks string }{
		{"", own, "nothing of the kind"}, {"", other, "nothing of the kind"},
		{"?text=THEIRS", other, own}, {"?tenant_domain=" + b.sample.AdminDomain, own, other},
		{"?text=theirs&state=NOT_LOADED", other, own}, {"?text=theirs&state=REGED", "No gateway is so.", other},
		{"?text=theirs&state=REGED", "NOT_LOADED <strong>1</strong>", own},
		{"?enabled=false", "/console/gateways", other}, {"?limit=1&text=theirs", other, "Next page"}, {"?limit=1", "Next page", "nothing of the kind"},
	} {
		page := root.get(t, "/console/gateways"+c.query).want(t, http.StatusOK, "")
		if !strings.Contains(page.body, c.has) || strings.Contains(page.body, c.lacks) {
			t.Errorf("%s: want %q and not %q in %s", c.query, c.has, c.lacks, page.body)
		}
	}
	for _, path := range []string{"/console/gateways", "/console/gateways/" + own} {
		page := admin.get(t, path).want(t, http.StatusOK, "")
		for _, never := range []string{"<script>alert", "<img src=x", other, gatewayPassword, strings.Repeat("x", 1000)} {
			if strings.Contains(page.body, never) {
				t.Errorf("%s has %.100q", path, never)
			}
		}
		if !strings.Contains(page.body, "&lt;script&gt;") {
			t.Errorf("%s does not show the name: %s", path, page.body)
		}
	}
	admin.get(t, "/console/gateways/"+other).want(t, http.StatusNotFound, "")
	asked := b.switches[0].CountCommands("sofia xmlstatus gateway")
	root.get(t, "/console/gateways?state=NOT_LOADED").want(t, http.StatusOK, "")
	if n := b.switches[0].CountCommands("sofia xmlstatus gateway") - asked; n != 1 {
		t.Errorf("the switch was asked %d times for one list", n)
	}
	root.get(t, "/console/gateways/none").want(t, http.StatusBadRequest, "")
	root.get(t, "/console/gateways?state=SHINY").want(t, http.StatusBadRequest, "")
}

// A page of ten thousand gateways is as small as one of few.
func TestConsoleGatewaysOfALargePBX(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	b.exec(t, `insert into v_gateways (gateway_uuid, domain_uuid, gateway, proxy, profile, enabled)
		select gen_random_uuid(), $1, 'gateway ' || n, 'sip.carrier.example', 'external', 'true' from generate_series(1, 10000) n`, b.ownDomain().UUID)
	page := b.superadmin(t).get(t, "/console/gateways").want(t, http.StatusOK, "")
	if len(page.body) > 100_000 {
		t.Errorf("it has %d bytes", len(page.body))
	}
}

// The pages pass axe-core for both, at a desk and by phone, and are read without a script.
func TestConsoleGatewaysInABrowser(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	id := b.madeGateway(t, b.ownDomain().UUID, hostileText)
	for _, c := range []struct {
		name, password string
		width          int64
		scripts, dark  bool
	}{
		{b.sample.SuperadminName, b.sample.SuperadminPassword, wide, true, true},
		{b.sample.AdminName, b.sample.AdminPassword, narrow, true, false},
		{b.sample.AdminName, b.sample.AdminPassword, wide, false, false},
	} {
		w := b.openWindow(t, c.width, c.dark)
		if !c.scripts {
			w.withoutScripts(t)
		}
		w.open(t, "/console/gateways")
		w.signIn(t, c.name, c.password)
		w.shows(t, "Gateways")
		if c.scripts {
			w.accessible(t, "gateways")
		}
		w.do(t, chromedp.Click(`a[href="/console/gateways/`+id+`"]`))
		w.shows(t, "Gateway")
		if c.scripts {
			w.accessible(t, "gateway")
		}
		w.loadedNothingElse(t)
	}
}

// Each action asks first, and then is a job; a tenant's admin does none of them to another's gateway.
func TestConsoleGatewayActions(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier("mine", "tenant_domain", b.sample.AdminDomain)})).want(t, http.StatusOK, "")
	var id string
	must(t, b.pool.QueryRow(t.Context(), "select gateway_uuid::text from v_gateways where gateway = 'mine'").Scan(&id))
	other := b.madeGateway(t, b.foreign().UUID, "theirs")
	admin := b.tenantAdmin(t)
	for _, c := range []struct{ name, left string }{
		{"re-register", "select count(*) from v_gateways where gateway = 'mine' and enabled::text = 'true'"},
		{"disable", "select count(*) from v_gateways where gateway = 'mine' and enabled::text = 'false'"},
		{"enable", "select count(*) from v_gateways where gateway = 'mine' and enabled::text = 'true'"},
		{"delete", "select 1 - count(*) from v_gateways where gateway = 'mine'"},
	} {
		admin.get(t, "/console/gateways/"+other+"/"+c.name).want(t, http.StatusNotFound, "")
		admin.get(t, "/console/gateways/"+id+"/"+c.name).want(t, http.StatusOK, "")
		admin.post(t, "/console/gateways/"+other+"/"+c.name).want(t, http.StatusNotFound, "")
		version := between(t, admin.page, `name="version" value="`, `"`)
		admin.post(t, "/console/gateways/"+id+"/"+c.name, "version", strings.Repeat("0", 64)).want(t, http.StatusPreconditionFailed, "").
			says(t, "was changed since that page was made", `name="version" value="`+version+`"`)
		to := admin.post(t, "/console/gateways/"+id+"/"+c.name, "version", version).want(t, http.StatusSeeOther, "").header.Get("Location")
		pbxtest.Eventually(t, c.name+" is done", func() bool {
			return strings.Contains(admin.get(t, to).body, `badge succeeded`)
		})
		if b.count(t, c.left) != 1 {
			t.Errorf("%s left something else", c.name)
		}
	}
	if n := b.count(t, "select count(*) from v_gateways where gateway = 'theirs'"); n != 1 {
		t.Error("another's gateway is gone")
	}
}

// The page of a deletion names the routes that the gateway would fail, whatever they are called, and deletes it only when
// told so.
func TestConsoleDeletionOfARoutedGateway(t *testing.T) {
	t.Parallel()
	for _, version := range sample.Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{version: version})
			b.exec(t, `create table if not exists v_dialplans (dialplan_uuid uuid, dialplan_name text)`)
			b.exec(t, `create table if not exists v_dialplan_details (dialplan_uuid uuid, dialplan_detail_data text)`)
			_, err := b.options.PBX.FusionPBX.Refresh(t.Context())
			must(t, err)
			id := b.madeGateway(t, b.ownDomain().UUID, "routed")
			admin := b.tenantAdmin(t)
			path := "/console/gateways/" + id + "/delete"
			admin.get(t, path).want(t, http.StatusOK, "").says(t, "No outbound route names it.")
			b.exec(t, `with routes as (insert into v_dialplans (dialplan_uuid, dialplan_name)
					select gen_random_uuid(), 'route ' || n || $2::text from generate_series(1, 60) as n returning dialplan_uuid)
				insert into v_dialplan_details (dialplan_uuid, dialplan_detail_data) select dialplan_uuid, 'sofia/gateway/' || $1::text || '/$1' from routes`, id, hostile)
			page := admin.get(t, path).want(t, http.StatusOK, "").says(t, "route 1&lt;script&gt;", "and 10 more")
			if strings.Contains(page.body, "<script>document") {
				t.Errorf("a route's name is run: %s", page.body)
			}
			stands := between(t, page.body, `name="version" value="`, `"`)
			admin.post(t, path, "version", stands).want(t, http.StatusConflict, "").says(t, `role="alert"`, "and 10 more")
			admin.post(t, path, "version", stands, "force", "true").want(t, http.StatusSeeOther, "")
		})
	}
}

// What somebody called a gateway is shown as text, cut off where it is long, on every page about it; axe-core finds
// nothing wrong with those that ask whether something is meant, at a desk and by phone.
func TestConsoleGatewaysOfAnyName(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	names := []string{hostile + strings.Repeat("y", 10_000), "a\u0007b\u001b[31m\u0085c\nd", "\u202eemag\u2066\u200f", `" autofocus onfocus="alert(1)`}
	root := b.superadmin(t)
	var ids []string
	for _, name := range names {
		id := b.madeGateway(t, b.ownDomain().UUID, name)
		ids = append(ids, id)
		for _, path := range []string{"", "/enable", "/disable", "/re-register", "/delete"} {
			page := root.get(t, "/console/gateways/"+id+path).want(t, http.StatusOK, "")
			for _, never := range []string{"<script>document", "<img src=x", `" onfocus="`, strings.Repeat("y", 1000), "\u0007", "\u001b", "\u0085", gatewayPassword} {
				if strings.Contains(page.body, never) {
					t.Errorf("%s of %.40q has %q", path, name, never)
				}
			}
			if shown := html.EscapeString(name[:min(len(name), 8)]); !strings.Contains(strings.ReplaceAll(page.body, "\uFFFD", "\u0007"), shown) && name != names[1] {
				t.Errorf("%s does not show %.40q: %s", path, name, page.body)
			}
			if strings.Count(page.body, "<bdi>") != strings.Count(page.body, "</bdi>") || strings.Contains(between(t, page.body, "<title>", "</title>"), "\u202e") {
				t.Errorf("%s of %.40q is not kept to its place", path, name)
			}
		}
	}
	for _, width := range []int64{wide, narrow} {
		w := b.openWindow(t, width, width == narrow)
		w.open(t, "/console/gateways")
		w.signIn(t, b.sample.SuperadminName, b.sample.SuperadminPassword)
		w.shows(t, "Gateways")
		for i, a := range []struct{ path, title string }{
			{"enable", "Enable the gateway"}, {"disable", "Disable the gateway"}, {"re-register", "Register the gateway again"}, {"delete", "Delete the gateway"},
		} {
			w.open(t, "/console/gateways/"+ids[i]+"/"+a.path)
			w.shows(t, a.title)
			w.accessible(t, a.path)
		}
		w.loadedNothingElse(t)
	}
}

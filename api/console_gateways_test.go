package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"trunkline/internal/pbxtest"
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
		to := admin.post(t, "/console/gateways/"+id+"/"+c.name).want(t, http.StatusSeeOther, "").header.Get("Location")
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

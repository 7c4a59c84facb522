package api_test

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"trunkline/internal/pbxtest"
)

const driftPath = "/console/gateways/drift"

// drifted has gateways that were changed behind the switches' back: mine and hostile of the admin's domain, theirs of
// another, and one of nobody's that a switch has loaded. It returns their uuids by name.
func (b *bundle) drifted(t *testing.T) map[string]string {
	t.Helper()
	own, other := b.sample.Domains[1].Name, b.sample.Domains[0].Name
	made := map[string]string{}
	for name, domain := range map[string]string{"mine": own, "hostile": own, "theirs": other, "deleted": other} {
		made[name] = b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier(name, "tenant_domain", domain)})).want(t, http.StatusOK, "").text(t, "gateway_uuid")
	}
	b.exec(t, "update v_gateways set password = 'n3w-s3cret' where gateway_uuid = any($1)", []string{made["mine"], made["hostile"], made["theirs"]})
	b.exec(t, "update v_gateways set gateway = $2 where gateway_uuid = $1", made["hostile"], hostileText+strings.Repeat("x", 10_000))
	b.exec(t, "delete from v_gateways where gateway_uuid = $1", made["deleted"])
	return made
}

var hiddenField = regexp.MustCompile(`<input type="hidden" name="([a-z_]+)" value="([^"]*)">`)

// confirm sends the form of the last page that was read, as it stands there.
func (v *visitor) confirm(t *testing.T, path string) answer {
	t.Helper()
	var pairs []string
	for _, field := range hiddenField.FindAllStringSubmatch(between(t, v.page, `<form class="card"`, "</form>"), -1) {
		if field[1] != "form_token" {
			pairs = append(pairs, field[1], html.UnescapeString(field[2]))
		}
	}
	return v.post(t, path, pairs...)
}

// What differs is listed by what stands in the address: of a tenant's admin its own alone, and inert.
func TestConsoleDrift(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	made := b.drifted(t)
	root, admin := b.superadmin(t), b.tenantAdmin(t)
	for _, c := range []struct {
		who        *visitor
		query      string
		has, lacks []string
	}{
		{root, "", []string{made["mine"], made["theirs"], made["deleted"], "loaded, and without a row", "changed since it was loaded", "Repair all 4"}, nil},
		{root, "?kind=settings_outdated", []string{made["mine"], made["theirs"], "Repair all 3", "loaded, and without a row <strong>1</strong>"}, []string{made["deleted"]}},
		{root, "?tenant_domain=" + b.sample.Domains[0].Name, []string{made["theirs"], "Repair all 1"}, []string{made["mine"], made["deleted"]}},
		{root, "?kind=loaded_twice", []string{"Nothing of the kind differs."}, []string{made["mine"], "Repair all"}},
		{root, "?after=1", []string{"2 to "}, nil},
		{root, "?after=9999", []string{"There is nothing on this page any more."}, nil},
		{admin, "", []string{made["mine"], made["hostile"], "&lt;script&gt;", "Repair all 2"}, []string{made["theirs"], made["deleted"], "<script>alert", "<img src=x", strings.Repeat("x", 1000), "n3w-s3cret"}},
	} {
		page := c.who.get(t, driftPath+c.query).want(t, http.StatusOK, "").says(t, c.has...)
		for _, never := range c.lacks {
			if strings.Contains(page.body, never) {
				t.Errorf("%s has %.100q in %s", c.query, never, page.body)
			}
		}
	}
	root.get(t, driftPath+"?kind=nonsense").want(t, http.StatusBadRequest, "")
	root.get(t, driftPath+"?after=-1").want(t, http.StatusBadRequest, "")
	admin.get(t, driftPath+"?tenant_domain="+b.sample.Domains[0].Name).want(t, http.StatusForbidden, "")
	root.get(t, "/console/gateways").want(t, http.StatusOK, "").says(t, driftPath)
}

// A repair is asked first, by the number of the gateways that it is about; it is refused if these are others by then.
func TestConsoleDriftIsRepaired(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	made := b.drifted(t)
	root, admin := b.superadmin(t), b.tenantAdmin(t)
	const path = driftPath + "/repair"
	done := func(v *visitor, got answer, left string) {
		t.Helper()
		to := got.want(t, http.StatusSeeOther, "").header.Get("Location")
		pbxtest.Eventually(t, "the repair is done", func() bool { return strings.Contains(v.get(t, to).body, `badge succeeded`) })
		v.get(t, driftPath).want(t, http.StatusOK, "").says(t, left)
	}
	root.get(t, path).want(t, http.StatusBadRequest, "").says(t, "no gateway is chosen")
	root.get(t, path+"?ids=none").want(t, http.StatusOK, "").says(t, "Nothing differs any more")
	admin.get(t, path+"?ids="+made["theirs"]).want(t, http.StatusOK, "").says(t, "Nothing differs any more")
	admin.get(t, path+"?ids="+made["mine"]+"&ids="+made["theirs"]).want(t, http.StatusOK, "").says(t, "<strong>1</strong> gateway", "Of 1 more")
	admin.post(t, path, "ids", made["theirs"], "as_shown", "x").want(t, http.StatusConflict, "")
	if n := b.count(t, "select count(*) from trunkline.jobs where kind = 'bulk'"); n != 0 {
		t.Fatalf("%d jobs were made", n)
	}
	admin.get(t, path+"?ids="+made["mine"])
	done(admin, admin.confirm(t, path), "Repair all 1")

	// Another one differs meanwhile: what was confirmed is not what would be done.
	root.get(t, path+"?all=true").want(t, http.StatusOK, "").says(t, "<strong>3</strong> gateways", "1 loaded, and without a row. The switch unloads them", "2 changed since it was loaded")
	b.exec(t, "update v_gateways set password = 'another' where gateway_uuid = $1", made["mine"])
	again := root.confirm(t, path).want(t, http.StatusConflict, "").says(t, "Nothing was done.", "<strong>4</strong> gateways")
	root.page = again.body
	done(root, root.confirm(t, path), "Nothing differs")
}

// The page of ten thousand gateways that differ is as small as any, and tells them all.
func TestConsoleDriftOfALargePBX(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	b.exec(t, `insert into v_gateways (gateway_uuid, domain_uuid, gateway, proxy, profile, enabled)
		select gen_random_uuid(), $1, repeat(case when n % 2 = 0 then '<' else 'ü' end, 300) || n, 'sip.carrier.example', 'external', 'true' from generate_series(1, 10000) n`, b.ownDomain().UUID)
	root := b.superadmin(t)
	for _, query := range []string{"", "?after=9000"} {
		began := time.Now()
		page := root.get(t, driftPath+query).want(t, http.StatusOK, "").says(t, "Repair all 10000", " of 20000.", "Next page")
		if len(page.body) > 100_000 {
			t.Errorf("%s has %d bytes", query, len(page.body))
		}
		t.Logf("%s: %d bytes in %v", query, len(page.body), time.Since(began))
	}
}

// The pages pass axe-core for both, at a desk and by phone, and gateways are chosen and repaired without a script too.
func TestConsoleDriftInABrowser(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	made := b.drifted(t)
	for i, c := range b.lookers() {
		b.exec(t, "update v_gateways set password = $2 where gateway_uuid = any($1)", []string{made["mine"], made["hostile"]}, fmt.Sprint("password ", i))
		w := b.lookingAt(t, driftPath+"?"+url.Values{"kind": {"settings_outdated"}}.Encode(), "Drift of gateways", c)
		w.accessible(t, "drift")
		w.do(t, chromedp.Click(`input[value="`+made["mine"]+`"]`), chromedp.Click(`input[value="`+made["hostile"]+`"]`), chromedp.Click("//button[text()='Repair the chosen']"))
		w.shows(t, "Repair gateways")
		w.accessible(t, "repairing")
		w.do(t, chromedp.Click("//button[text()='Repair 2 gateways']"))
		w.shows(t, "Job")
		w.loadedNothingElse(t)
		pbxtest.Eventually(t, "they are repaired", func() bool {
			return b.count(t, "select count(*) from trunkline.jobs where kind = 'bulk' and state = 'succeeded'") == i+1
		})
	}
}

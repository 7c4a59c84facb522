package api_test

import (
	"encoding/json"
	"html"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"trunkline/api/gateways"
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
	for _, c := range b.lookers() {
		w := b.lookingAt(t, "/console/gateways", "Gateways", c)
		w.accessible(t, "gateways")
		w.do(t, chromedp.Click(`a[href="/console/gateways/`+id+`"]`))
		w.shows(t, "Gateway")
		w.accessible(t, "gateway")
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

// jobDone waits for the job to which a form has led, and fails unless it succeeds.
func (v *visitor) jobDone(t *testing.T, saved answer) {
	t.Helper()
	to := saved.want(t, http.StatusSeeOther, "").header.Get("Location")
	pbxtest.Eventually(t, "the job has ended", func() bool {
		page := v.get(t, to)
		return strings.Contains(page.body, "badge succeeded") || strings.Contains(page.body, "badge failed")
	})
	v.get(t, to).says(t, "badge succeeded")
}

// typedInto is what a form of the last page holds, as a browser would send it, with these fields in turn in place of its own.
func (v *visitor) typedInto(t *testing.T, more ...string) []string {
	t.Helper()
	_, inside, _ := strings.Cut(v.page, `<form class="card"`)
	typed := map[string]string{}
	for _, input := range regexp.MustCompile(`<input [^>]*name="([^"]+)"[^>]*?(?: value="([^"]*)")[^>]*>`).FindAllStringSubmatch(inside, -1) {
		typed[input[1]] = html.UnescapeString(input[2])
	}
	for _, choice := range regexp.MustCompile(`(?s)<select [^>]*name="([^"]+)".*?</select>`).FindAllStringSubmatch(inside, -1) {
		if chosen := regexp.MustCompile(`<option value="([^"]*)" selected`).FindStringSubmatch(choice[0]); chosen != nil {
			typed[choice[1]] = html.UnescapeString(chosen[1])
		}
	}
	for i := 0; i < len(more); i += 2 {
		typed[more[i]] = more[i+1]
	}
	var pairs []string
	for name, value := range typed {
		if name != "form_token" && name != "zone" {
			pairs = append(pairs, name, value)
		}
	}
	return pairs
}

// stored is a column of the gateway of that name.
func (b *bundle) stored(t *testing.T, name, column string) (value string) {
	t.Helper()
	must(t, b.pool.QueryRow(t.Context(), "select coalesce("+column+"::text, 'NULL') from v_gateways where gateway = $1", name).Scan(&value))
	return value
}

// A gateway is made, changed and copied by forms, on every version of FusionPBX: what was typed arrives, what was left stays,
// and the password is on no page.
func TestConsoleGatewayForms(t *testing.T) {
	t.Parallel()
	for _, version := range sample.Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{version: version})
			admin := b.tenantAdmin(t)
			admin.get(t, "/console/gateways/new").want(t, http.StatusOK, "").says(t, b.sample.AdminDomain, "Under 5 FreeSWITCH would take 30")
			if strings.Contains(admin.page, `name="hostname"`) || strings.Contains(admin.page, `name="tenant_domain"`) {
				t.Error("a tenant's admin is offered what is not its own to choose")
			}
			admin.jobDone(t, admin.post(t, "/console/gateways/new", admin.typedInto(t, "gateway_name", "first", "gateway_domain", "sip.carrier.example",
				"gateway_username", "account", "gateway_password", gatewayPassword, "retry_seconds", "45", "description", "for <b>sales</b>")...))
			for column, want := range map[string]string{
				"proxy": "sip.carrier.example", "realm": "sip.carrier.example", "register": "true", "enabled": "true", "retry_seconds": "45",
				"expire_seconds": "800", "profile": "external", "context": "public", "password": gatewayPassword, "register_transport": "NULL", "ping": "NULL",
				"domain_uuid": b.ownDomain().UUID,
			} {
				if got := b.stored(t, "first", column); got != want {
					t.Errorf("a new one has %s %q, want %q", column, got, want)
				}
			}
			b.exec(t, "update v_gateways set sip_cid_type = 'pid', extension = $1 where gateway = 'first'", "kept\u0007as it is")
			var id string
			must(t, b.pool.QueryRow(t.Context(), "select gateway_uuid::text from v_gateways where gateway = 'first'").Scan(&id))

			edit := "/console/gateways/" + id + "/edit"
			page := admin.get(t, edit).want(t, http.StatusOK, "").says(t, `value="for &lt;b&gt;sales&lt;/b&gt;"`, `value="sip.carrier.example"`, `value="45"`)
			if strings.Contains(page.body, gatewayPassword) {
				t.Fatal("the form has the password")
			}
			admin.post(t, edit, admin.typedInto(t)...).want(t, http.StatusBadRequest, "").says(t, "the form says what stands there")
			admin.jobDone(t, admin.post(t, edit, admin.typedInto(t, "description", "", "retry_seconds", "60", "gateway_name", "renamed", "realm", "carrier", "proxy", "192.0.2.7:5070", "gateway_domain", "")...))
			for column, want := range map[string]string{
				"description": "NULL", "retry_seconds": "60", "proxy": "192.0.2.7:5070", "realm": "carrier", "password": gatewayPassword, "register": "true",
				"sip_cid_type": "pid", "extension": "kept\u0007as it is", "expire_seconds": "800", "username": "account",
			} {
				if got := b.stored(t, "renamed", column); got != want {
					t.Errorf("the changed one has %s %q, want %q", column, got, want)
				}
			}
			admin.get(t, edit)
			admin.jobDone(t, admin.post(t, edit, admin.typedInto(t, "register", "false")...))
			admin.get(t, edit)
			admin.jobDone(t, admin.post(t, edit, admin.typedInto(t, "gateway_username", "other", "gateway_password", "another-s3cret")...))
			if got := b.stored(t, "renamed", "register"); got != "false" {
				t.Errorf("with an account and a password it registers (%s), and the form says no", got)
			}

			copied := "/console/gateways/" + id + "/copy"
			page = admin.get(t, copied).want(t, http.StatusOK, "").says(t, "It begins as", `value="192.0.2.7:5070"`)
			if strings.Contains(page.body, "another-s3cret") || strings.Contains(page.body, `value="renamed"`) {
				t.Error("the copy's form has the name or the password")
			}
			admin.jobDone(t, admin.post(t, copied, admin.typedInto(t, "gateway_name", "second")...))
			for column, want := range map[string]string{"proxy": "192.0.2.7:5070", "realm": "carrier", "enabled": "false", "password": "NULL", "sip_cid_type": "pid", "retry_seconds": "60"} {
				if got := b.stored(t, "second", column); got != want {
					t.Errorf("the copy has %s %q, want %q", column, got, want)
				}
			}
			if n := b.recorded(t, "gateway.create", "second"); n != 1 {
				t.Errorf("the audit has it %d times", n)
			}
		})
	}
}

// Everything that is wrong is said at its field, with what was typed kept but for the password; another domain's gateway is
// not there, nor what is a superadmin's.
func TestConsoleGatewayFormsRefuse(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	other := b.madeGateway(t, b.foreign().UUID, "theirs")
	own := b.madeGateway(t, b.ownDomain().UUID, "mine")
	admin, root := b.tenantAdmin(t), b.superadmin(t)
	at := func(page answer, field, words string) {
		t.Helper()
		if said := between(t, page.body, `id="gateway-`+field+`-fault">`, "<"); !strings.Contains(html.UnescapeString(said), words) {
			t.Errorf("at %s: %q, want %q", field, said, words)
		}
	}
	admin.get(t, "/console/gateways/new")
	page := admin.post(t, "/console/gateways/new", admin.typedInto(t, "gateway_name", `"><script>`, "gateway_password", "se$cret", "gateway_domain", "not a host",
		"retry_seconds", "2", "context", "another.example")...).want(t, http.StatusBadRequest, "")
	at(page, "gateway_domain", "is not a host")
	at(page, "retry_seconds", "give 5 or more")
	at(page, "context", "an admin may set it to public or")
	page.says(t, `value="not a host"`, `value="&#34;&gt;&lt;script&gt;"`, "<details open>", `aria-invalid="true"`)
	if strings.Contains(page.body, "se$cret") {
		t.Error("the password is sent back")
	}
	page = admin.post(t, "/console/gateways/new", admin.typedInto(t, "gateway_name", "new", "gateway_password", "se$cret", "gateway_domain", "a.example", "gateway_username", "a<b")...).
		want(t, http.StatusUnprocessableEntity, "")
	at(page, "gateway_password", "holds a $")
	at(page, "gateway_username", "holds < or &")
	page = admin.post(t, "/console/gateways/new", admin.typedInto(t, "gateway_name", "new")...).want(t, http.StatusBadRequest, "")
	at(page, "gateway_password", "is missing")
	at(page, "gateway_username", "is missing")
	at(page, "gateway_domain", "is missing")
	page = admin.post(t, "/console/gateways/new", admin.typedInto(t, "gateway_name", "mine", "gateway_domain", "a.example", "register", "false")...).want(t, http.StatusConflict, "")
	at(page, "gateway_name", "is called")

	for _, path := range []string{"/edit", "/copy"} {
		admin.get(t, "/console/gateways/"+other+path).want(t, http.StatusNotFound, "")
		admin.post(t, "/console/gateways/"+other+path, "gateway_name", "x", "version", "0").want(t, http.StatusNotFound, "")
	}
	admin.post(t, "/console/gateways/new", admin.typedInto(t, "gateway_name", "x", "gateway_domain", "a.example", "register", "false", "tenant_domain", b.foreign().Name)...).want(t, http.StatusForbidden, "")
	admin.get(t, "/console/gateways/"+own+"/edit")
	stood := between(t, admin.page, `name="version" value="`, `"`)
	for _, c := range [][]string{{"hostname", "pbx"}, {"provider_cidrs", "192.0.2.0/24"}} {
		admin.post(t, "/console/gateways/"+own+"/edit", "version", stood, c[0], c[1]).want(t, http.StatusBadRequest, "").says(t, "the form says what stands there")
	}
	if n := b.count(t, "select count(*) from trunkline.jobs"); n != 0 {
		t.Errorf("there are %d jobs", n)
	}

	root.get(t, "/console/gateways/new").says(t, `name="hostname"`, `name="provider_cidrs"`, `<option value="global">`, `<option value="`+b.foreign().Name+`"`)
	root.post(t, "/console/gateways/new", root.typedInto(t, "gateway_name", "anywhere", "gateway_domain", "a.example", "register", "false", "tenant_domain", b.foreign().Name)...).
		want(t, http.StatusSeeOther, "")
	if n := b.count(t, "select count(*) from trunkline.jobs where domain_uuid = $1", b.foreign().UUID); n != 1 {
		t.Errorf("the domain has %d jobs", n)
	}
	b.visitor().get(t, "/console/gateways/new").want(t, http.StatusSeeOther, "")
}

// Two tabs with the same gateway: the second is told what differs, keeps what was typed, and can go on from there.
func TestConsoleGatewayFormsOfTwoTabs(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	id := b.madeGateway(t, b.ownDomain().UUID, "shared")
	b.exec(t, "update v_gateways set register = 'false' where gateway_uuid = $1", id)
	edit := "/console/gateways/" + id + "/edit"
	first, second := b.tenantAdmin(t), b.superadmin(t)
	first.get(t, edit)
	second.get(t, edit)
	first.jobDone(t, first.post(t, edit, first.typedInto(t, "description", "the first <i>", "ping", "30")...))
	got := second.post(t, edit, second.typedInto(t, "description", "the second", "gateway_password", "typed-s3cret")...).want(t, http.StatusPreconditionFailed, "")
	got.says(t, "What is otherwise by now", "the first &lt;i&gt;", "the second", "Ping, seconds", "The password has to be typed again", `value="the second"`)
	if strings.Contains(got.body, "typed-s3cret") || strings.Contains(got.body, gatewayPassword) {
		t.Error("the page has a password")
	}
	if stands := b.stored(t, "shared", "description"); stands != "the first <i>" {
		t.Errorf("it stands as %q", stands)
	}
	second.page = got.body
	second.jobDone(t, second.post(t, edit, second.typedInto(t, "ping", "30")...))
	if d, p := b.stored(t, "shared", "description"), b.stored(t, "shared", "ping"); d != "the second" || p != "30" {
		t.Errorf("it stands as %q and %q", d, p)
	}
}

// The forms pass axe-core, as a superadmin and as a tenant's admin, at a desk and by phone, with what is wrong and what differs; one is
// filled in and sent without a script.
func TestConsoleGatewayFormsInABrowser(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	id := b.madeGateway(t, b.ownDomain().UUID, hostile+strings.Repeat("y", 10_000))
	for _, c := range b.lookers() {
		w := b.lookingAt(t, "/console/gateways", "Gateways", c)
		w.do(t, chromedp.Click("//a[text()='New gateway']"))
		w.shows(t, "New gateway")
		w.accessible(t, "new")
		w.do(t, chromedp.SendKeys("#gateway-gateway_name", "x"), chromedp.SendKeys("#gateway-gateway_domain", "no host"), chromedp.Click("summary"), chromedp.SendKeys("#gateway-ping", "1"))
		w.do(t, chromedp.Click("//button[text()='Save']"), chromedp.WaitVisible("#gateway-problem"))
		w.accessible(t, "new, with faults")
		for _, form := range []struct{ path, title string }{{"copy", "Copy of a gateway"}, {"edit", "Edit a gateway"}} {
			w.open(t, "/console/gateways/"+id+"/"+form.path)
			w.shows(t, form.title)
			w.accessible(t, form.path)
			if n := ask(t, w, chromedp.Evaluate[int](`document.documentElement.outerHTML.length`)); n > 100_000 {
				t.Errorf("%s has %d characters", form.path, n)
			}
		}
		b.exec(t, "update v_gateways set description = 'changed ' || now() where gateway_uuid = $1", id)
		w.do(t, chromedp.Click("//button[text()='Save']"), chromedp.WaitVisible("#differs"))
		w.accessible(t, "of two tabs")
		w.loadedNothingElse(t)
	}
}

// A gateway's page has what was asked of it, by whom and by which job, what became of that, and for who may see it the audit; a
// password that was named is not on it.
func TestConsoleGatewayHistory(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	domain := b.sample.AdminDomain
	id := b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier("first", "tenant_domain", domain)})).want(t, http.StatusOK, "").text(t, "gateway_uuid")
	at := call{path: gatewaysPath + "/" + id}
	b.do(t, with(b.asAdmin(at), "PATCH", `{"gateway_name":"second","description":"<i>new</i>\u202e"}`)).want(t, http.StatusOK, "")
	b.do(t, with(b.asAdmin(at), "PATCH", `{"gateway_password":"another-s3cret"}`)).want(t, http.StatusOK, "")
	b.do(t, b.asSuperadmin(file("", "name,domain,host,register,channels\nunrelated,"+domain+",a.example,false,7\nsecond,"+domain+",sip.carrier.example,true,7\n"))).want(t, http.StatusOK, "")
	b.do(t, b.asSuperadmin(call{path: provisionPath, form: form("gateway_name", "second", "tenant_domain", domain)})).want(t, http.StatusOK, "") // asks for nothing
	b.do(t, with(b.asAdmin(call{path: at.path + "/copy"}), "POST", `{"gateway_name":"third"}`)).want(t, http.StatusCreated, "")
	b.do(t, b.asSuperadmin(call{path: gatewaysPath + "/by-external-id/s-1/adopt", form: form("gateway_uuid", id, "tenant_domain", domain)})).want(t, http.StatusOK, "")
	b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier("first", "tenant_domain", domain)})).want(t, http.StatusOK, "") // another one of the first name

	answer := b.do(t, b.asAdmin(call{path: at.path + "/history"})).want(t, http.StatusOK, "")
	var page gateways.HistoryPage
	must(t, json.Unmarshal([]byte(answer.body), &page))
	var got []string
	for _, one := range page.Changes {
		line := one.Asked + " " + one.State + " " + one.CreatedBy + ":"
		for _, change := range one.Changes {
			line += " " + change.Field
		}
		got = append(got, line)
	}
	superadmin, admin := b.sample.SuperadminName+"@"+b.foreign().Name, b.sample.AdminName+"@"+domain
	want := []string{
		"provision succeeded " + superadmin + ": channels proxy realm register",
		"change succeeded " + admin + ": password",
		"change succeeded " + admin + ": description gateway",
		"provision succeeded " + superadmin + ": proxy realm username password",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for query, left := range map[string]int{"?limit=3": 3, "?limit=3&after=" + page.Changes[2].JobID: 1} {
		var part gateways.HistoryPage
		must(t, json.Unmarshal([]byte(b.do(t, b.asAdmin(call{path: at.path + "/history" + query})).want(t, http.StatusOK, "").body), &part))
		if len(part.Changes) != left {
			t.Errorf("%s: got %d, want %d", query, len(part.Changes), left)
		}
	}
	theirs := b.madeGateway(t, b.foreign().UUID, "theirs")
	b.do(t, b.asAdmin(call{path: gatewaysPath + "/" + theirs + "/history"})).want(t, http.StatusNotFound, "not_found")
	b.do(t, b.asAdmin(call{path: gatewaysPath + "/" + id + "/history?after=x"})).want(t, http.StatusBadRequest, "invalid_request")

	v := b.tenantAdmin(t)
	shown := v.get(t, "/console/gateways/"+id).want(t, http.StatusOK, "").says(t, "/console/jobs/"+page.Changes[0].JobID, "then called", "first",
		"&lt;i&gt;new&lt;/i&gt;", "password: another one", "gateway.patch", "gateway.adopt", "s-1")
	for _, never := range []string{"another-s3cret", gatewayPassword, "<i>new"} {
		if strings.Contains(shown.body, never) {
			t.Errorf("it has %q", never)
		}
	}
	v.get(t, "/console/gateways/"+theirs).want(t, http.StatusNotFound, "")
	_, reader := b.issue(t, "reader", "read", "domains", domain)
	r := b.visitor()
	r.post(t, "/console/sign-in", "token", reader).want(t, http.StatusSeeOther, "")
	if page := r.get(t, "/console/gateways/"+id).want(t, http.StatusOK, ""); strings.Contains(page.body, "In the audit") || !strings.Contains(page.body, "What was asked of it") {
		t.Errorf("who may read is shown %s", page.body)
	}
	for _, width := range []int64{wide, narrow} {
		w := b.openWindow(t, width, width == wide)
		w.open(t, "/console/gateways/"+id)
		w.signIn(t, b.sample.AdminName, b.sample.AdminPassword)
		w.shows(t, "Gateway")
		w.accessible(t, "history")
		w.do(t, chromedp.Click(`a[href="/console/jobs/`+page.Changes[0].JobID+`"]`))
		w.shows(t, "Job")
		w.loadedNothingElse(t)
	}
}

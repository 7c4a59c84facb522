package api_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// Results come by page and state, and as the file itself; it can be sent again.
func TestBulkItems(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	text := "Name;Host;User;Secret;Notes\none;host;u;" + gatewayPassword + ";\"=1+1; a\"\ntwo;a b;u;" + gatewayPassword + ";\nthree;host;u;" + gatewayPassword + ";plain\n"
	job := b.do(t, b.asAdmin(file("mode=each", text))).bulk(t)
	path := "/v1/jobs/" + job.JobID + "/items"
	var page struct {
		Items []bulkItem
		Next  int
	}
	must(t, json.Unmarshal([]byte(b.do(t, b.asAdmin(call{path: path + "?limit=2"})).want(t, http.StatusOK, "").body), &page))
	if len(page.Items) != 2 || page.Next != 2 || page.Items[1].Error == nil || page.Items[1].Error.Field != "gateway_domain" {
		t.Errorf("the first page is %+v", page)
	}
	page.Items, page.Next = nil, 0
	must(t, json.Unmarshal([]byte(b.do(t, b.asAdmin(call{path: path + "?after=1&state=succeeded"})).want(t, http.StatusOK, "").body), &page))
	if len(page.Items) != 1 || page.Next != 0 || page.Items[0].GatewayName != "three" {
		t.Errorf("the second page is %+v", page)
	}
	got := b.do(t, b.asAdmin(call{path: path + "?format=csv"})).want(t, http.StatusOK, "")
	reader := csv.NewReader(strings.NewReader(got.body))
	reader.Comma = ';'
	rows, err := reader.ReadAll()
	must(t, err)
	if len(rows) != 4 || strings.Join(rows[0], " ") != "Name Host User Secret Notes result_state result_action result_gateway_uuid result_code result_error" ||
		rows[1][3] != "" || rows[1][4] != "'=1+1; a" || rows[2][5] != "failed" || rows[2][8] != "invalid_request" || rows[3][6] != "created" {
		t.Errorf("the file is %q", rows)
	}
	corrected := strings.Replace(got.body, "a b;u;;", "host;u;"+gatewayPassword+";", 1)
	second := b.do(t, b.asAdmin(file("", corrected))).bulk(t)
	if second.Result.Counts["unchanged"] != 2 || second.Result.Counts["created"] != 1 {
		t.Errorf("the corrected file is %+v from %s", second, corrected)
	}
	b.do(t, b.asAdmin(call{path: path + "?state=lost"})).want(t, http.StatusBadRequest, "invalid_request")
	b.do(t, b.asAdmin(call{path: path + "?after=x"})).want(t, http.StatusBadRequest, "invalid_request")
	single := b.do(t, b.asAdmin(call{path: provisionPath, form: carrier("single")})).want(t, http.StatusOK, "").text(t, "job_id")
	b.do(t, b.asAdmin(call{path: "/v1/jobs/" + single + "/items"})).want(t, http.StatusNotFound, "not_found")
	stranger := b.token(t, "stranger", "read", otherDomain(b))
	b.do(t, stranger(call{path: path})).want(t, http.StatusNotFound, "not_found")
}

// otherDomain is the name of a domain that is not the admin's.
func otherDomain(b *bundle) string {
	for _, d := range b.sample.Domains {
		if d.Name != b.sample.AdminDomain {
			return d.Name
		}
	}
	panic("the sample has one domain")
}

// Rows of several domains are one job, which those see who see all of them.
func TestBulkOfSeveralDomains(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	own, other := b.sample.AdminDomain, otherDomain(b)
	both := b.token(t, "both", "provision,read", own+","+other)
	text := "name,host,user,secret,domain\na,host,u,p1," + own + "\na,host,u,p1," + other + "\n"
	job := b.do(t, both(file("", text))).bulk(t)
	if job.State != "succeeded" || job.Items.Items[1].TenantDomain != other {
		t.Fatalf("got %+v", job)
	}
	b.do(t, both(call{path: "/v1/jobs/" + job.JobID})).want(t, http.StatusOK, "")
	b.do(t, both(call{path: "/v1/jobs"})).want(t, http.StatusOK, "").says(t, job.JobID)
	b.do(t, b.asAdmin(call{path: "/v1/jobs/" + job.JobID})).want(t, http.StatusNotFound, "not_found")
	if list := b.do(t, b.asAdmin(call{path: "/v1/jobs"})).want(t, http.StatusOK, ""); strings.Contains(list.body, job.JobID) {
		t.Error("an admin of one of the domains sees the job in the list")
	}
	b.do(t, both(file("", "name,host,user,secret\nb,host,u,p\n"))).want(t, http.StatusUnprocessableEntity, "invalid_rows").says(t, "tenant_domain")
	b.do(t, both(file("tenant_domain="+other, "name,host,user,secret\nb,host,u,p\n"))).want(t, http.StatusOK, "")
	b.do(t, b.asSuperadmin(file("", "name,host,user,secret,domain\ng,host,u,p,global\nh,host,u,p,nowhere.example\n"))).
		want(t, http.StatusUnprocessableEntity, "invalid_rows").says(t, "nowhere.example")
	// Another tenant's gateway is as if it were not there.
	uuid := job.Items.Items[1].GatewayUUID
	b.do(t, b.asAdmin(file("", "gateway_uuid,description\n"+uuid+",mine\n"))).want(t, http.StatusUnprocessableEntity, "invalid_rows").says(t, "not_found")
	// Named by its uuid a gateway needs no domain, and another name is its new one.
	renamed := b.do(t, both(file("", "gateway_uuid,name\n"+uuid+",renamed\n"))).bulk(t)
	if renamed.Items.Items[0].Action != "updated" || renamed.Items.Items[0].GatewayName != "renamed" || renamed.Items.Items[0].GatewayUUID != uuid {
		t.Errorf("the renaming is %+v", renamed)
	}
}

// The same key and rows attach to the job while every gateway stands as it left them.
func TestBulkKeys(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	keyed := func(text string) call {
		c := b.asAdmin(file("", text))
		c.headers["Idempotency-Key"] = "monday"
		return c
	}
	first := b.do(t, keyed(threeRows)).bulk(t)
	if again := b.do(t, keyed(strings.ReplaceAll(threeRows, ";", "|"))).bulk(t); again.JobID != first.JobID {
		t.Error("the same rows with the same key are another job")
	}
	b.do(t, keyed(strings.Replace(threeRows, gatewayPassword, "other", 1))).want(t, http.StatusUnprocessableEntity, "key_reused")
	b.do(t, b.asAdmin(call{path: provisionPath, form: form("gateway_name", "two", "ping", "30")})).want(t, http.StatusOK, "")
	b.do(t, keyed(threeRows)).want(t, http.StatusConflict, "key_superseded").says(t, "two", "row 2")
}

// Ten thousand rows in one file are one job. Secrets are nowhere but in the gateways' own rows, sealed until then.
func TestBulkTenThousandRowsAndSecrets(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	rows := func(name string, n int) string {
		var text strings.Builder
		text.WriteString("name,host,user,secret,external_id\n")
		for i := range n {
			fmt.Fprintf(&text, "%s-%d,sip.carrier.example,u%d,%s-%d,%[1]s-%[2]d\n", name, i, i, gatewayPassword, i)
		}
		return text.String()
	}
	many := b.do(t, b.asAdmin(file("wait=0", rows("trunk", 10_000)))).want(t, http.StatusAccepted, "")
	id := many.text(t, "job_id")
	if n := b.count(t, "select count(*) from trunkline.items where job_id = $1 and state = 'queued' and sealed is not null", id); n != 10_000 {
		t.Errorf("%d items are sealed", n)
	}
	secretFree(t, b, many.body)
	b.do(t, b.asAdmin(call{method: http.MethodPost, path: "/v1/jobs/" + id + "/cancel"})).want(t, http.StatusOK, "")
	b.startWorker(t)
	few := b.do(t, b.asAdmin(file("", rows("few", 100))))
	if job := few.bulk(t); job.State != "succeeded" {
		t.Errorf("got %+v", job)
	}
	dry := b.do(t, b.asAdmin(file("dry_run=true", strings.ReplaceAll(rows("few", 100), gatewayPassword, gatewayPassword+"-new"))))
	if job := dry.bulk(t); job.Result.Counts["change"] != 100 || job.Items.Items[0].Changes[0].Field != "password" || !job.Items.Items[0].Changes[0].Changed {
		t.Errorf("got %+v", job)
	}
	items := b.do(t, b.asAdmin(call{path: "/v1/jobs/" + few.text(t, "job_id") + "/items?format=csv"})).want(t, http.StatusOK, "")
	if n := strings.Count(items.body, "\n"); n != 101 {
		t.Errorf("the file has %d lines", n)
	}
	secretFree(t, b, few.body+dry.body+items.body)
	if n := b.count(t, "select count(*) from trunkline.items where sealed is not null"); n != 0 {
		t.Errorf("%d items keep their secrets", n)
	}
	if n := b.count(t, "select count(*) from v_gateways where strpos(password, $1) = 1", gatewayPassword); n != 100 {
		t.Errorf("%d gateways have their passwords", n)
	}
}

// secretFree looks for the password in answers, in the log, and in our own rows.
func secretFree(t *testing.T, b *bundle, answers string) {
	t.Helper()
	for where, text := range map[string]string{"the log": b.log.String(), "the answers": answers} {
		if strings.Contains(text, gatewayPassword) {
			t.Errorf("a password is in %s", where)
		}
	}
	found := b.count(t, `select count(*) from trunkline.items i where strpos((to_jsonb(i) - 'sealed')::text || encode(coalesce(sealed, ''), 'escape'), $1) > 0`, gatewayPassword) +
		b.count(t, `select count(*) from trunkline.jobs j where strpos((to_jsonb(j) - 'sealed')::text || encode(coalesce(sealed, ''), 'escape'), $1) > 0`, gatewayPassword) +
		b.count(t, `select count(*) from trunkline.audit a where strpos(to_jsonb(a)::text, $1) > 0`, gatewayPassword)
	if found != 0 {
		t.Errorf("%d rows hold a password", found)
	}
}

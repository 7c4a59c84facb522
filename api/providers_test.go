package api_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// A carrier that calls by its address is let in by a parameter of its gateway, and whoever sees one domain alone lets
// nobody in.
func TestProviderCIDRs(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	b.exec(t, "insert into v_access_controls (access_control_uuid, access_control_name, access_control_default) values (gen_random_uuid(), 'providers', 'deny')")
	trunk := func(cidrs string) call {
		return call{path: provisionPath, form: form("gateway_name", "trunk", "gateway_domain", "192.0.2.1", "register", "false", "provider_cidrs", cidrs)}
	}
	b.do(t, b.asAdmin(trunk("192.0.2.0/24"))).want(t, http.StatusForbidden, "forbidden")
	for _, cidrs := range []string{"0.0.0.0/0", "carrier.example", "192.0.2.0/33"} {
		b.do(t, b.asSuperadmin(trunk(cidrs))).want(t, http.StatusBadRequest, "invalid_request").says(t, "provider_cidrs")
	}
	b.do(t, b.asSuperadmin(trunk("192.0.2.77/24, 2001:db8::1"))).want(t, http.StatusOK, "")
	if got := b.switches[0].Allowed("providers"); !slices.Equal(got, []string{"192.0.2.0/24", "2001:db8::1/128"}) {
		t.Errorf("the switch allows %v", got)
	}
	if got := b.do(t, b.asSuperadmin(trunk(""))).want(t, http.StatusOK, ""); got.text(t, "action") != "updated" {
		t.Errorf("got %s", got.body)
	}
	if got := b.switches[0].Allowed("providers"); len(got) != 0 {
		t.Errorf("the switch still allows %s", strings.Join(got, ", "))
	}
}

// A row of a file may let its carrier in too: with the others or not at all, and where it cannot be, that row is named.
func TestProviderCIDRsOfAFile(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	const rows = "name,host,register,profile,provider_cidrs\nfirst,192.0.2.1,false,external,\nlet in,192.0.2.2,false,external,192.0.2.0/24\nlast,192.0.2.3,false,internal,\n"
	rowsOf := func() int {
		return b.count(t, "select count(*) from v_gateways where gateway in ('first', 'let in', 'last')")
	}
	items := func(job string) []bulkItem {
		var page struct{ Items []bulkItem }
		must(t, json.Unmarshal([]byte(b.do(t, b.asSuperadmin(call{path: "/v1/jobs/" + job + "/items"})).want(t, http.StatusOK, "").body), &page))
		return page.Items
	}
	b.do(t, b.asAdmin(file("mode=each", rows))).want(t, http.StatusOK, "").says(t, `"partial"`, "only a superadmin may set it")
	b.exec(t, "delete from v_gateways where gateway in ('first', 'last')")

	// There is no list.
	got := b.do(t, b.asSuperadmin(file("tenant_domain=global", rows))).want(t, http.StatusUnprocessableEntity, "invalid_gateway").says(t, "provider_cidrs", "Access Controls")
	if all := items(got.text(t, "job_id")); all[0].State != "skipped" || all[1].State != "failed" || all[2].State != "skipped" || rowsOf() != 0 {
		t.Errorf("all or none: got %+v", all)
	}
	each := b.do(t, b.asSuperadmin(file("tenant_domain=global&mode=each", rows))).bulk(t)
	if got := each.Items.Items; each.State != "partial" || got[0].State != "succeeded" || got[1].State != "failed" || got[1].Error.Code != "invalid_gateway" || got[2].State != "succeeded" {
		t.Errorf("each: got %+v", each)
	}
	b.exec(t, "delete from v_gateways where gateway in ('first', 'last')")

	b.exec(t, "insert into v_access_controls (access_control_uuid, access_control_name, access_control_default) values (gen_random_uuid(), 'providers', 'deny')")
	b.switches[0].FaultOnce("profile internal rescan", func(c net.Conn) { fmt.Fprint(c, "Content-Type: api/response\nContent-Length: 8\n\n-ERR no\n") })
	before := b.switches[0].CountCommands("reloadacl")
	b.do(t, b.asSuperadmin(file("tenant_domain=global", rows))).says(t, "item 3")
	if n := b.count(t, "select count(*) from v_access_control_nodes"); n != 0 || rowsOf() != 0 || len(b.switches[0].Allowed("providers")) != 0 {
		t.Errorf("another row failed: %d entries and %d rows stand, the switch allows %v", n, rowsOf(), b.switches[0].Allowed("providers"))
	}
	if n := b.switches[0].CountCommands("reloadacl"); n == before {
		t.Error("nothing was to be put back")
	}
	b.do(t, b.asSuperadmin(file("tenant_domain=global", rows))).want(t, http.StatusOK, "").says(t, `"succeeded"`)
	if got := b.switches[0].Allowed("providers"); !slices.Equal(got, []string{"192.0.2.0/24"}) || rowsOf() != 3 {
		t.Errorf("the switch allows %v", got)
	}

	// The export has them, for whom may send them back; sent back they change nothing, and others are a change.
	for _, format := range []string{"csv", "ndjson"} {
		chosen := call{path: gatewaysPath + "?text=let+in&format=" + format}
		exported := b.do(t, b.asSuperadmin(chosen)).want(t, http.StatusOK, "").says(t, "provider_cidrs", "192.0.2.0/24").body
		if got := b.do(t, b.asAdmin(chosen)).want(t, http.StatusOK, "").body; strings.Contains(got, "provider_cidrs") {
			t.Errorf("%s: an admin is given networks: %s", format, got)
		}
		for text, want := range map[string]string{exported: "unchanged", strings.Replace(exported, "192.0.2.0/24", "192.0.2.9/32", 1): "change"} {
			upload := file("dry_run=true", text)
			upload.headers["Content-Type"] = "application/octet-stream"
			if job := b.do(t, b.asSuperadmin(upload)).bulk(t); job.Items.Items[0].Action != want {
				t.Errorf("%s: got %+v of\n%s", format, job, text)
			}
		}
	}
}

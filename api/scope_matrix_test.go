package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"trunkline/internal/token"
)

// holding is what the answers of one endpoint may hold, and to whom it gives any.
type holding struct {
	scopes  []token.Scope // each opens it
	also    token.Scope   // which is needed besides
	ids     []string      // the ids in its path that it is tried with; none: one of nothing
	query   string
	form    []string
	link    bool // to those who may export
	figures bool
}

// TestScopeMatrix: every scope against every answer. Links are for those who may export, figures for those whom the
// endpoint is for, and secrets for nobody.
func TestScopeMatrix(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 20, now: newest})
	b.exec(t, "update v_users set api_key = $1 where user_uuid = $2", apiKey, b.sample.SuperadminUUID)
	export, _, _ := b.exported(t, b.asSuperadmin(call{}))
	provisioned := b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier("made")})).want(t, http.StatusOK, "")
	made, gatewayID := provisioned.text(t, "job_id"), provisioned.text(t, "gateway_uuid")
	const external = "/v1/gateways/by-external-id/nobody%2Fs"
	failed := b.failing(t, b.asSuperadmin, "failed")
	imported := b.do(t, b.asSuperadmin(file("", "name,host,user,secret\nimported,host,account,"+gatewayPassword+"\n"))).bulk(t).JobID
	tokenID, tokenSecret := b.issue(t, "shown", "read", "all_domains", "true")
	secrets := []string{gatewayPassword, tokenSecret, apiKey, b.sample.SuperadminPassword, b.sample.AdminPassword}

	destination, delivery := b.delivered(t)
	scheduled := b.do(t, b.asSuperadmin(nightly("shown", "tenant_domain", "global"))).want(t, http.StatusCreated, "").text(t, "id")

	read, provision, exports, admin := token.ScopeRead, token.ScopeProvision, token.ScopeExport, token.ScopeAdmin
	of := func(scopes ...token.Scope) []token.Scope { return scopes }
	jobs := []string{made, failed}
	dates := []string{"date_start", "2020-01-01", "date_end", "2020-12-31"}
	matrix := map[string][]holding{
		"GET /v1/jobs":                 {{scopes: of(read), link: true, figures: true}},
		"GET /v1/jobs/counts":          {{scopes: of(read)}},
		"GET /v1/jobs/:id":             {{scopes: of(read, exports), ids: []string{export}, link: true, figures: true}, {scopes: of(read, provision), ids: jobs}, {scopes: of(read, exports), ids: []string{export}, query: "?wait=1", link: true, figures: true}},
		"GET /v1/jobs/:id/events":      {{scopes: of(read, exports), ids: []string{export}, link: true, figures: true}, {scopes: of(read, provision), ids: jobs}},
		"GET /v1/jobs/:id/items":       {{scopes: of(read, provision), ids: []string{imported}}, {scopes: of(read, provision), ids: []string{imported}, query: "?format=csv"}},
		"POST /v1/jobs/actions":        {{scopes: of(provision, exports)}},
		"POST /v1/jobs/:id/cancel":     {{scopes: of(exports), ids: []string{export}}, {scopes: of(provision), ids: jobs}},
		"POST /v1/jobs/:id/retry":      {{scopes: of(exports), ids: []string{export}}, {scopes: of(provision), ids: []string{made}}},
		"GET /v1/queues":               {{scopes: of(read)}},
		"POST /v1/queues/:name/pause":  {{scopes: of(admin)}},
		"POST /v1/queues/:name/resume": {{scopes: of(admin)}},
		"GET /v1/workers":              {{scopes: of(read)}},
		"GET /v1/exports/:id/file":     {{scopes: of(exports), ids: []string{export}}},
		"GET /v1/exports/:id/manifest": {{scopes: of(exports), ids: []string{export}, figures: true}},
		"HEAD /v1/exports/:id/file":    {{scopes: of(exports), ids: []string{export}}},
		"GET /v1/cdr":                  {{scopes: of(exports)}},
		"GET /v1/cdr/:uuid":            {{scopes: of(exports)}},
		"GET /v1/cdr/estimate":         {{scopes: of(exports)}},
		"GET /v1/cdr/summary":          {{scopes: of(exports), figures: true}},
		"GET /v1/usage":                {{scopes: of(read), query: "?date_start=2020-01-01&date_end=2020-12-31", figures: true}},

		"GET /app/xml_cdr/export_cdr.php":                {{scopes: of(exports), query: "?date_start=2020-01-01&date_end=2020-12-31", link: true, figures: true}},
		"POST /app/xml_cdr/export_cdr.php":               {{scopes: of(exports), form: dates, link: true, figures: true}},
		"GET /app/gateways/provision.php":                {{scopes: of(provision), query: "?gateway_name=made&tenant_domain=" + b.sample.Domains[0].Name}},
		"POST /app/gateways/provision.php":               {{scopes: of(provision), form: []string{"gateway_name", "made", "tenant_domain", b.sample.Domains[0].Name}}},
		"GET /app/gateways/provision_list.php":           {{scopes: of(read)}},
		"POST /app/gateways/provision_list.php":          {{scopes: of(read)}},
		"POST /v1/gateways/bulk":                         {{scopes: of(provision)}},
		"DELETE /v1/gateways/:id":                        {{scopes: of(provision)}},
		"DELETE /v1/gateways":                            {{scopes: of(provision)}},
		"GET /v1/gateways/drift":                         {{scopes: of(read)}},
		"POST /v1/gateways/reconcile":                    {{scopes: of(provision)}},
		"GET /v1/gateways":                               {{scopes: of(read)}},
		"GET /v1/gateways/:id":                           {{scopes: of(read), ids: []string{gatewayID}}},
		"GET /v1/gateways/:id/history":                   {{scopes: of(read), ids: []string{gatewayID}}},
		"POST /v1/gateways":                              {{scopes: of(provision)}},
		"PUT /v1/gateways/:id":                           {{scopes: of(provision)}},
		"PATCH /v1/gateways/:id":                         {{scopes: of(provision), ids: []string{gatewayID}, query: "?description=seen"}},
		"POST /v1/gateways/:id/enable":                   {{scopes: of(provision)}},
		"POST /v1/gateways/:id/disable":                  {{scopes: of(provision)}},
		"POST /v1/gateways/:id/re-register":              {{scopes: of(provision)}},
		"POST /v1/gateways/:id/copy":                     {{scopes: of(provision), ids: []string{gatewayID}}},
		"GET " + external:                                {{scopes: of(read)}},
		"PUT " + external:                                {{scopes: of(provision)}},
		"DELETE " + external:                             {{scopes: of(provision)}},
		"POST " + external + "/enable":                   {{scopes: of(provision)}},
		"POST " + external + "/disable":                  {{scopes: of(provision)}},
		"POST " + external + "/adopt":                    {{scopes: of(provision)}},
		"POST /v1/gateways/actions":                      {{scopes: of(provision)}},
		"GET /v1/profiles":                               {{scopes: of(read)}},
		"GET /v1/domains":                                {{scopes: of(read)}},
		"GET /app/status/index.php":                      {{scopes: of(read)}},
		"POST /app/status/index.php":                     {{scopes: of(read)}},
		"GET /app/registrations/check_registration.php":  {{scopes: of(read)}},
		"POST /app/registrations/check_registration.php": {{scopes: of(read)}},
		"GET /v1/registrations":                          {{scopes: of(read)}},
		"GET /v1/destinations":                           {{scopes: of(exports)}},
		"GET /v1/destinations/:id":                       {{scopes: of(exports), ids: []string{destination}}},
		"POST /v1/destinations":                          {{scopes: of(admin), also: exports}},
		"POST /v1/destinations/test":                     {{scopes: of(admin), also: exports}},
		"PATCH /v1/destinations/:id":                     {{scopes: of(admin), also: exports, ids: []string{destination}}},
		"DELETE /v1/destinations/:id":                    {{scopes: of(admin), also: exports}},
		"POST /v1/destinations/:id/test":                 {{scopes: of(admin), also: exports, ids: []string{destination}}},
		"GET /v1/webhook-secret":                         {{scopes: of(read)}},
		"POST /v1/webhook-secret":                        {{scopes: of(admin)}},
		"POST /v1/destinations/:id/rotate":               {{scopes: of(admin), also: exports}},
		"GET /v1/deliveries":                             {{scopes: of(exports)}},
		"GET /v1/deliveries/:id":                         {{scopes: of(exports), ids: []string{delivery}, figures: true}},
		"POST /v1/deliveries/:id/retry":                  {{scopes: of(exports)}},
		"GET /v1/schedules":                              {{scopes: of(exports)}},
		"POST /v1/schedules":                             {{scopes: of(exports)}},
		"GET /v1/schedules/counts":                       {{scopes: of(exports)}},
		"GET /v1/schedules/next":                         {{scopes: of(exports), query: "?cron=@daily"}},
		"POST /v1/schedules/pause":                       {{scopes: of(exports)}},
		"POST /v1/schedules/resume":                      {{scopes: of(exports)}},
		"GET /v1/schedules/:id":                          {{scopes: of(exports), ids: []string{scheduled}}},
		"PATCH /v1/schedules/:id":                        {{scopes: of(exports), ids: []string{scheduled}}},
		"DELETE /v1/schedules/:id":                       {{scopes: of(exports)}},
		"GET /v1/schedules/:id/next":                     {{scopes: of(exports), ids: []string{scheduled}}},
		"GET /v1/schedules/:id/windows":                  {{scopes: of(exports), ids: []string{scheduled}}},
		"GET /v1/schedules/:id/windows/:window":          {{scopes: of(exports), ids: []string{scheduled}}},
		"POST /v1/schedules/:id/run":                     {{scopes: of(exports)}},
		"POST /v1/schedules/:id/skip":                    {{scopes: of(exports)}},
		"POST /v1/schedules/:id/backfill":                {{scopes: of(exports)}},
		"POST /v1/schedules/:id/pause":                   {{scopes: of(exports), ids: []string{scheduled}}},
		"POST /v1/schedules/:id/resume":                  {{scopes: of(exports), ids: []string{scheduled}}},
		"GET /v1/tokens":                                 {{scopes: of(admin), query: "?revoked=true"}},
		"GET /v1/tokens/:id":                             {{scopes: of(admin), ids: []string{tokenID}}},
		"POST /v1/tokens":                                {{scopes: of(admin)}},
		"POST /v1/tokens/:id/rotate":                     {{scopes: of(admin)}},
		"DELETE /v1/tokens/:id":                          {{scopes: of(admin)}},
		"GET /v1/whitelist":                              {{scopes: of(admin)}},
		"POST /v1/whitelist":                             {{scopes: of(admin)}},
		"PUT /v1/whitelist":                              {{scopes: of(admin)}},
		"DELETE /v1/whitelist":                           {{scopes: of(admin)}},
		"GET /v1/whitelist/check":                        {{scopes: of(admin)}},
		"GET /v1/audit":                                  {{scopes: of(admin)}},
		"POST /v1/console/sign-ons":                      {{scopes: of(read)}},
		"GET /v1/console/sessions":                       {{scopes: of(admin)}},
		"DELETE /v1/console/sessions/:id":                {{scopes: of(admin)}},
	}
	bearers := map[string][]token.Scope{}
	for _, scopes := range [][]token.Scope{of(read), of(provision), of(exports), of(admin), of(read, provision, admin), token.Scopes} {
		name := token.JoinScopes(scopes)
		_, secret := b.issue(t, name, name, "all_domains", "true")
		secrets, bearers[secret] = append(secrets, secret), scopes
	}
	for _, e := range b.server.Endpoints() {
		endpoint := e.Method + " " + strings.ReplaceAll(e.Path, noID, ":id")
		rows, known := matrix[endpoint]
		if known != e.SignedIn {
			t.Errorf("%s: its answers are not in the matrix, or need no scope", endpoint)
		}
		for _, row := range rows {
			for _, id := range append(row.ids, noID)[:max(len(row.ids), 1)] {
				for secret, scopes := range bearers {
					c := call{method: e.Method, path: strings.ReplaceAll(e.Path, noID, id) + row.query}
					if row.form != nil {
						c.form = form(row.form...)
					}
					got := b.do(t, bearing(secret, c))
					row.holds(t, endpoint+" by "+token.JoinScopes(scopes), got, scopes)
					for _, one := range secrets {
						if strings.Contains(got.body, one) {
							t.Errorf("%s by %v: a secret is in %s", endpoint, scopes, got.body)
						}
					}
				}
			}
		}
	}
}

// holds checks one answer to somebody with these scopes.
func (h holding) holds(t *testing.T, what string, got answer, scopes []token.Scope) {
	t.Helper()
	open := slices.ContainsFunc(scopes, func(s token.Scope) bool { return slices.Contains(h.scopes, s) }) && (h.also == "" || slices.Contains(scopes, h.also))
	if (got.status != http.StatusForbidden) != open {
		t.Errorf("%s: got %d %s", what, got.status, got.body)
	}
	link := h.link && open && slices.Contains(scopes, token.ScopeExport)
	if strings.Contains(got.body, "signature=") != link || strings.Contains(got.body, `"download_url"`) != link {
		t.Errorf("%s: whether there is a link should be %t: %s", what, link, got.body)
	}
	figures := strings.Contains(got.body, `"total_records"`) || strings.Contains(got.body, `"seconds"`)
	if figures != (h.figures && open) {
		t.Errorf("%s: whether there are figures should be %t: %s", what, h.figures && open, got.body)
	}
}

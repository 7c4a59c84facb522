package api_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"trunkline/internal/pbxtest/sample"
)

const cdrPath = "/v1/cdr"

// calls are a page of CDRs.
type calls struct {
	CDRs     []map[string]any `json:"cdrs"`
	Next     string           `json:"next"`
	TimeZone string           `json:"time_zone"`
}

func (b *bundle) calls(t *testing.T, as func(call) call, pairs ...string) (page calls) {
	t.Helper()
	got := b.do(t, as(call{path: cdrPath + "?" + form(pairs...).Encode()})).want(t, http.StatusOK, "")
	must(t, json.Unmarshal([]byte(got.body), &page))
	return page
}

// The pages have every CDR of the span once, the newest first.
func TestListCDRs(t *testing.T) {
	t.Parallel()
	for _, version := range sample.Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{version: version, cdrs: 120, now: newest, noWorker: true})
			span := []string{"date_start", "2024-05-01", "date_end", "2024-06-30"}
			seen, last := map[string]bool{}, "9999"
			for next, more := "", true; more; more = next != "" {
				page := b.calls(t, b.asSuperadmin, append(span, "limit", "50", "after", next, "time_zone", "UTC")...)
				for _, c := range page.CDRs {
					id, at := c["xml_cdr_uuid"].(string), c["start_stamp"].(string)
					if seen[id] || at > last {
						t.Errorf("%s of %s comes again, or after %s", id, at, last)
					}
					seen[id], last = true, at
				}
				next = page.Next
			}
			if len(seen) != 120 {
				t.Errorf("the pages have %d CDRs, want 120", len(seen))
			}
			inbound := b.calls(t, b.asSuperadmin, append(span, "direction", "inbound", "columns", "direction", "limit", "200")...)
			if want := b.count(t, "select count(*) from v_xml_cdr where direction = 'inbound'"); len(inbound.CDRs) != want || inbound.CDRs[0]["direction"] != "inbound" {
				t.Errorf("%d are inbound, want %d", len(inbound.CDRs), want)
			}
		})
	}
}

func TestCDRsOfOtherDomainsAreHidden(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 200, now: newest, noWorker: true})
	span := []string{"date_start", "2024-05-01", "date_end", "2024-06-30", "limit", "200"}
	own := b.calls(t, b.asAdmin, span...)
	if want := b.count(t, "select count(*) from v_xml_cdr join v_domains using (domain_uuid) where v_domains.domain_name = $1", b.sample.AdminDomain); len(own.CDRs) != want || want == 0 {
		t.Errorf("got %d, want %d", len(own.CDRs), want)
	}
	var theirs string
	must(t, b.pool.QueryRow(t.Context(), "select xml_cdr_uuid::text from v_xml_cdr join v_domains using (domain_uuid) where v_domains.domain_name <> $1 limit 1", b.sample.AdminDomain).Scan(&theirs))
	b.do(t, b.asAdmin(call{path: cdrPath + "/" + theirs})).want(t, http.StatusNotFound, "not_found")
	b.do(t, b.asAdmin(call{path: cdrPath + "?" + form(append(span, "after", theirs)...).Encode()})).want(t, http.StatusBadRequest, "").says(t, "after")
	b.do(t, b.asSuperadmin(call{path: cdrPath + "/" + theirs})).want(t, http.StatusOK, "").says(t, theirs, "hangup_cause")
	ours := own.CDRs[0]["xml_cdr_uuid"].(string)
	b.do(t, b.asAdmin(call{path: cdrPath + "/" + ours})).want(t, http.StatusOK, "").says(t, ours)
	b.do(t, b.asAdmin(call{path: cdrPath + "?tenant_domain=" + otherDomain(b)})).want(t, http.StatusForbidden, "forbidden")
}

func TestCDRListRefuses(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 1, now: newest, noWorker: true})
	for query, want := range map[string]struct {
		status int
		says   string
	}{
		"date_start=2024-06-01":                          {http.StatusBadRequest, "date_end"},
		"date_start=2024-06-02&date_end=2024-06-01":      {http.StatusBadRequest, "date_end"},
		"direction=up":                                   {http.StatusBadRequest, "direction"},
		"direktion=inbound":                              {http.StatusBadRequest, "direktion"},
		"columns=leg:Leg":                                {http.StatusBadRequest, "columns"},
		"columns=" + url.QueryEscape("leg from v_users"): {http.StatusBadRequest, "columns"},
		"time_zone=Mars":                                 {http.StatusBadRequest, "time_zone"},
		"after=xyz":                                      {http.StatusBadRequest, "after"},
		"after=0b0a0c0d-0000-4000-8000-000000000001":     {http.StatusBadRequest, "after"},
		"limit=0": {http.StatusBadRequest, "limit"},
	} {
		b.do(t, b.asSuperadmin(call{path: cdrPath + "?" + query})).want(t, want.status, "").says(t, want.says)
	}
	for _, id := range []string{"1", "0b0a0c0d-0000-4000-8000-000000000001"} {
		b.do(t, b.asSuperadmin(call{path: cdrPath + "/" + id})).want(t, http.StatusNotFound, "not_found")
	}
	if page := b.calls(t, b.asSuperadmin); len(page.CDRs) != 0 || page.Next != "" || !strings.Contains(page.TimeZone, "/") && page.TimeZone != "UTC" {
		t.Errorf("the last 24 hours are %+v", page)
	}
}

// FusionPBX is upgraded while the program runs: what it had before is asked for as it is now.
func TestCDRsOfTablesThatChange(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 1, now: newest, noWorker: true})
	span := []string{"date_start", "2024-05-01", "date_end", "2024-06-30"}
	_, err := b.pool.Exec(t.Context(), "alter table v_xml_cdr drop column cc_queue")
	must(t, err)
	if page := b.calls(t, b.asSuperadmin, append(span, "columns", "cc_queue")...); len(page.CDRs) != 1 {
		t.Errorf("got %+v", page)
	}
	b.do(t, b.asSuperadmin(call{path: cdrPath + "?" + form(append(span, "queue", "1@one.example")...).Encode()})).
		want(t, http.StatusBadRequest, "invalid_request").says(t, "queue", "cc_queue")
	b.do(t, b.asSuperadmin(call{path: exportPath + "?" + form(append(span, "queue", "1@one.example")...).Encode()})).
		want(t, http.StatusBadRequest, "invalid_request").says(t, "queue", "cc_queue")
}

func TestLookingAtCDRsEnds(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 1, now: newest, noWorker: true})
	lock, err := b.pool.Begin(t.Context())
	must(t, err)
	defer lock.Rollback(t.Context())
	_, err = lock.Exec(t.Context(), "lock table v_xml_cdr in access exclusive mode")
	must(t, err)
	b.do(t, b.asSuperadmin(call{path: cdrPath})).want(t, http.StatusGatewayTimeout, "timeout").says(t, "date_start", "10s", "index")
}

// FusionPBX's view has what FusionPBX's page shows and exports, in a list each column once.
func TestTheViewOfFusionPBXsPage(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 50, now: newest, noWorker: true})
	span := []string{"date_start", "2024-05-01", "date_end", "2024-06-30", "view", "fusionpbx", "time_zone", "UTC"}
	page := b.calls(t, b.asSuperadmin, append(span, "limit", "200")...)
	shown := b.count(t, "select count(*) from v_xml_cdr join v_domains using (domain_uuid) where hangup_cause <> 'LOSE_RACE' and leg is distinct from 'b'")
	if len(page.CDRs) != shown || len(page.CDRs[0]) != 34 || page.CDRs[0]["start_date_formatted"] == nil || page.CDRs[0]["domain_name"] == nil {
		t.Errorf("%d CDRs, want %d: %v", len(page.CDRs), shown, page.CDRs[0])
	}
	exported := b.do(t, withHeader(b.asAdmin(call{path: exportPath + "?" + form(span...).Encode()}), "Accept", "text/csv")).want(t, http.StatusOK, "")
	header, _, _ := strings.Cut(exported.body, "\n")
	if !strings.HasPrefix(header, "domain_uuid,sip_call_id,extension,extension_name,start_stamp,") || !strings.HasSuffix(header, ",rtp_audio_in_mos,wait") || strings.Count(header, ",") != 33 {
		t.Errorf("the header is %s", header)
	}
}

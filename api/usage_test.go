package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"trunkline/internal/pbxtest/sample"
)

const usagePath = "/v1/usage?"

// domains are the domains in an answer about usage, by name.
func (a answer) domains(t *testing.T) map[string]map[string]any {
	t.Helper()
	byName := map[string]map[string]any{}
	for _, d := range a.decode(t)["domains"].([]any) {
		byName[d.(map[string]any)["domain"].(string)] = d.(map[string]any)
	}
	return byName
}

// The sums are those of the rows themselves, whoever asks and on every version.
func TestUsageOnEveryVersion(t *testing.T) {
	t.Parallel()
	for _, version := range sample.Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{version: version, cdrs: 3000, now: newest, noWorker: true})
			const span = "date_start=2024-06-08&date_end=2024-06-12&time_zone=UTC"
			got := b.do(t, b.asSuperadmin(call{path: usagePath + span})).want(t, http.StatusOK, "")
			got.wantFields(t, map[string]any{"date_start": "2024-06-08", "date_end": "2024-06-12", "time_zone": "UTC",
				"start": "2024-06-08T00:00:00Z", "end": "2024-06-13T00:00:00Z"})
			all := got.domains(t)
			if len(all) != len(b.sample.Domains) {
				t.Fatalf("got %d domains in %s", len(all), got.body)
			}
			sum := 0
			for _, d := range b.sample.Domains {
				of := func(what, condition string) float64 {
					return float64(b.count(t, `select coalesce(`+what+`, 0)::int from v_xml_cdr where domain_uuid = $1
						and start_stamp >= '2024-06-08Z' and start_stamp < '2024-06-13Z' and leg = 'a'
						and coalesce(hangup_cause, '') <> 'LOSE_RACE' and `+condition, d.UUID))
				}
				seconds := map[string]any{"other": of("sum(billsec)", "direction is null")}
				for _, direction := range []string{"inbound", "outbound", "local"} {
					seconds[direction] = of("sum(billsec)", "direction = '"+direction+"'")
				}
				want := map[string]any{"domain": d.Name, "domain_uuid": d.UUID, "calls": of("count(*)", "true"), "answered": of("count(*)", "billsec > 0"),
					"seconds": seconds, "extensions": float64(d.Extensions),
					"gateways": float64(b.count(t, `select count(*) from v_gateways where domain_uuid = $1`, d.UUID))}
				if fmt.Sprint(all[d.Name]) != fmt.Sprint(want) {
					t.Errorf("got  %v\nwant %v", all[d.Name], want)
				}
				sum += int(want["calls"].(float64))
			}
			if sum == 0 {
				t.Error("the sample has no call in the span")
			}
			own := b.do(t, b.asAdmin(call{path: usagePath + span})).want(t, http.StatusOK, "").domains(t)
			one := b.do(t, b.asSuperadmin(call{path: usagePath + span + "&tenant_domain=" + b.sample.AdminDomain})).want(t, http.StatusOK, "").domains(t)
			for _, only := range []map[string]map[string]any{own, one} {
				if len(only) != 1 || fmt.Sprint(only[b.sample.AdminDomain]) != fmt.Sprint(all[b.sample.AdminDomain]) {
					t.Errorf("got %v", only)
				}
			}
		})
	}
}

// A day is the domain's own, and that of all domains together the default zone's.
func TestUsageInTheDomainsTimeZone(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	at := time.Date(2026, 2, 1, 3, 0, 0, 0, time.UTC) // in New York it is still January
	b.exec(t, `insert into v_xml_cdr (xml_cdr_uuid, domain_uuid, direction, leg, billsec, answer_epoch, start_stamp)
		values (gen_random_uuid(), $1, 'inbound', 'a', 60, 1, $2)`, b.sample.Domains[1].UUID, at)
	for name, c := range map[string]struct {
		call call
		zone string
		want float64
	}{
		"the admin's":          {b.asAdmin(call{path: usagePath + "date_start=2026-01-31&date_end=2026-01-31"}), "America/New_York", 1},
		"all domains'":         {b.asSuperadmin(call{path: usagePath + "date_start=2026-01-31&date_end=2026-01-31"}), "UTC", 0},
		"all, in another zone": {b.asSuperadmin(call{path: usagePath + "date_start=2026-01-31&date_end=2026-01-31&time_zone=America/New_York"}), "America/New_York", 1},
	} {
		got := b.do(t, c.call).want(t, http.StatusOK, "")
		if n := got.domains(t)[b.sample.Domains[1].Name]["calls"]; n != c.want || got.text(t, "time_zone") != c.zone {
			t.Errorf("%s: got %v calls in %s", name, n, got.text(t, "time_zone"))
		}
	}
}

func TestUsageErrors(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	for query, want := range map[string]struct{ code, says string }{
		"":                                    {"missing_parameters", "Missing Parameters: date_start, date_end"},
		"date_start=2026-01-01":               {"missing_parameters", "date_end"},
		"date_start=soon&date_end=2026-01-01": {"invalid_request", "date_start"},
		"date_start=2026-01-02&date_end=2026-01-01":                        {"invalid_request", "date_end"},
		"date_start=2025-01-01&date_end=2026-01-02":                        {"invalid_request", "366 days"},
		"date_start=0001-01-01&date_end=9999-12-31":                        {"invalid_request", "366 days"},
		"date_start=2026-01-01&date_end=2026-01-01&time_zone=Mars/Olympus": {"invalid_request", "time_zone"},
		"date_start=2026-01-01&date_end=2026-01-01&tenant_domain=global":   {"invalid_request", "tenant_domain"},
	} {
		b.do(t, b.asSuperadmin(call{path: usagePath + query})).want(t, http.StatusBadRequest, want.code).says(t, want.says)
	}
	// A leap year, and a year with both changes of the clock, are not too long.
	for _, query := range []string{"date_start=2024-01-01&date_end=2024-12-31", "date_start=2025-10-01&date_end=2026-09-30&time_zone=America/New_York",
		"date_start=2023-11-01&date_end=2024-10-31&time_zone=Europe/Berlin"} {
		b.do(t, b.asSuperadmin(call{path: usagePath + query})).want(t, http.StatusOK, "")
	}
	other := strings.ToLower(b.sample.Domains[0].Name)
	b.do(t, b.asAdmin(call{path: usagePath + "date_start=2026-01-01&date_end=2026-01-01&tenant_domain=" + other})).want(t, http.StatusForbidden, "forbidden")
}

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
					"gateways": float64(b.count(t, `select count(*) from v_gateways where domain_uuid = $1`, d.UUID)),
				}
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

// peak is the most calls of the days from and before to, in UTC, that were up at the same moment, found by counting at each moment at which
// one began.
func (b *bundle) peak(t *testing.T, condition, from, to string) map[string]any {
	t.Helper()
	peak := map[string]any{}
	var channels float64
	var at time.Time
	must(t, b.pool.QueryRow(t.Context(), `
		with calls as (
			select start_stamp, end_stamp from v_xml_cdr where leg = 'a' and coalesce(hangup_cause, '') <> 'LOSE_RACE'
			and start_stamp >= $1::timestamptz - interval '1 day' and start_stamp < $2 and `+condition+`
		), moments as (select $1 as at union select start_stamp from calls where start_stamp >= $1)
		select (select count(*) from calls where start_stamp <= at and end_stamp > at)::float8 as channels, at from moments
		order by 1 desc, 2 limit 1`, from+"Z", to+"Z").Scan(&channels, &at))
	if peak["channels"] = channels; channels > 0 {
		peak["at"] = at.UTC().Format(time.RFC3339)
	}
	return peak
}

// The peaks of days and months are those of each by itself, and a domain's own.
func TestUsagePeaks(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 3000, now: newest, noWorker: true})
	const span = "date_start=2024-05-31&date_end=2024-06-12&time_zone=UTC"
	of := func(query string) map[string]any {
		return b.do(t, b.asAdmin(call{path: usagePath + span + query})).want(t, http.StatusOK, "").domains(t)[b.sample.AdminDomain]["peaks"].(map[string]any)
	}
	condition := "domain_uuid in (select domain_uuid from v_domains where domain_name = '" + b.sample.AdminDomain + "')"
	want := b.peak(t, condition, "2024-05-31", "2024-06-13")
	if got := of("&peaks=span"); fmt.Sprint(got) != fmt.Sprint(want) || want["channels"] == 0.0 {
		t.Errorf("got %v, want %v", got, want)
	}
	both := of("&peaks=day,month")
	days := both["days"].([]any)
	if fmt.Sprint(both["channels"], both["at"]) != fmt.Sprint(want["channels"], want["at"]) || len(days) < 5 {
		t.Errorf("got %v, want %v and its days", both, want)
	}
	for _, one := range days {
		day := one.(map[string]any)
		date, err := time.Parse(time.DateOnly, day["period"].(string))
		must(t, err)
		want := b.peak(t, condition, day["period"].(string), date.AddDate(0, 0, 1).Format(time.DateOnly))
		if want["period"] = day["period"]; fmt.Sprint(day) != fmt.Sprint(want) {
			t.Errorf("got %v, want %v", day, want)
		}
	}
	if months := of("&peaks=month")["months"]; fmt.Sprint(months) != fmt.Sprint(both["months"]) || fmt.Sprint(months.([]any)[0].(map[string]any)["channels"]) == "0" {
		t.Errorf("the months are %v, and beside days %v", months, both["months"])
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
		"date_start=2026-01-01&date_end=2026-01-02&peaks=day,week":         {"invalid_request", "peaks"},
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

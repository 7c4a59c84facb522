package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"trunkline/internal/pbxtest/sample"
)

const summaryPath = "/v1/cdr/summary"

// sums are what calls come to.
type sums struct {
	Calls          int     `json:"calls"`
	Answered       int     `json:"answered"`
	AnsweredRatio  float64 `json:"answered_ratio"`
	Seconds        int     `json:"seconds"`
	Minutes        float64 `json:"minutes"`
	AverageSeconds float64 `json:"average_seconds"`
}

// summary is the answer of the endpoint.
type summary struct {
	TimeZone string   `json:"time_zone"`
	By       []string `json:"by"`
	Total    sums     `json:"total"`
	Groups   []struct {
		Day        *string `json:"day"`
		Hour       *string `json:"hour"`
		Domain     *string `json:"domain"`
		DomainUUID string  `json:"domain_uuid"`
		Direction  *string `json:"direction"`
		Cause      *string `json:"cause"`
		sums
	} `json:"groups"`
	Peaks map[string]any `json:"peaks"`
}

func (b *bundle) summary(t *testing.T, as func(call) call, pairs ...string) (s summary) {
	t.Helper()
	got := b.do(t, as(call{path: summaryPath + "?" + form(pairs...).Encode()})).want(t, http.StatusOK, "")
	must(t, json.Unmarshal([]byte(got.body), &s))
	return s
}

// counted are the calls as a summary counts them.
const counted = `leg = 'a' and coalesce(hangup_cause, '') <> 'LOSE_RACE' and start_stamp >= '2024-06-08Z' and start_stamp < '2024-06-13Z'`

// Every group's sums are those of its rows, and the total's are those of all, by whatever calls are grouped.
func TestSummaryOnEveryVersion(t *testing.T) {
	t.Parallel()
	for _, version := range sample.Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{version: version, cdrs: 3000, now: newest, noWorker: true})
			span := []string{"date_start", "2024-06-08", "date_end", "2024-06-12", "time_zone", "UTC"}
			for by, columns := range map[string]int{"": 1, "day": 1, "hour": 1, "domain": 2, "direction": 1, "cause": 1, "Cause, DAY,domain,day": 4, "day,hour,domain,direction,cause": 6} {
				s := b.summary(t, b.asSuperadmin, append(span, "by", by)...)
				var total sums
				for _, g := range s.Groups {
					condition := counted
					has := 0
					of := func(value *string, sql string) {
						if value != nil {
							has++
							condition += " and " + fmt.Sprintf(sql, *value)
						}
					}
					of(g.Day, "(start_stamp at time zone 'UTC')::date = '%s'")
					of(g.Hour, "date_trunc('hour', start_stamp) = '%s'::timestamptz")
					of(g.Domain, "coalesce((select domain_name from v_domains where v_domains.domain_uuid = v_xml_cdr.domain_uuid), '') = '%s'")
					of(g.Direction, "coalesce(direction, '') = '%s'")
					of(g.Cause, "coalesce(hangup_cause, '') = '%s'")
					if g.DomainUUID != "" {
						of(&g.DomainUUID, "domain_uuid = '%s'")
					} else if g.Domain != nil {
						has++
					}
					got := sums{Calls: g.Calls, Answered: g.Answered, Seconds: g.Seconds}
					want := sums{b.count(t, "select count(*) from v_xml_cdr where "+condition), b.count(t, "select count(*) from v_xml_cdr where billsec > 0 and "+condition), 0,
						b.count(t, "select coalesce(sum(billsec), 0)::int from v_xml_cdr where "+condition), 0, 0}
					if got != want || has != columns || g.Calls == 0 {
						t.Fatalf("by %s: %+v: got %+v, want %+v", by, g, got, want)
					}
					total.Calls, total.Answered, total.Seconds = total.Calls+g.Calls, total.Answered+g.Answered, total.Seconds+g.Seconds
				}
				want := sums{b.count(t, "select count(*) from v_xml_cdr where "+counted), b.count(t, "select count(*) from v_xml_cdr where billsec > 0 and "+counted), 0,
					b.count(t, "select sum(billsec)::int from v_xml_cdr where "+counted), 0, 0}
				if total != want || total.Calls != s.Total.Calls || total.Answered != s.Total.Answered || total.Seconds != s.Total.Seconds || total.Calls == 0 {
					t.Errorf("by %s: all groups come to %+v, the total is %+v, want %+v", by, total, s.Total, want)
				}
			}
			peaks := b.summary(t, b.asSuperadmin, append(span, "peaks", "span")...).Peaks
			if want := b.peak(t, "true", "2024-06-08", "2024-06-13"); fmt.Sprint(peaks) != fmt.Sprint(want) || want["channels"] == 0.0 {
				t.Errorf("the peak is %v, want %v", peaks, want)
			}
		})
	}
}

// An admin's summary has nothing of another domain, whatever it is by.
func TestSummariesOfOtherDomainsAreHidden(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 500, now: newest, noWorker: true})
	span := []string{"date_start", "2024-05-31", "date_end", "2024-06-30", "time_zone", "UTC"}
	own := "domain_uuid in (select domain_uuid from v_domains where domain_name = '" + b.sample.AdminDomain + "')"
	s := b.summary(t, b.asAdmin, append(span, "by", "domain", "peaks", "span")...)
	want := b.count(t, "select count(*) from v_xml_cdr where leg = 'a' and coalesce(hangup_cause, '') <> 'LOSE_RACE' and "+own)
	if len(s.Groups) != 1 || *s.Groups[0].Domain != b.sample.AdminDomain || s.Total.Calls != want || want == 0 {
		t.Errorf("got %+v, want %d calls", s, want)
	}
	if want := b.peak(t, own, "2024-05-31", "2024-07-01"); fmt.Sprint(s.Peaks) != fmt.Sprint(want) {
		t.Errorf("the peak is %v, want %v", s.Peaks, want)
	}
	all := b.summary(t, b.asSuperadmin, append(span, "by", "domain")...)
	if len(all.Groups) < len(b.sample.Domains) || all.Total.Calls <= s.Total.Calls {
		t.Errorf("a superadmin sees %+v", all)
	}
	named := b.summary(t, b.asSuperadmin, append(span, "by", "domain", "tenant_domain", b.sample.AdminDomain)...)
	if fmt.Sprint(named.Total) != fmt.Sprint(s.Total) {
		t.Errorf("of the domain by name: %+v, want %+v", named.Total, s.Total)
	}
	b.do(t, b.asAdmin(call{path: summaryPath + "?tenant_domain=" + otherDomain(b)})).want(t, http.StatusForbidden, "forbidden")
}

// What counts as a call is what is asked for: once without more, a leg or cause by its name, every row by view=all.
func TestSummaryCountsWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 500, now: newest, noWorker: true})
	for query, condition := range map[string]string{
		"":                           "leg = 'a' and coalesce(hangup_cause, '') <> 'LOSE_RACE'",
		"view=all":                   "true",
		"leg=b":                      "leg = 'b' and coalesce(hangup_cause, '') <> 'LOSE_RACE'",
		"hangup_cause=LOSE_RACE":     "hangup_cause = 'LOSE_RACE'",
		"hangup_cause=USER_BUSY":     "hangup_cause = 'USER_BUSY' and leg = 'a'",
		"view=fusionpbx":             "leg = 'a' and hangup_cause <> 'LOSE_RACE' and domain_uuid is not null",
		"direction=inbound":          "leg = 'a' and coalesce(hangup_cause, '') <> 'LOSE_RACE' and direction = 'inbound'",
		"answered=true&min_billsec=": "leg = 'a' and billsec > 0",
	} {
		pairs := []string{"date_start", "2024-05-01", "date_end", "2024-06-30"}
		given, err := url.ParseQuery(query)
		must(t, err)
		for name, values := range given {
			pairs = append(pairs, name, values[0])
		}
		want := b.count(t, "select count(*) from v_xml_cdr where "+condition)
		if got := b.summary(t, b.asSuperadmin, pairs...).Total.Calls; got != want || want == 0 {
			t.Errorf("%s: got %d, want %d", query, got, want)
		}
	}
}

// A day on which the clock is changed is a group, and the hour that occurs twice is two.
func TestSummaryOfADayOn25Hours(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	for _, at := range []string{
		"2024-10-26T21:59:59Z",                         // in Berlin still the 26th
		"2024-10-26T22:00:00Z", "2024-10-27T00:30:00Z", // 00:00 and 02:30, summer time
		"2024-10-27T01:30:00Z", "2024-10-27T01:59:00Z", "2024-10-27T22:59:59Z", // 02:30, 02:59 and 23:59:59, winter time
		"2024-10-27T23:00:00Z", // the 28th
	} {
		b.exec(t, `insert into v_xml_cdr (xml_cdr_uuid, domain_uuid, leg, billsec, duration, answer_epoch, start_stamp)
			values (gen_random_uuid(), $1, 'a', 90, 100, 1, $2)`, b.sample.Domains[0].UUID, at)
	}
	named := func(s summary) string {
		var all []string
		for _, g := range s.Groups {
			name := g.Hour
			if name == nil {
				name = g.Day
			}
			all = append(all, fmt.Sprintf("%s: %d", *name, g.Calls))
		}
		return strings.Join(all, ", ")
	}
	days := b.summary(t, b.asSuperadmin, "date_start", "2024-10-26", "date_end", "2024-10-28", "time_zone", "Europe/Berlin", "peaks", "day,month")
	if got := named(days); got != "2024-10-26: 1, 2024-10-27: 5, 2024-10-28: 1" || days.Total != (sums{7, 7, 1, 630, 10.5, 90}) {
		t.Errorf("got %s and %+v", got, days.Total)
	}
	if got := fmt.Sprint(days.Peaks["days"]); strings.Count(got, "period:") != 3 || !strings.Contains(got, "at:2024-10-27T00:00:00+02:00 channels:2 period:2024-10-27") {
		t.Errorf("the peaks are %v", days.Peaks)
	}
	hours := b.summary(t, b.asSuperadmin, "date_start", "2024-10-27", "date_end", "2024-10-27", "time_zone", "Europe/Berlin", "by", "hour")
	if got := named(hours); got != "2024-10-27T00:00:00+02:00: 1, 2024-10-27T02:00:00+02:00: 1, 2024-10-27T02:00:00+01:00: 2, 2024-10-27T23:00:00+01:00: 1" {
		t.Errorf("got %s", got)
	}
}

// Without dates a summary is of the last 24 hours, in the domain's zone.
func TestSummaryOfTheLastDay(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	for _, ago := range []time.Duration{time.Hour, 23 * time.Hour, 25 * time.Hour} {
		b.exec(t, `insert into v_xml_cdr (xml_cdr_uuid, domain_uuid, leg, start_stamp) values (gen_random_uuid(), $1, 'a', $2)`, b.sample.Domains[1].UUID, time.Now().Add(-ago))
	}
	s := b.summary(t, b.asAdmin)
	if s.Total != (sums{Calls: 2}) || s.TimeZone != "America/New_York" || fmt.Sprint(s.By) != "[day]" || s.Peaks != nil {
		t.Errorf("got %+v", s)
	}
	if s := b.summary(t, b.asAdmin, "peaks", "day", "leg", "b"); fmt.Sprint(s.Peaks) != "map[channels:0]" || s.Groups == nil || len(s.Groups) != 0 {
		t.Errorf("of nothing: got %+v", s)
	}
}

func TestSummaryRefuses(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	const year = "date_start=2024-01-01&date_end=2024-12-31"
	// A call each hour of a year and two causes: more groups than an answer has.
	b.exec(t, `insert into v_xml_cdr (xml_cdr_uuid, domain_uuid, leg, hangup_cause, start_stamp)
		select gen_random_uuid(), $1, 'a', cause, hour from generate_series('2024-01-01Z'::timestamptz, '2024-12-31 23:00Z', '1 hour') hour, unnest(array['USER_BUSY', 'NO_ANSWER']) cause`,
		b.sample.Domains[0].UUID)
	for query, says := range map[string]string{
		"by=week":                           "by: ",
		"by=day,colour":                     "colour",
		"by=" + url.QueryEscape("day;drop"): "by: ",
		"peaks=hour":                        "peaks: ",
		"date_start=2024-06-01":             "date_end",
		"date_start=2024-01-01&date_end=2025-01-01": "date_end: is more than 366 days",
		"date_start=2024-06-02&date_end=2024-06-01": "date_end",
		year + "&by=hour,cause":                     "by: hour,cause makes more than 10000 groups",
		"direction=up":                              "direction",
		"direktion=inbound":                         "direktion",
		"leg=c":                                     "leg",
		"time_zone=Mars":                            "time_zone",
		"limit=5":                                   "limit",
		"tenant_domain=global":                      "tenant_domain",
	} {
		b.do(t, b.asSuperadmin(call{path: summaryPath + "?" + query})).want(t, http.StatusBadRequest, "").says(t, says)
	}
	if s := b.summary(t, b.asSuperadmin, "date_start", "2024-01-01", "date_end", "2024-12-31", "by", "hour", "time_zone", "UTC"); len(s.Groups) != 8784 {
		t.Errorf("a year by hour has %d groups", len(s.Groups))
	}
}

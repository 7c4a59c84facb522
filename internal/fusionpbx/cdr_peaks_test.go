package fusionpbx

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"trunkline/internal/tenant"
)

// Peaks are as they are counted by hand, on each day by itself.
func TestPeaks(t *testing.T) {
	each(t, func(t *testing.T, p pbx) {
		first := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		day := func(n int, clock string) time.Time {
			t.Helper()
			at, err := time.Parse(time.TimeOnly, clock)
			if err != nil {
				t.Fatal(err)
			}
			return first.AddDate(0, 0, n-1).Add(at.Sub(at.Truncate(24 * time.Hour)))
		}
		one, two := p.domain(t, "one.example", "true"), p.domain(t, "two.example", "true")
		call := func(domain, leg, cause string, from, to time.Time, more row) {
			t.Helper()
			r := row{"xml_cdr_uuid": uuid.NewString(), "domain_uuid": domain, "leg": leg, "hangup_cause": cause,
				"start_stamp": from.Format(time.RFC3339), "end_stamp": to.Format(time.RFC3339), "duration": "5"}
			for column, value := range more {
				r[column] = value
			}
			p.insert(t, "v_xml_cdr", r)
		}
		const clear = "NORMAL_CLEARING"
		// The first day: one began before it, and two meet beside it.
		call(one, "a", clear, day(0, "23:00:00"), day(1, "11:00:00"), nil)
		call(one, "a", clear, day(1, "10:00:00"), day(1, "10:30:00"), nil)
		call(one, "a", clear, day(1, "10:20:00"), day(1, "10:40:00"), row{"direction": "inbound"})
		call(one, "a", clear, day(1, "10:30:00"), day(1, "10:35:00"), nil) // one ends as this one begins
		call(one, "b", clear, day(1, "10:20:00"), day(1, "10:40:00"), nil) // the other leg of a call
		call(one, "a", "LOSE_RACE", day(1, "10:20:00"), day(1, "10:40:00"), nil)
		call(one, "a", clear, day(-1, "22:00:00"), day(3, "00:00:00"), nil) // began more than a day before
		// Over midnight into the second, where nobody begins.
		call(one, "a", clear, day(1, "23:50:00"), day(2, "00:10:00"), nil)
		call(one, "a", clear, day(1, "23:55:00"), day(2, "00:05:00"), nil)
		// The third: what ends never or before it began lasts as long as it says.
		call(one, "a", clear, day(3, "09:00:00"), first, row{"end_stamp": "NULL", "duration": "10"})
		call(one, "a", clear, day(3, "09:00:05"), day(3, "09:00:04"), row{"duration": "10"})
		call(one, "a", clear, day(3, "09:00:06"), day(3, "09:00:06"), row{"duration": "0"}) // not at all
		call(one, "a", clear, day(3, "09:00:07"), day(3, "09:00:06"), row{"duration": "NULL"})
		call(one, "a", clear, day(3, "09:00:08"), day(3, "09:00:06"), row{"duration": "-5"})
		// The fourth has nothing; the fifth one that has not ended.
		call(one, "a", clear, day(5, "09:00:00"), day(99, "00:00:00"), nil)
		call(one, "a", clear, day(6, "00:00:00"), day(6, "01:00:00"), nil) // after the span
		// Others'.
		call(two, "a", clear, day(1, "10:25:00"), day(1, "10:26:00"), nil)
		call(two, "a", clear, day(1, "10:25:00"), day(1, "10:26:00"), nil)
		call("NULL", "a", clear, day(1, "10:25:00"), day(1, "10:26:00"), nil)
		call(uuid.NewString(), "a", clear, day(1, "10:25:00"), day(1, "10:26:00"), nil)

		days := []time.Time{first, day(2, "00:00:00"), day(3, "00:00:00"), day(4, "00:00:00"), day(5, "00:00:00")}
		end := day(6, "00:00:00")
		names := map[string]string{one: "one ", two: "two ", "": ""}
		text := func(peaks []CDRPeak, err error) string {
			t.Helper()
			if err != nil {
				t.Error(err)
			}
			var all []string
			for _, peak := range peaks {
				all = append(all, fmt.Sprintf("%s%d: %d at %s", names[peak.DomainUUID], peak.Period+1, peak.Channels, peak.At.UTC().Format("02 15:04")))
			}
			return strings.Join(all, ", ")
		}
		const ofOne = "1: 3 at 01 10:20, 2: 2 at 02 00:00, 3: 2 at 03 09:00, 5: 1 at 05 09:00"
		filter := CDRFilter{DomainUUID: one, Start: first, End: end}
		inbound := filter
		inbound.Choice.Directions = []string{"inbound"}
		of := func(domains tenant.Domains) UsageFilter { return UsageFilter{Domains: domains, Start: first, End: end} }
		ask := func(f CDRFilter, starts []time.Time, everyRow bool) string {
			t.Helper()
			return text(p.CDRPeaks(t.Context(), f, starts, everyRow, 100))
		}
		usage := func(domains tenant.Domains) string {
			t.Helper()
			return text(p.UsagePeaks(t.Context(), of(domains), days, 100))
		}
		ofTwo := "two 1: 2 at 01 10:25"
		ofBoth := strings.ReplaceAll("one "+ofOne, ", ", ", one ") + ", " + ofTwo
		if two < one { // as the database orders them
			ofBoth = ofTwo + ", " + strings.ReplaceAll("one "+ofOne, ", ", ", one ")
		}
		for name, c := range map[string]struct{ got, want string }{
			"a domain's days":      {ask(filter, days, false), ofOne},
			"a domain's span":      {ask(filter, days[:1], false), "1: 3 at 01 10:20"},
			"of all domains":       {ask(CDRFilter{All: true, Start: first, End: end}, days[:1], false), "1: 7 at 01 10:25"},
			"every row":            {ask(filter, days[:1], true), "1: 5 at 01 10:20"},
			"a choice":             {ask(inbound, days, false), "1: 1 at 01 10:20"},
			"from within a day":    {ask(CDRFilter{DomainUUID: one, Start: day(2, "00:05:00"), End: day(3, "00:00:00")}, []time.Time{day(2, "00:05:00")}, false), "1: 1 at 02 00:05"},
			"usage of all":         {usage(tenant.All), ofBoth},
			"usage of one":         {usage(tenant.Only(tenant.Domain{UUID: two})), ofTwo},
			"usage of no domain":   {usage(tenant.Domains{}), ""},
			"up to a limit":        {text(p.CDRPeaks(t.Context(), filter, days, false, 1)), "1: 3 at 01 10:20"},
			"usage up to a limit":  {text(p.UsagePeaks(t.Context(), of(tenant.Only(tenant.Domain{UUID: one})), days, 1)), "one 1: 3 at 01 10:20"},
			"without any calls up": {ask(CDRFilter{DomainUUID: two, Start: day(4, "00:00:00"), End: end}, days[3:], false), ""},
		} {
			if c.got != c.want {
				t.Errorf("%s: got %s\nwant %s", name, c.got, c.want)
			}
		}
		if _, err := p.CDRPeaks(t.Context(), CDRFilter{Start: first, End: end}, days, false, 1); err == nil {
			t.Error("a filter that is neither for all domains nor for one was taken")
		}
	})
}

// What no call can have is no fault: a duration of ages or of no number, an end that never comes.
func TestPeaksOfOddRows(t *testing.T) {
	each(t, func(t *testing.T, p pbx) {
		at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		for _, odd := range []row{{"duration": "1e30"}, {"duration": "NaN"}, {"end_stamp": "infinity"}, {"end_stamp": "-infinity"}, {"start_stamp": "infinity"}, {"start_stamp": "NULL"}} {
			r := row{"xml_cdr_uuid": uuid.NewString(), "start_stamp": at.Format(time.RFC3339)}
			for column, value := range odd {
				r[column] = value
			}
			p.insert(t, "v_xml_cdr", r)
		}
		filter := CDRFilter{All: true, Start: at, End: at.Add(time.Hour)}
		if got, err := p.CDRPeaks(t.Context(), filter, []time.Time{at}, false, 9); err != nil || len(got) != 1 || got[0].Channels != 3 || !got[0].At.Equal(at) {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}

package schedule

import (
	"strings"
	"testing"
	"time"

	"github.com/robfig/cron/v3"

	"trunkline/internal/calendar"
	"trunkline/internal/fault"
)

func mustParse(t testing.TB, text string) Cron {
	t.Helper()
	c, err := ParseCron(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func mustZone(t testing.TB, name string) *time.Location {
	t.Helper()
	zone, ok := calendar.Zone(name)
	if !ok {
		t.Fatalf("no zone %s", name)
	}
	return zone
}

func moment(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestParseCron(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{ // the expression that it runs as
		"15 0 * * *":               "15 0 * * *",
		"  15\t0  * * *\n":         "15 0 * * *",
		"0 6 * * mon-Fri":          "0 6 * * 1-5",
		"0 6 1 JAN,jul *":          "0 6 1 1,7 *",
		"5/15 * * * *":             "5,20,35,50 * * * *",
		"0-30/10,45 00-05/5 * * *": "0,10,20,30,45 0,5 * * *",
		"@daily":                   "0 0 * * *",
		"@Midnight":                "0 0 * * *",
		"@hourly":                  "0 * * * *",
		"@weekly":                  "0 0 * * 0",
		"@monthly":                 "0 0 1 * *",
		"@yearly":                  "0 0 1 1 *",
		"@annually":                "0 0 1 1 *",
		"0 0 30 2 MON":             "0 0 30 2 1", // Mondays of February
		"0 0 29 FEB *":             "0 0 29 2 *",
	} {
		got, as := mustParse(t, text), mustParse(t, want)
		if tidy := strings.Join(strings.Fields(text), " "); !strings.EqualFold(got.String(), tidy) {
			t.Errorf("%q became %q", text, got)
		}
		if got.text, as.text = "", ""; got != as {
			t.Errorf("%q is read as %v, want that of %q", text, got, want)
		}
	}
}

func TestCronsThatAreNone(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{ // a part of the message
		"":                                "is empty; write five fields",
		" \n":                             "is empty",
		"@every 1h":                       "write */15 * * * * for every 15 minutes",
		"@EVERY 1h":                       "@every has no times of its own",
		"@reboot":                         "@hourly, @daily",
		"@":                               "is not known",
		"@daily 5":                        "is not known",
		"TZ=Europe/Berlin 0 0 * * *":      "send time_zone",
		"CRON_TZ=UTC 0 0 * * *":           "leave \"CRON_TZ=UTC\" out",
		"TZ=UTC":                          "send time_zone",
		"0 15 0 * * *":                    "without seconds",
		"15 0 * *":                        "has 4 fields",
		"0 0 15 * * * 2024":               "has 7 fields",
		"60 0 * * *":                      `"60" is no minute; write * or 0 to 59`,
		"0 24 * * *":                      `"24" is no hour; write * or 0 to 23`,
		"0 0 0 * *":                       "no day of the month; write * or 1 to 31",
		"0 0 * 13 *":                      "no month; write * or 1 to 12 or JAN to DEC",
		"0 0 * MON *":                     "no month",
		"0 0 * * 7":                       "0 (Sunday) to 6 (Saturday)",
		"0 0 * * FRI-MON":                 "rising ranges",
		"0 0 * * ?":                       "no day of the week; write *",
		"*/90 * * * *":                    "steps below 60",
		"*/0 * * * *":                     "no minute",
		"*-5 * * * *":                     "no minute",
		"1-2-3 * * * *":                   "no minute",
		"1/2/3 * * * *":                   "no minute",
		", * * * *":                       "no minute",
		"1,,2 * * * *":                    "no minute",
		"-1 * * * *":                      "no minute",
		"+1 * * * *":                      "no minute",
		"0 0 30 2 *":                      "never happens",
		"0 0 31 2,4,6,9,11 *":             "change the day of the month or the month",
		strings.Repeat("0,", 150) + "0 *": "has 303 bytes; write at most 256",
	} {
		_, err := ParseCron(text)
		if !fault.Is(err, fault.InvalidRequest) || !strings.HasPrefix(err.Error(), "cron: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestNext(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ cron, zone, after, want string }{
		"every day":                         {"15 0 * * *", "Europe/Berlin", "2024-05-01T00:00:00+02:00", "2024-05-01T00:15 2024-05-02T00:15"},
		"never at the moment itself":        {"15 0 * * *", "Europe/Berlin", "2024-05-01T00:15:00+02:00", "2024-05-02T00:15"},
		"a second before it":                {"15 0 * * *", "Europe/Berlin", "2024-05-01T00:14:59+02:00", "2024-05-01T00:15"},
		"a time left out, once":             {"30 2 * * *", "Europe/Berlin", "2024-03-30T12:00:00+01:00", "2024-03-31T03:00 2024-04-01T02:30"},
		"several left out, once":            {"*/15 * * * *", "Europe/Berlin", "2024-03-31T01:30:00+01:00", "2024-03-31T01:45 2024-03-31T03:00 2024-03-31T03:15"},
		"a time that is twice, once":        {"30 2 * * *", "Europe/Berlin", "2024-10-26T12:00:00+02:00", "2024-10-27T02:30 2024-10-28T02:30"},
		"after the second of it":            {"30 2 * * *", "Europe/Berlin", "2024-10-27T02:45:00+01:00", "2024-10-28T02:30"},
		"between the two":                   {"45 2 * * *", "Europe/Berlin", "2024-10-27T02:30:00+01:00", "2024-10-28T02:45"},
		"an hour that is twice":             {"*/30 * * * *", "Europe/Berlin", "2024-10-27T02:00:00+02:00", "2024-10-27T02:30 2024-10-27T03:00"},
		"a day from 01:00":                  {"0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00:00-03:00", "2018-11-04T01:00 2018-11-05T00:00"},
		"another":                           {"15 0 * * *", "Africa/Cairo", "2023-04-27T12:00:00+02:00", "2023-04-28T01:00 2023-04-29T00:15"},
		"midnight that is left for 23:00":   {"0 0 * * *", "America/Sao_Paulo", "2018-02-17T12:00:00-02:00", "2018-02-18T00:00 2018-02-19T00:00"},
		"the hour before it, that is twice": {"30 23 * * *", "America/Sao_Paulo", "2018-02-17T12:00:00-02:00", "2018-02-17T23:30 2018-02-18T23:30"},
		"a day left out":                    {"0 10 * * *", "Pacific/Apia", "2011-12-29T12:00:00-10:00", "2011-12-31T00:00 2011-12-31T10:00"},
		"half an hour left out":             {"15 2 * * *", "Australia/Lord_Howe", "2024-10-05T12:00:00+10:30", "2024-10-06T02:30 2024-10-07T02:15"},
		"half an hour that is twice":        {"45 1 * * *", "Australia/Lord_Howe", "2024-04-06T12:00:00+11:00", "2024-04-07T01:45 2024-04-08T01:45"},
		"29 February":                       {"0 0 29 2 *", "Europe/Berlin", "2088-03-01T00:00:00+01:00", "2092-02-29T00:00 2096-02-29T00:00 2104-02-29T00:00"},
		"31st":                              {"0 0 31 * *", "Europe/Berlin", "2024-01-31T12:00:00+01:00", "2024-03-31T00:00 2024-05-31T00:00"},
		"either day":                        {"0 0 13 * FRI", "UTC", "2024-09-07T00:00:00Z", "2024-09-13T00:00 2024-09-20T00:00 2024-09-27T00:00 2024-10-04T00:00 2024-10-11T00:00 2024-10-13T00:00"},
		"a step of days is a restriction":   {"0 0 */10 * MON", "UTC", "2024-09-01T00:00:00Z", "2024-09-02T00:00 2024-09-09T00:00 2024-09-11T00:00"},
		"years":                             {"@yearly", "Asia/Kathmandu", "2024-06-01T00:00:00Z", "2025-01-01T00:00 2026-01-01T00:00"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			next, parsed := moment(t, c.after), mustParse(t, c.cron)
			for i, want := range strings.Fields(c.want) {
				if next = parsed.Next(next, mustZone(t, c.zone)); next.Format("2006-01-02T15:04:05") != want+":00" {
					t.Errorf("time %d is %s, want %s", i+1, next.Format(time.RFC3339), want)
				}
			}
		})
	}
	if next := (Cron{}).Next(moment(t, "2024-01-01T00:00:00Z"), time.UTC); !next.IsZero() {
		t.Errorf("the zero Cron runs at %v", next)
	}
}

// What the parser's own library makes of a day: a run that the spring skips is lost, and a leap day after 2096.
func TestWhereNextDiffersFromTheLibrary(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ cron, zone, after, ours, theirs string }{
		"a time left out": {"30 2 * * *", "Europe/Berlin", "2024-03-30T12:00:00+01:00", "2024-03-31T03:00:00+02:00", "2024-04-01T02:30:00+02:00"},
		"a time twice":    {"30 2 * * *", "Europe/Berlin", "2024-10-27T02:30:00+02:00", "2024-10-28T02:30:00+01:00", "2024-10-27T02:30:00+01:00"},
		"a leap day":      {"0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z", "0001-01-01T00:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			library, err := cron.ParseStandard(c.cron)
			if err != nil {
				t.Fatal(err)
			}
			after := moment(t, c.after).In(mustZone(t, c.zone))
			if got := mustParse(t, c.cron).Next(after, after.Location()).Format(time.RFC3339); got != c.ours {
				t.Errorf("next is %s, want %s", got, c.ours)
			}
			if got := library.Next(after).Format(time.RFC3339); got != c.theirs {
				t.Errorf("the library's next is %s, no longer %s", got, c.theirs)
			}
		})
	}
}

// FuzzParseCron: what is refused says so of cron; what is not has times that rise, says itself in words, and in a zone
// whose clock is never changed runs when the parser's own library has it.
func FuzzParseCron(f *testing.F) {
	for _, text := range []string{
		"15 0 * * *", "*/7 1-5,9 */2 FEB-apr MON", "0 0 29 2 *", "@weekly", "@every 1h", "TZ=UTC * * * * *", "CRON_TZ=", "0 0 31 4 *",
		"1-5/2,7 * ? * *", "99999999999 * * * *", "0 0 * * 7", "0\u00a00 * * *",
	} {
		for _, zone := range []string{"Europe/Berlin", "Pacific/Apia", "Australia/Lord_Howe"} {
			f.Add(text, zone, int64(1_325_000_000))
		}
	}
	f.Fuzz(func(t *testing.T, text, name string, seconds int64) {
		c, err := ParseCron(text)
		if err != nil {
			if !fault.Is(err, fault.InvalidRequest) || !strings.HasPrefix(err.Error(), "cron: ") || len(err.Error()) > 2*MaxCronLength {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if again := mustParse(t, c.String()); again != c || c.Words() == "" {
			t.Fatalf("%q is read as %v, and then as %v: %s", text, c, again, c.Words())
		}
		zone, ok := calendar.Zone(name)
		if !ok || seconds < 0 || seconds > 1<<33 {
			return
		}
		from := time.Unix(seconds, 0)
		for at := from; at.Before(from.AddDate(10, 0, 0)); {
			next := c.Next(at, zone)
			if !next.After(at) || next.After(at.AddDate(8, 0, 2)) {
				t.Fatalf("%q in %s: after %v comes %v", c, name, at, next)
			}
			if earlier := c.Next(next.Add(-1), zone); !earlier.Equal(next) {
				t.Fatalf("%q in %s: just before %v comes %v", c, name, next, earlier)
			}
			at = next.AddDate(0, 7, 0)
		}
		library, err := cron.ParseStandard(c.String())
		if err != nil {
			t.Fatal(err)
		}
		if theirs := library.Next(from.UTC()); !theirs.IsZero() && !theirs.Equal(c.Next(from, time.UTC)) {
			t.Fatalf("%q: after %v comes %v, the library's is %v", c, from.UTC(), c.Next(from, time.UTC), theirs)
		}
	})
}

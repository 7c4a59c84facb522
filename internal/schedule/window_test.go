package schedule

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"trunkline/internal/fault"
)

func schedule(t testing.TB, cron, zone string, kind Kind, lag time.Duration) Schedule {
	t.Helper()
	return Schedule{Cron: mustParse(t, cron), Zone: mustZone(t, zone), Kind: kind, Lag: lag}
}

// told are windows as their zone's clock shows them: "1: 03-31T00:00 to 04-01T00:00 (23h)".
func told(windows []Window, zone *time.Location) []string {
	var lines []string
	for _, w := range windows {
		const short = "01-02T15:04"
		lines = append(lines, fmt.Sprintf("%d: %s to %s (%gh)", w.Number, w.Start.In(zone).Format(short), w.End.In(zone).Format(short), w.End.Sub(w.Start).Hours()))
	}
	return lines
}

func TestWindows(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		zone      string
		kind      Kind
		lag       time.Duration
		watermark string
		moment    string
		want      string
	}{
		"yesterday":             {"Europe/Berlin", PreviousDay, 0, "2024-05-01T00:00:00+02:00", "2024-05-02T00:15:00+02:00", "8: 05-01T00:00 to 05-02T00:00 (24h)"},
		"made already":          {"Europe/Berlin", PreviousDay, 0, "2024-05-02T00:00:00+02:00", "2024-05-02T00:15:00+02:00", ""},
		"as it ends":            {"Europe/Berlin", PreviousDay, 15 * time.Minute, "2024-05-01T00:00:00+02:00", "2024-05-02T00:15:00+02:00", "8: 05-01T00:00 to 05-02T00:00 (24h)"},
		"within the lag":        {"Europe/Berlin", PreviousDay, 15 * time.Minute, "2024-05-01T00:00:00+02:00", "2024-05-02T00:14:59+02:00", ""},
		"after being down":      {"Europe/Berlin", PreviousDay, 0, "2024-03-30T00:00:00+01:00", "2024-04-02T00:15:00+02:00", "8: 03-30T00:00 to 03-31T00:00 (24h), 9: 03-31T00:00 to 04-01T00:00 (23h), 10: 04-01T00:00 to 04-02T00:00 (24h)"},
		"a long day":            {"Europe/Berlin", PreviousDay, 0, "2024-10-27T00:00:00+02:00", "2024-10-28T00:15:00+01:00", "8: 10-27T00:00 to 10-28T00:00 (25h)"},
		"half an hour longer":   {"Australia/Lord_Howe", PreviousDay, 0, "2024-04-07T00:00:00+11:00", "2024-04-08T00:15:00+10:30", "8: 04-07T00:00 to 04-08T00:00 (24.5h)"},
		"days from 01:00":       {"America/Sao_Paulo", PreviousDay, 0, "2018-11-03T00:00:00-03:00", "2018-11-05T00:00:00-02:00", "8: 11-03T00:00 to 11-04T01:00 (24h), 9: 11-04T01:00 to 11-05T00:00 (23h)"},
		"a day left out":        {"Pacific/Apia", PreviousDay, 0, "2011-12-29T00:00:00-10:00", "2012-01-01T00:00:00+14:00", "8: 12-29T00:00 to 12-31T00:00 (24h), 9: 12-31T00:00 to 01-01T00:00 (24h)"},
		"a week":                {"Europe/Berlin", PreviousWeek, 0, "2024-10-21T00:00:00+02:00", "2024-10-28T06:00:00+01:00", "8: 10-21T00:00 to 10-28T00:00 (169h)"},
		"no week yet":           {"Europe/Berlin", PreviousWeek, 0, "2024-10-21T00:00:00+02:00", "2024-10-27T23:59:00+01:00", ""},
		"months":                {"Asia/Kathmandu", PreviousMonth, 0, "2024-02-01T00:00:00+05:45", "2024-04-01T03:00:00+05:45", "8: 02-01T00:00 to 03-01T00:00 (696h), 9: 03-01T00:00 to 04-01T00:00 (744h)"},
		"since the last run":    {"Europe/Berlin", SinceLastRun, time.Minute, "2024-05-01T10:00:00+02:00", "2024-05-03T12:30:00.9+02:00", "8: 05-01T10:00 to 05-03T12:29 (50.483333333333334h)"},
		"that just ran":         {"Europe/Berlin", SinceLastRun, 0, "2024-05-01T10:00:00+02:00", "2024-05-01T10:00:00.9+02:00", ""},
		"a clock put back":      {"Europe/Berlin", SinceLastRun, 0, "2024-05-01T10:00:00+02:00", "2024-05-01T09:00:00+02:00", ""},
		"from another zone's":   {"America/New_York", PreviousDay, 0, "2024-05-01T00:00:00+02:00", "2024-05-02T00:15:00-04:00", "8: 04-30T18:00 to 05-01T00:00 (6h), 9: 05-01T00:00 to 05-02T00:00 (24h)"},
		"weeks from days":       {"Europe/Berlin", PreviousWeek, 0, "2024-05-01T00:00:00+02:00", "2024-05-13T06:00:00+02:00", "8: 05-01T00:00 to 05-06T00:00 (120h), 9: 05-06T00:00 to 05-13T00:00 (168h)"},
		"months from the lates": {"Europe/Berlin", PreviousMonth, 0, "2024-05-01T10:30:00+02:00", "2024-06-01T00:00:00+02:00", "8: 05-01T10:30 to 06-01T00:00 (733.5h)"},
		"the latest from days":  {"Europe/Berlin", SinceLastRun, 0, "2024-05-01T00:00:00+02:00", "2024-05-01T10:30:00+02:00", "8: 05-01T00:00 to 05-01T10:30 (10.5h)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := schedule(t, "15 0 * * *", c.zone, c.kind, c.lag)
			state := State{Watermark: moment(t, c.watermark), Number: 7}
			windows := slices.Collect(s.Windows(state, moment(t, c.moment)))
			if got := strings.Join(told(windows, s.Zone), ", "); got != c.want {
				t.Errorf("got %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestBegin(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cron, zone string
		kind       Kind
		lag        time.Duration
		created    string
		want       string // what the first run makes
	}{
		"a day":                           {"15 0 * * *", "Europe/Berlin", PreviousDay, 0, "2024-05-01T10:20:30.5+02:00", "1: 05-01T00:00 to 05-02T00:00 (24h)"},
		"a day, within the lag":           {"15 0 * * *", "Europe/Berlin", PreviousDay, time.Hour, "2024-05-01T10:20:30+02:00", "1: 04-30T00:00 to 05-01T00:00 (24h)"},
		"a day, made just before it":      {"15 0 * * *", "Europe/Berlin", PreviousDay, 0, "2024-05-01T00:10:00+02:00", "1: 04-30T00:00 to 05-01T00:00 (24h)"},
		"one day, however seldom it runs": {"0 3 1 * *", "Europe/Berlin", PreviousDay, 0, "2024-05-10T10:00:00+02:00", "1: 05-31T00:00 to 06-01T00:00 (24h)"},
		"a short day":                     {"15 0 * * *", "Europe/Berlin", PreviousDay, 0, "2024-03-31T10:00:00+02:00", "1: 03-31T00:00 to 04-01T00:00 (23h)"},
		"a day from 01:00":                {"15 0 * * *", "Africa/Cairo", PreviousDay, 0, "2023-04-28T10:00:00+03:00", "1: 04-28T01:00 to 04-29T00:00 (23h)"},
		"before a day left out":           {"15 0 * * *", "Pacific/Apia", PreviousDay, 0, "2011-12-29T10:00:00-10:00", "1: 12-29T00:00 to 12-31T00:00 (24h)"},
		"a week":                          {"0 6 * * MON", "Europe/Berlin", PreviousWeek, 0, "2024-05-01T10:00:00+02:00", "1: 04-29T00:00 to 05-06T00:00 (168h)"},
		"a month":                         {"0 3 1 * *", "Europe/Berlin", PreviousMonth, 0, "2024-03-15T10:00:00+01:00", "1: 03-01T00:00 to 04-01T00:00 (743h)"},
		"the latest":                      {"*/15 * * * *", "Europe/Berlin", SinceLastRun, 0, "2024-05-01T10:20:30.5+02:00", "1: 05-01T10:20 to 05-01T10:30 (0.15833333333333333h)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := schedule(t, c.cron, c.zone, c.kind, c.lag)
			created := moment(t, c.created)
			windows := slices.Collect(s.Windows(s.Begin(created), s.Next(created)))
			if got := strings.Join(told(windows, s.Zone), ", "); got != c.want {
				t.Errorf("got %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestParseKind(t *testing.T) {
	t.Parallel()
	for _, kind := range []Kind{PreviousDay, PreviousWeek, PreviousMonth, SinceLastRun} {
		if got, err := ParseKind(string(kind)); got != kind || err != nil {
			t.Errorf("%s is read as %q: %v", kind, got, err)
		}
	}
	for _, text := range []string{"", "day", "PREVIOUS_DAY", "previous_year"} {
		if _, err := ParseKind(text); !fault.Is(err, fault.InvalidRequest) || !strings.HasPrefix(err.Error(), "window: ") || !strings.Contains(err.Error(), "since_last_run") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestCheckLag(t *testing.T) {
	t.Parallel()
	for lag, want := range map[time.Duration]bool{0: true, 15 * time.Minute: true, MaxLag: true, -time.Second: false, MaxLag + 1: false} {
		if err := CheckLag(lag); (err == nil) != want || err != nil && !strings.HasPrefix(err.Error(), "lag: ") {
			t.Errorf("a lag of %s: %v", lag, err)
		}
	}
}

// A span of two thousand years is not cut into all its days to find out that these are too many.
func TestCutEndsWhereThereAreTooMany(t *testing.T) {
	t.Parallel()
	days := Schedule{Kind: PreviousDay, Zone: time.UTC}
	end := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	for from, want := range map[time.Time]int{{}: 401, end.AddDate(0, 0, -401): 401, end.AddDate(0, 0, -400): 400, end: 0} {
		if got := days.Cut(from, end, 400); len(got) != want {
			t.Errorf("from %s: %d windows, want %d", from, len(got), want)
		}
	}
}

package calendar

import (
	"testing"
	"time"
)

func TestFirst(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ zone, wall, want string }{
		"as any day":                         {"Europe/Berlin", "2024-05-01 02:30", "2024-05-01T02:30:00+02:00"},
		"left out":                           {"Europe/Berlin", "2024-03-31 02:30", "2024-03-31T03:00:00+02:00"},
		"the first that is left out":         {"Europe/Berlin", "2024-03-31 02:00", "2024-03-31T03:00:00+02:00"},
		"twice":                              {"Europe/Berlin", "2024-10-27 02:30", "2024-10-27T02:30:00+02:00"},
		"after what is twice":                {"Europe/Berlin", "2024-10-27 03:00", "2024-10-27T03:00:00+01:00"},
		"no midnight":                        {"America/Sao_Paulo", "2018-11-04 00:00", "2018-11-04T01:00:00-02:00"},
		"no midnight, in Cairo":              {"Africa/Cairo", "2023-04-28 00:00", "2023-04-28T01:00:00+03:00"},
		"put back at midnight":               {"America/Sao_Paulo", "2018-02-18 00:00", "2018-02-18T00:00:00-03:00"},
		"midnight twice":                     {"America/Havana", "2024-11-03 00:00", "2024-11-03T00:00:00-04:00"},
		"put back at a minute past midnight": {"America/St_Johns", "2010-11-07 00:00", "2010-11-07T00:00:00-02:30"},
		"a day left out":                     {"Pacific/Apia", "2011-12-30 10:00", "2011-12-31T00:00:00+14:00"},
		"half an hour left out":              {"Australia/Lord_Howe", "2024-10-06 02:10", "2024-10-06T02:30:00+11:00"},
		"half an hour twice":                 {"Australia/Lord_Howe", "2024-04-07 01:45", "2024-04-07T01:45:00+11:00"},
		"a day twice":                        {"Pacific/Kwajalein", "1969-09-30 12:00", "1969-09-30T12:00:00+11:00"},
		"two hours at once":                  {"America/Indiana/Winamac", "2007-03-11 02:30", "2007-03-11T04:00:00-04:00"},
		"where files have a rule alone":      {"Europe/Berlin", "2040-12-31 12:00", "2040-12-31T12:00:00+01:00"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := First(wall(t, c.wall), zone(t, c.zone)).Format(time.RFC3339); got != c.want {
				t.Errorf("the clock shows %s first at %s, want %s", c.wall, got, c.want)
			}
		})
	}
}

// A clock watched from minute to minute over each change shows each time first when First says.
func TestFirstIsWhatAClockShows(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"Europe/Berlin", "America/Sao_Paulo", "Africa/Cairo", "Pacific/Apia", "Australia/Lord_Howe", "Australia/Adelaide",
		"America/St_Johns", "America/Havana", "America/Indiana/Winamac", "Pacific/Kwajalein", "Africa/Casablanca", "Antarctica/Troll",
	} {
		location, changes := zone(t, name), 0
		for change, end := time.Unix(0, 0).In(location), time.Date(2045, 1, 1, 0, 0, 0, 0, time.UTC); ; changes++ {
			var more bool
			if change, more = changedBetween(change, end); !more {
				break
			}
			const around = 26 * time.Hour // a day may be left out
			latest := Wall(change.Add(-around))
			for moment := change.Add(-around); moment.Before(change.Add(around)); moment = moment.Add(15 * time.Minute) {
				for shown := Wall(moment); latest.Before(shown); {
					latest = latest.Add(15 * time.Minute)
					if got := First(latest, location); !got.Equal(moment) {
						t.Fatalf("%s shows %s first at %s, not at %s", name, latest.Format(time.DateTime), moment, got)
					}
				}
			}
		}
		if changes == 0 {
			t.Errorf("%s has no changes", name)
		}
	}
}

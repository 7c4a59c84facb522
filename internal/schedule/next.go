package schedule

import (
	"time"

	"trunkline/internal/calendar"
)

// rarest is over how many days the next time is looked for: 29 February comes after eight years around 2100.
const rarest = 8*366 + 1

// Next is the first time after that one, in the zone. A time of day that the zone's clock leaves out happens when the clock
// is put forward, one that occurs twice the first time alone; two that come to the same moment are one. Every 15 minutes
// thus pauses for the hour that an autumn repeats. The zero Cron has no next time: the zero value.
func (c Cron) Next(after time.Time, zone *time.Location) time.Time {
	after = after.In(zone)
	shown := calendar.Wall(after)
	hours, minutes := c.hours.values(), c.minutes.values()
	for day, days := calendar.Date(after), 0; days < rarest; day, days = day.AddDate(0, 0, 1), days+1 {
		if !c.onDay(day) {
			continue
		}
		for _, hour := range hours {
			for _, minute := range minutes {
				wall := day.Add(time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute)
				if !wall.After(shown) {
					continue
				}
				if at := calendar.First(wall, zone); at.After(after) {
					return at
				}
			}
		}
	}
	return time.Time{}
}

// onDay reports whether it runs on the date: where both days are restricted, either of them is enough.
func (c Cron) onDay(date time.Time) bool {
	if !c.months.has(int(date.Month())) {
		return false
	}
	day, weekday := c.days.has(date.Day()), c.weekdays.has(int(date.Weekday()))
	if c.days&star != 0 || c.weekdays&star != 0 {
		return day && weekday
	}
	return day || weekday
}

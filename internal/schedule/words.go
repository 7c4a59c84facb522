package schedule

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	mostTimes   = 4  // how many times of a day, or dates, are told in words
	everyMonths = 28 // the last day that each month has
)

// Words says when it runs, as one reads it aloud: "every day at 00:15", "every Monday at 06:00". What has no such words is
// told as it was written.
func (c Cron) Words() string {
	days := c.dayWords()
	if interval := c.intervalWords(); interval != "" && days == everyDay {
		return interval
	}
	if times := c.timeWords(); times != "" && days != "" {
		return days + " at " + times
	}
	return c.text
}

// Warning says that it runs in every minute of an hour, which few want, and what to write instead; "" if it does not.
func (c Cron) Warning() string {
	if len(c.minutes.values()) < 60 {
		return ""
	}
	_, rest, _ := strings.Cut(c.text, " ")
	return fmt.Sprintf("cron: %q runs in every minute of its hours; write \"0 %s\" to run once an hour", c.text, rest)
}

const everyDay = "every day"

// intervalWords are those of times that are spread evenly over the day, or "".
func (c Cron) intervalWords() string {
	minutes, hours := c.minutes.values(), c.hours.values()
	switch step := evenStep(minutes, 60); {
	case step > 0 && len(hours) == 24:
		return every(step, "minute")
	case len(minutes) != 1:
		return ""
	case len(hours) <= mostTimes:
		return ""
	}
	step := evenStep(hours, 24)
	switch minute := minutes[0]; {
	case step == 0:
		return ""
	case minute == 0:
		return every(step, "hour")
	default:
		return fmt.Sprintf("%s at minute %d", every(step, "hour"), minute)
	}
}

// evenStep is what is between any two of the values, which begin with 0, also from the last over the end of the round to
// the first, or 0.
func evenStep(values []int, round int) int {
	if len(values) < 2 || round%len(values) != 0 {
		return 0
	}
	step := round / len(values)
	for i, value := range values {
		if value != i*step {
			return 0
		}
	}
	return step
}

func every(step int, what string) string {
	if step == 1 {
		return "every " + what
	}
	return fmt.Sprintf("every %d %ss", step, what)
}

// timeWords are the times of day: "00:15", "06:00 and 18:00". "" if they are many.
func (c Cron) timeWords() string {
	hours, minutes := c.hours.values(), c.minutes.values()
	if len(hours)*len(minutes) > mostTimes {
		return ""
	}
	var times []string
	for _, hour := range hours {
		for _, minute := range minutes {
			times = append(times, fmt.Sprintf("%02d:%02d", hour, minute))
		}
	}
	return list(times)
}

// dayWords are the days on which it runs, or "".
func (c Cron) dayWords() string {
	months := c.months.values()
	switch {
	case c.days&star != 0 && len(months) == 12:
		return weekdayWords(c.weekdays)
	case c.weekdays&star != 0:
		return dateWords(c.days.values(), months)
	}
	return ""
}

func weekdayWords(days set) string {
	const (
		allDays  = 1<<7 - 1
		weekend  = 1<<time.Saturday | 1<<time.Sunday
		weekdays = allDays &^ weekend
	)
	switch days &^ star {
	case allDays:
		return everyDay
	case weekdays:
		return "every weekday"
	}
	var names []string
	for i := range 7 {
		if day := (i + 1) % 7; days.has(day) { // a week begins on Monday
			names = append(names, time.Weekday(day).String())
		}
	}
	return "every " + list(names)
}

// dateWords are "on the 1st and 15th of each month", "on the 1st of January and July"; "" if some of the months lack some
// of the days.
func dateWords(days, months []int) string {
	last := days[len(days)-1]
	if len(days) > mostTimes || len(days) > 1 && last > everyMonths {
		return ""
	}
	var ordinals, names []string
	for _, day := range days {
		ordinals = append(ordinals, ordinal(day))
	}
	of := "each month"
	switch {
	case len(months) == 12 && last > everyMonths:
		of += " that has one,"
	case len(months) < 12:
		for _, month := range months {
			if last > longest[month] {
				return ""
			}
			names = append(names, time.Month(month).String())
		}
		of = list(names)
	}
	return "on the " + list(ordinals) + " of " + of
}

func ordinal(n int) string {
	suffix := "th"
	switch {
	case n%10 == 1 && n != 11:
		suffix = "st"
	case n%10 == 2 && n != 12:
		suffix = "nd"
	case n%10 == 3 && n != 13:
		suffix = "rd"
	}
	return strconv.Itoa(n) + suffix
}

// list joins with commas and, before the last, "and".
func list(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

package schedule

import (
	"strings"

	"github.com/robfig/cron/v3"

	"trunkline/internal/fault"
)

// MaxCronLength is how long an expression may be, in bytes: one that lists every minute has 169.
const MaxCronLength = 256

// Cron is when a schedule runs, by the minute of a zone's clock. The zero value never does.
type Cron struct {
	text                                   string
	minutes, hours, days, months, weekdays set
}

// set are the values of a field, a bit each: 0 to 59 at most.
type set uint64

// star is the bit that the parser sets beside the values where a field is a *.
const star set = 1 << 63

func (s set) has(value int) bool { return s&(1<<value) != 0 }

// values are in order.
func (s set) values() []int {
	var values []int
	for value := range 60 {
		if s.has(value) {
			values = append(values, value)
		}
	}
	return values
}

const (
	cronExample = "five fields: minute, hour, day of the month, month and day of the week, such as 15 0 * * * for every day at 00:15"
	cronNames   = "@hourly, @daily, @midnight, @weekly, @monthly, @yearly or @annually"
)

// ParseCron reads five fields (minute, hour, day of the month, month, day of the week) or @hourly, @daily, @weekly,
// @monthly, @yearly, @midnight, @annually. Where both days are restricted, either of them is enough. Errors:
// fault.InvalidRequest, which names cron and says what to write instead.
func ParseCron(text string) (Cron, error) {
	if len(text) > MaxCronLength {
		return Cron{}, fault.Invalid("cron", "has %d bytes; write at most %d, with ranges (1-5) and steps (*/15) in place of lists", len(text), MaxCronLength)
	}
	parts := strings.Fields(text)
	text = strings.Join(parts, " ")
	if strings.HasPrefix(text, "@") {
		text = strings.ToLower(text)
	}
	if err := checkForm(text, parts); err != nil {
		return Cron{}, err
	}
	read, err := cron.ParseStandard(text)
	if err != nil && strings.HasPrefix(text, "@") {
		return Cron{}, fault.Invalid("cron", "%.64q is not known; write %s, or %s", text, cronNames, cronExample)
	}
	spec, ok := read.(*cron.SpecSchedule)
	if !ok {
		return Cron{}, fault.Invalid("cron", "%.64q cannot be read; write %s", text, cronExample)
	}
	c := Cron{
		text: text, minutes: set(spec.Minute), hours: set(spec.Hour),
		days: set(spec.Dom), months: set(spec.Month), weekdays: set(spec.Dow),
	}
	if c.never() {
		return Cron{}, fault.Invalid("cron", "%q never happens, since no month that it names has such a day; change the day of the month or the month", text)
	}
	return c, nil
}

// checkForm refuses what the parser reads and a schedule does not have, and names the field that cannot be read.
func checkForm(text string, parts []string) error {
	upper := strings.ToUpper(text)
	switch {
	case text == "":
		return fault.Invalid("cron", "is empty; write %s, or %s", cronExample, cronNames)
	case strings.HasPrefix(upper, "TZ=") || strings.HasPrefix(upper, "CRON_TZ="):
		return fault.Invalid("cron", "has a time zone; leave %.64q out of it and send time_zone", parts[0])
	case strings.HasPrefix(upper, "@EVERY"):
		return fault.Invalid("cron", "@every has no times of its own; write */15 * * * * for every 15 minutes, 0 */2 * * * for every 2 hours")
	case strings.HasPrefix(text, "@"):
		return nil
	case len(parts) == len(cronFields)+1:
		return fault.Invalid("cron", "has six fields; write it without seconds or a year, as %s", cronExample)
	case len(parts) != len(cronFields):
		return fault.Invalid("cron", "has %d fields; write %s", len(parts), cronExample)
	}
	for i, field := range cronFields {
		if err := field.check(parts[i]); err != nil {
			return err
		}
	}
	return nil
}

// never reports whether there is no such day in any year. A day of the week there always is.
func (c Cron) never() bool {
	if c.weekdays&star == 0 {
		return false
	}
	for _, month := range c.months.values() {
		if c.days.values()[0] <= longest[month] {
			return false
		}
	}
	return true
}

// longest are the days of each month, from 1, in a leap year.
var longest = [...]int{1: 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

// String is the expression as it was written, with one space between fields.
func (c Cron) String() string { return c.text }

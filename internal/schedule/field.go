package schedule

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/robfig/cron/v3"

	"trunkline/internal/fault"
)

// cronField is one of an expression's five.
type cronField struct {
	name   string
	parser cron.Parser
	count  int // of its values
	values string
}

var cronFields = [...]cronField{
	{"minute", cron.NewParser(cron.Minute), 60, "0 to 59"},
	{"hour", cron.NewParser(cron.Hour), 24, "0 to 23"},
	{"day of the month", cron.NewParser(cron.Dom), 31, "1 to 31"},
	{"month", cron.NewParser(cron.Month), 12, "1 to 12 or JAN to DEC"},
	{"day of the week", cron.NewParser(cron.Dow), 7, "0 (Sunday) to 6 (Saturday) or SUN to SAT"},
}

// cronItem is one item of a field's list: *, a value or a range of them, and after a slash the step.
var cronItem = regexp.MustCompile(`^(?:\*|(?:[0-9]{1,2}|[A-Za-z]{3})(?:-(?:[0-9]{1,2}|[A-Za-z]{3}))?)(?:/([0-9]{1,2}))?$`)

// check refuses what is no list of the field's values.
func (f cronField) check(text string) error {
	for item := range strings.SplitSeq(text, ",") {
		if !f.reads(item) {
			return fault.Invalid("cron", "%.64q is no %s; write * or %s, rising ranges (1-5), lists (1,3) and steps below %d (*/2)",
				text, f.name, f.values, f.count)
		}
	}
	return nil
}

// reads reports whether the item is one of the field's. A step that no second value follows is none: */90 is not every 90
// minutes.
func (f cronField) reads(item string) bool {
	parts := cronItem.FindStringSubmatch(item)
	if parts == nil {
		return false
	}
	if step, err := strconv.Atoi(parts[1]); err == nil && step >= f.count {
		return false
	}
	_, err := f.parser.Parse(item)
	return err == nil
}

package schedule

import (
	"strings"
	"testing"
)

func TestWords(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"15 0 * * *":              "every day at 00:15",
		"@daily":                  "every day at 00:00",
		"0 6,18 * * *":            "every day at 06:00 and 18:00",
		"0 */6 * * *":             "every day at 00:00, 06:00, 12:00 and 18:00",
		"0,30 3 * * *":            "every day at 03:00 and 03:30",
		"0 6 * * MON":             "every Monday at 06:00",
		"0 6 * * THU,MON":         "every Monday and Thursday at 06:00",
		"0 6 * * SUN,MON":         "every Monday and Sunday at 06:00",
		"0 6 * * MON-FRI":         "every weekday at 06:00",
		"0 6 * * 0-6":             "every day at 06:00",
		"@weekly":                 "every Sunday at 00:00",
		"0 3 1 * *":               "on the 1st of each month at 03:00",
		"0 3 1,15 * *":            "on the 1st and 15th of each month at 03:00",
		"0 3 31 * *":              "on the 31st of each month that has one, at 03:00",
		"0 3 22 * *":              "on the 22nd of each month at 03:00",
		"0 3 11,12,13,23 * *":     "on the 11th, 12th, 13th and 23rd of each month at 03:00",
		"@yearly":                 "on the 1st of January at 00:00",
		"0 3 1 1,4,7,10 *":        "on the 1st of January, April, July and October at 03:00",
		"0 3 29 2 *":              "on the 29th of February at 03:00",
		"* * * * *":               "every minute",
		"*/15 * * * *":            "every 15 minutes",
		"0,15,30,45 * * * *":      "every 15 minutes",
		"@hourly":                 "every hour",
		"5 * * * *":               "every hour at minute 5",
		"0 */2 * * *":             "every 2 hours",
		"20 */2 * * *":            "every 2 hours at minute 20",
		"*/7 * * * *":             "*/7 * * * *", // 56 to 0 is 4
		"5-59/15 * * * *":         "5-59/15 * * * *",
		"*/15 * * * MON":          "*/15 * * * MON",
		"*/15 8-17 * * *":         "*/15 8-17 * * *",
		"0 0-10/2 * * *":          "0 0-10/2 * * *",
		"0 1,3,5,7,9,11,12 * * *": "0 1,3,5,7,9,11,12 * * *",
		"0 3 1 * MON":             "0 3 1 * MON",
		"0 3 * 2 *":               "0 3 * 2 *",
		"0 3 * 2 MON":             "0 3 * 2 MON",
		"0 3 31 1,2 *":            "0 3 31 1,2 *",
		"0 3 1,31 * *":            "0 3 1,31 * *",
		"0 3 1-31 * MON":          "0 3 1-31 * MON",
	} {
		if got := mustParse(t, text).Words(); got != want {
			t.Errorf("%q is told as %q, want %q", text, got, want)
		}
	}
}

func TestWarning(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"* 3 * * *":     `write "0 3 * * *"`,
		"0-59 * * * 1":  `write "0 * * * 1"`,
		"*/2 3 * * *":   "",
		"@hourly":       "",
		"0 * * * *":     "",
		"1-59 3 * * *":  "",
		"*/1 3 1 jan *": `write "0 3 1 jan *"`,
	} {
		if got := mustParse(t, text).Warning(); !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("the warning of %q is %q, want %q", text, got, want)
		}
	}
}

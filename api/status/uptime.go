package status

import (
	"fmt"
	"time"
)

// uptimeUnits are those that an uptime is worded in, the largest first.
var uptimeUnits = []struct {
	name   string
	length time.Duration
}{
	{"year", 365 * 24 * time.Hour}, {"day", 24 * time.Hour}, {"hour", time.Hour}, {"minute", time.Minute}, {"second", time.Second},
}

// uptimeText words an uptime as the documentation does, in the largest unit that it reaches and the one
// below: "7 days, 3 hours", "1 minute, 20 seconds"; "20 seconds" if it is less than a minute.
func uptimeText(up time.Duration) string {
	for i, unit := range uptimeUnits[:len(uptimeUnits)-1] {
		if up < unit.length {
			continue
		}
		below := uptimeUnits[i+1]
		return amount(int(up/unit.length), unit.name) + ", " + amount(int(up%unit.length/below.length), below.name)
	}
	return amount(int(up/time.Second), "second")
}

func amount(n int, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}

package gateway

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"trunkline/internal/fusionpbx"
)

// leastSeconds is the least that FreeSWITCH takes of a column in replaced.
const leastSeconds = 5

// replaced are the columns of which FreeSWITCH takes no number under leastSeconds, with what it does then.
var replaced = map[string]string{
	"expire_seconds": "FreeSWITCH would take 3600 in its place; give 5 or more",
	"retry_seconds":  "FreeSWITCH would take 30 in its place; give 5 or more",
	"ping":           "FreeSWITCH would send no pings; give 5 or more, or 0 for none",
}

// hosts are the columns before which FreeSWITCH writes sip: itself.
var hosts = []string{"proxy", "realm", "register_proxy", "outbound_proxy", "from_domain"}

var scheme = regexp.MustCompile(`(?i)^sips?:`)

// reference is what FreeSWITCH's parser decodes in a value. Any other & it leaves as it is. It reads numbers as
// C's strtol does, and takes 0 for none.
var reference = regexp.MustCompile(`&(amp|lt|gt|quot|apos|#\s*[+-]?0*[1-9][0-9]*|#x\s*[+-]?(0[xX])?0*[1-9a-fA-F][0-9a-fA-F]*);`)

// altered says why FreeSWITCH would have another value than the row; "": it has the same. In database mode
// FusionPBX deletes every $ and makes entities of < > " and ', but not of &, so that what looks like an entity
// is decoded. In file mode the values are Trunkline's to escape.
func altered(mode fusionpbx.GatewayMode, column, value string) string {
	if does, least := replaced[column]; least {
		if n, err := strconv.Atoi(value); err == nil && n < leastSeconds && !(column == "ping" && n == 0) {
			return fmt.Sprintf("is under %d; %s", leastSeconds, does)
		}
	}
	switch {
	case slices.Contains(hosts, column) && scheme.MatchString(value):
		return "begins with sip:, and FreeSWITCH would write another before it; give the host alone"
	case mode == fusionpbx.ModeFile:
		return ""
	case strings.Contains(value, "$"):
		return fmt.Sprintf("holds a $; FusionPBX deletes every $ on the way to FreeSWITCH, so that the carrier would get another %s; choose one without it", column)
	case reference.MatchString(value):
		return fmt.Sprintf("holds an entity such as &amp; or &#38;, which FreeSWITCH would decode, so that the carrier would get another %s; choose one without it", column)
	}
	return ""
}

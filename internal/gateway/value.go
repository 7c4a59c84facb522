package gateway

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"trunkline/internal/freeswitch"
	"trunkline/internal/fusionpbx"
)

// maxValue bounds a value of a gateway, in bytes. FusionPBX's columns have no bound.
const maxValue = 1024

// ValueError says why a value cannot be a gateway's. It never holds the value, which may be a secret.
type ValueError struct {
	Column string
	Reason string
}

func (e *ValueError) Error() string { return e.Column + ": " + e.Reason }

var (
	// flags are the columns that hold true or false. FusionPBX takes any other word for false.
	flags = []string{"distinct_to", "register", "contact_in_ping", "caller_id_in_from", "supress_cng", "enabled"}
	// counts are the columns that hold a whole number.
	counts = []string{"expire_seconds", "retry_seconds", "ping", "ping_min", "ping_max", "channels"}
)

var wholeNumber = regexp.MustCompile(`^[0-9]{1,9}$`)

// preprocessorCommand is what FreeSWITCH's preprocessor would run, in a file where it is not escaped.
var preprocessorCommand = regexp.MustCompile(`(?i)<x-pre-process|<!--#`)

// CheckValue refuses what would not arrive at FreeSWITCH as it was asked for, with a *ValueError.
// In database mode FusionPBX builds the configuration by deleting every $ and escaping nothing, so that
// such values would change, or break the configuration of all gateways, without an error. In file mode the
// values are Trunkline's to escape; but what FusionPBX's own page, which escapes nothing there either,
// would make FreeSWITCH run is refused all the same. An empty value is NULL, and always right.
func CheckValue(mode fusionpbx.GatewayMode, column, value string) error {
	refuse := func(format string, args ...any) error {
		return &ValueError{Column: column, Reason: fmt.Sprintf(format, args...)}
	}
	switch {
	case value == "":
		return nil
	case len(value) > maxValue:
		return refuse("is longer than %d bytes; shorten it", maxValue)
	case !utf8.ValidString(value):
		return refuse("is not valid UTF-8; send it as UTF-8")
	case strings.ContainsFunc(value, unicode.IsControl):
		return refuse("holds a line break or another control character; remove it")
	case strings.ContainsAny(value, "\uFFFE\uFFFF"):
		return refuse("holds U+FFFE or U+FFFF, which XML has no place for; remove it")
	case mode != fusionpbx.ModeFile && strings.Contains(value, "${"):
		return refuse("holds ${, which FreeSWITCH would expand as a variable; remove it")
	case column == "profile" && freeswitch.CheckProfile(value) != nil:
		return refuse("is no name of a SIP profile; use letters, digits, _ . and -")
	case slices.Contains(flags, column) && value != "true" && value != "false":
		return refuse("is neither true nor false; give one of them")
	case slices.Contains(counts, column) && !wholeNumber.MatchString(value):
		return refuse("is no whole number; give digits alone")
	case !slices.Contains(fusionpbx.SwitchColumns, column):
		return nil
	case preprocessorCommand.MatchString(value):
		return refuse("holds a command of FreeSWITCH's preprocessor, which would run wherever FusionPBX writes the value unescaped; remove it")
	case mode == fusionpbx.ModeFile:
		return nil
	case strings.Contains(value, "$"):
		return refuse("holds a $; FusionPBX deletes every $ on the way to FreeSWITCH, so that the carrier would get another %s; choose one without it", column)
	case strings.ContainsAny(value, `&<>"`):
		return refuse(`holds one of & < > "; FusionPBX does not escape it in FreeSWITCH's configuration, which could break the loading of every gateway; choose a value without it`)
	}
	return nil
}

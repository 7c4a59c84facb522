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

const (
	// maxValue bounds a value of a gateway, in bytes. FusionPBX's columns have no bound.
	maxValue = 1024
	// maxLabel bounds a gateway's name, in characters: people read it, in lists.
	maxLabel = 128
)

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

// shownUnescaped are the columns that FreeSWITCH's list of gateways prints as they are: in username, to, realm,
// proxy and context.
var shownUnescaped = []string{"username", "auth_username", "extension", "from_user", "from_domain", "realm", "proxy", "register_proxy", "context"}

// CheckValue refuses what would not arrive at FreeSWITCH as it was asked for, with a *ValueError; what would
// spoil FreeSWITCH's list of gateways for whoever reads it as XML; and what FusionPBX's own page, which escapes
// nothing where gateways are kept as files, would make FreeSWITCH run. An empty value is NULL, and always right.
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
	case column == "gateway" && utf8.RuneCountInString(value) > maxLabel:
		return refuse("is longer than %d characters; shorten it", maxLabel)
	case column == "profile" && freeswitch.CheckProfile(value) != nil:
		return refuse("is no name of a SIP profile; use letters, digits, _ . and -")
	case slices.Contains(flags, column) && value != "true" && value != "false":
		return refuse("is neither true nor false; give one of them")
	case slices.Contains(counts, column) && !wholeNumber.MatchString(value):
		return refuse("is no whole number; give digits alone")
	case !slices.Contains(fusionpbx.LoadedColumns, column):
		return nil
	case preprocessorCommand.MatchString(value):
		return refuse("holds a command of FreeSWITCH's preprocessor, which would run wherever FusionPBX writes the value unescaped; remove it")
	case slices.Contains(shownUnescaped, column) && strings.ContainsAny(value, "<&"):
		return refuse("holds < or &, which FreeSWITCH does not escape in its list of gateways, so that FusionPBX's status page could not read it; choose a value without it")
	}
	if reason := altered(mode, column, value); reason != "" {
		return refuse("%s", reason)
	}
	return nil
}

// Rule is what the column takes beyond what RuleOfAll says, in words for people who fill in a form; "" if it takes anything.
// It is of the same limits as CheckValue.
func Rule(column string) string {
	var rules []string
	switch {
	case column == "gateway":
		rules = append(rules, fmt.Sprintf("Up to %d characters.", maxLabel))
	case column == "profile":
		rules = append(rules, "Letters, digits, _ . and - alone.")
	case slices.Contains(counts, column):
		rules = append(rules, "A whole number.")
	}
	if does, least := replaced[column]; least {
		rules = append(rules, fmt.Sprintf("Under %d %s.", leastSeconds, does))
	}
	if slices.Contains(shownUnescaped, column) {
		rules = append(rules, "No < and no &, which FreeSWITCH does not escape in its list of gateways.")
	}
	return strings.Join(rules, " ")
}

// RuleOfAll is what all columns take in that gateway mode, in words.
func RuleOfAll(mode fusionpbx.GatewayMode) string {
	rule := fmt.Sprintf("Texts have up to %d bytes, on one line.", maxValue)
	if mode != fusionpbx.ModeFile {
		rule += " What goes to FreeSWITCH has no $, which FusionPBX deletes on the way, and no entity such as &amp;, which FreeSWITCH would decode."
	}
	return rule
}

package file

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"trunkline/internal/fusionpbx"
)

// params are the parameters that FusionPBX writes for a gateway, with the column that each comes from, in
// its order: the same that a switch gets in database mode.
var params = []struct{ name, column string }{
	{"username", "username"}, {"distinct-to", "distinct_to"}, {"auth-username", "auth_username"}, {"password", "password"},
	{"realm", "realm"}, {"from-user", "from_user"}, {"from-domain", "from_domain"}, {"proxy", "proxy"},
	{"register-proxy", "register_proxy"}, {"outbound-proxy", "outbound_proxy"}, {"expire-seconds", "expire_seconds"},
	{"register", "register"}, {"register-transport", "register_transport"}, {"contact-params", "contact_params"},
	{"retry-seconds", "retry_seconds"}, {"extension", "extension"}, {"ping", "ping"}, {"ping-min", "ping_min"},
	{"ping-max", "ping_max"}, {"contact-in-ping", "contact_in_ping"}, {"context", "context"},
	{"caller-id-in-from", "caller_id_in_from"}, {"supress-cng", "supress_cng"}, {"sip_cid_type", "sip_cid_type"},
	{"extension-in-contact", "extension_in_contact"},
}

const (
	// leastRetrySeconds is what FusionPBX and FreeSWITCH take; less becomes usualRetrySeconds.
	leastRetrySeconds = 5
	usualRetrySeconds = "30"
)

// mark is the line by which a file of ours is known from one that FusionPBX or a person wrote.
const mark = "<!-- Written by Trunkline from v_gateways; what is changed here is lost when the gateway is changed next. -->\n"

// Ours reports whether the content of a gateway's file was written by Render.
func Ours(content []byte) bool { return bytes.Contains(content, []byte(mark)) }

// Render returns the file of a gateway in FusionPBX's format, one element a line: FreeSWITCH's preprocessor
// drops whole lines. FreeSWITCH reads every value back exactly as it is in the row, whatever it holds.
// It is written by hand since encoding/xml knows nothing of lines and of that preprocessor.
func Render(row fusionpbx.Gateway) []byte {
	var b bytes.Buffer
	b.WriteString("<include>\n" + mark)
	fmt.Fprintf(&b, "  <gateway name=\"%s\">\n", escape(strings.ToLower(row.UUID)))
	for _, p := range params {
		if value := paramValue(p.name, row.Get(p.column)); value != "" {
			fmt.Fprintf(&b, "    <param name=\"%s\" value=\"%s\"/>\n", p.name, escape(value))
		}
	}
	b.WriteString("  </gateway>\n</include>\n")
	return b.Bytes()
}

// paramValue is what a parameter becomes on its way through FusionPBX in database mode: a gateway of
// another transport, for one, would not be loaded at all.
func paramValue(name, value string) string {
	switch {
	case value == "":
	case name == "register-transport":
		value = strings.ToLower(value)
		if value != "tcp" && value != "tls" {
			return "udp"
		}
	case name == "retry-seconds":
		if n, err := strconv.Atoi(value); err != nil || n < leastRetrySeconds {
			return usualRetrySeconds
		}
	}
	return value
}

// preprocessWord drops its line in FreeSWITCH's preprocessor, wherever it stands and in any case.
var preprocessWord = regexp.MustCompile(`(?i)x-pre-process`)

// escape writes a value as an attribute of a line that the preprocessor leaves alone: without < there is
// none of its tags, without $ none of its variables, and a line break is written as its number.
func escape(value string) string {
	named := map[byte]string{'&': "&amp;", '<': "&lt;", '>': "&gt;", '"': "&quot;"}
	var b strings.Builder
	for _, c := range []byte(value) {
		switch name := named[c]; {
		case name != "":
			b.WriteString(name)
		case c == '$' || c == '\'' || c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, "&#%d;", c)
		default:
			b.WriteByte(c)
		}
	}
	return preprocessWord.ReplaceAllStringFunc(b.String(), func(word string) string {
		return strings.ReplaceAll(word, "-", "&#45;")
	})
}

package pbxtest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

var registrationFields = []string{"reg_user", "realm", "token", "url", "expires", "network_ip", "network_port", "network_proto", "hostname", "metadata"}

// show is `show registrations|calls|channels [count] [as json|xml|delim X]`. There are never any calls.
func (s *Switch) show(words []string) string {
	if len(words) == 0 || !slices.Contains([]string{"registrations", "calls", "channels"}, words[0]) {
		return "-USAGE: registrations|calls|channels [count] [as json|xml|delim X]\n"
	}
	var rows [][]string
	if words[0] == "registrations" {
		rows = s.registrationRows()
	}
	format, delimiter := "csv", ","
	if as := slices.Index(words, "as"); as > 0 && as+1 < len(words) {
		format = words[as+1]
		if format == "delim" && as+2 < len(words) {
			delimiter = words[as+2]
		}
	}
	count := slices.Contains(words, "count")
	switch format {
	case "json":
		return showJSON(rows, count)
	case "xml":
		return showXML(rows, count)
	default:
		return showText(rows, count, delimiter)
	}
}

func (s *Switch) registrationRows() [][]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var rows [][]string
	for _, r := range s.registrations {
		rows = append(rows, []string{
			r.User, r.Domain, r.CallID, "sofia/" + r.Profile + "/" + r.Contact, strconv.FormatInt(r.Expires.Unix(), 10),
			r.IP, strconv.Itoa(r.Port), "udp", s.opts.Hostname, "",
		})
	}
	return rows
}

// showText does not quote a value that holds the delimiter.
func showText(rows [][]string, count bool, delimiter string) string {
	var b strings.Builder
	if !count && len(rows) > 0 {
		for _, row := range append([][]string{registrationFields}, rows...) {
			b.WriteString(strings.Join(row, delimiter) + "\n")
		}
	}
	fmt.Fprintf(&b, "\n%d total.\n", len(rows))
	return b.String()
}

// showJSON has no "rows" and a space where there are none, unless they are only counted.
func showJSON(rows [][]string, count bool) string {
	if count {
		return fmt.Sprintf(`{"row_count":%d,"rows":[]}`, len(rows))
	}
	if len(rows) == 0 {
		return "{\"row_count\": 0}\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, `{"row_count":%d,"rows":[`, len(rows))
	for n, row := range rows {
		if n > 0 {
			b.WriteByte(',')
		}
		for i, value := range row {
			b.WriteByte("{,"[min(i, 1)])
			writeJSONString(&b, registrationFields[i])
			b.WriteByte(':')
			writeJSONString(&b, value)
		}
		b.WriteByte('}')
	}
	b.WriteString("]}")
	return b.String()
}

func showXML(rows [][]string, count bool) string {
	if count {
		return fmt.Sprintf("<result row_count=\"%d\"></result>\n", len(rows))
	}
	if len(rows) == 0 {
		return "<result row_count=\"0\"/>\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "<result row_count=\"%d\">\n", len(rows))
	for n, row := range rows {
		fmt.Fprintf(&b, "  <row row_id=\"%d\">\n", n+1)
		for i, value := range row {
			fmt.Fprintf(&b, "    <%s>%s</%s>\n", registrationFields[i], escapeXML(value), registrationFields[i])
		}
		b.WriteString("  </row>\n")
	}
	b.WriteString("</result>\n")
	return b.String()
}

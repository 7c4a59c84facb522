package fssim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

var registrationFields = []string{"reg_user", "realm", "token", "url", "expires", "network_ip", "network_port", "network_proto", "hostname", "metadata"}

// show is `show registrations|calls|channels [count] [as json|xml|delim X]`.
func (s *Switch) show(words []string) string {
	if len(words) == 0 || !slices.Contains([]string{"registrations", "calls", "channels"}, words[0]) {
		return "-USAGE: registrations|calls|channels [count] [as json|xml|delim X]\n"
	}
	var list table
	switch words[0] {
	case "registrations":
		list = table{registrationFields, s.registrationRows()}
	case "channels":
		list = table{channelFields, s.channelRows()}
	case "calls":
		list = table{callFields, s.callRows()}
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
		return list.json(count)
	case "xml":
		return list.xml(count)
	default:
		return list.text(count, delimiter)
	}
}

func (s *Switch) registrationRows() [][]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var rows [][]string
	for _, r := range s.registrations {
		rows = append(rows, []string{
			r.User, r.Domain, r.CallID, "sofia/" + r.Profile + "/" + r.Contact, strconv.FormatInt(r.expires().Unix(), 10),
			r.IP, strconv.Itoa(r.Port), "udp", s.opts.Hostname, "",
		})
	}
	return rows
}

// table is what show prints.
type table struct {
	fields []string
	rows   [][]string // each with a value for each field
}

// text does not quote a value that holds the delimiter.
func (t table) text(count bool, delimiter string) string {
	var b strings.Builder
	if !count && len(t.rows) > 0 {
		for _, row := range append([][]string{t.fields}, t.rows...) {
			b.WriteString(strings.Join(row, delimiter) + "\n")
		}
	}
	fmt.Fprintf(&b, "\n%d total.\n", len(t.rows))
	return b.String()
}

// json has no "rows" and a space if there are none, unless they are only counted.
func (t table) json(count bool) string {
	if count {
		return fmt.Sprintf(`{"row_count":%d,"rows":[]}`, len(t.rows))
	}
	if len(t.rows) == 0 {
		return "{\"row_count\": 0}\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, `{"row_count":%d,"rows":[`, len(t.rows))
	for n, row := range t.rows {
		if n > 0 {
			b.WriteByte(',')
		}
		for i, value := range row {
			b.WriteByte("{,"[min(i, 1)])
			writeJSONString(&b, t.fields[i])
			b.WriteByte(':')
			writeJSONString(&b, value)
		}
		b.WriteByte('}')
	}
	b.WriteString("]}")
	return b.String()
}

func (t table) xml(count bool) string {
	if count {
		return fmt.Sprintf("<result row_count=\"%d\"></result>\n", len(t.rows))
	}
	if len(t.rows) == 0 {
		return "<result row_count=\"0\"/>\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "<result row_count=\"%d\">\n", len(t.rows))
	for n, row := range t.rows {
		fmt.Fprintf(&b, "  <row row_id=\"%d\">\n", n+1)
		for i, value := range row {
			fmt.Fprintf(&b, "    <%s>%s</%s>\n", t.fields[i], escapeXML(value), t.fields[i])
		}
		b.WriteString("  </row>\n")
	}
	b.WriteString("</result>\n")
	return b.String()
}

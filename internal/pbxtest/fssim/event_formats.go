package fssim

import (
	"fmt"
	"strings"
)

// frame is the event as it goes over the wire, its outer head included.
func (e event) frame(format string) string {
	var text string
	switch format {
	case "json":
		text = e.json()
	case "xml":
		text = e.xml()
	default:
		text = e.plain()
	}
	return fmt.Sprintf("Content-Length: %d\nContent-Type: text/event-%s\n\n%s", len(text), format, text)
}

func (e event) plain() string {
	var b strings.Builder
	for _, h := range e.headers {
		b.WriteString(h.name + ": " + percentEncode(h.value) + "\n")
	}
	b.WriteString("\n" + e.body)
	return b.String()
}

func (e event) json() string {
	var b strings.Builder
	b.WriteByte('{')
	headers := e.headers
	if e.body != "" {
		headers = append(headers[:len(headers):len(headers)], header{"_body", e.body})
	}
	for i, h := range headers {
		if i > 0 {
			b.WriteByte(',')
		}
		writeJSONString(&b, h.name)
		b.WriteByte(':')
		writeJSONString(&b, h.value)
	}
	b.WriteByte('}')
	return b.String()
}

func (e event) xml() string {
	var b strings.Builder
	b.WriteString("<event>\n  <headers>\n")
	headers := e.headers
	if e.body != "" {
		headers = headers[:len(headers)-1] // the length stands with the body
	}
	for _, h := range headers {
		fmt.Fprintf(&b, "    <%s>%s</%s>\n", h.name, percentEncode(h.value), h.name)
	}
	b.WriteString("  </headers>\n")
	if e.body != "" {
		fmt.Fprintf(&b, "  <Content-Length>%d</Content-Length>\n  <body>%s</body>\n", len(e.body), escapeXML(e.body))
	}
	b.WriteString("</event>\n")
	return b.String()
}

// percentEncode writes every byte as %XX that FreeSWITCH does not send as it is; a space is never "+". What
// is a %XX already stays one, so that a reader cannot tell it from an encoded byte.
func percentEncode(s string) string {
	const unsafe = " #%&+:;<=>?@[\\]^`{|}\""
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		encoded := c == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2])
		if !encoded && (c <= ' ' || c > '~' || strings.IndexByte(unsafe, c) >= 0) {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}

// writeJSONString quotes as FreeSWITCH does: bytes that are not UTF-8 stay as they are.
func writeJSONString(b *strings.Builder, s string) {
	short := map[byte]string{'"': `\"`, '\\': `\\`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '\b': `\b`, '\f': `\f`}
	b.WriteByte('"')
	for i := range len(s) {
		c := s[i]
		switch escaped, ok := short[c]; {
		case ok:
			b.WriteString(escaped)
		case c < ' ':
			fmt.Fprintf(b, `\u%04x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
}

var xmlEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&apos;")

func escapeXML(s string) string { return xmlEscaper.Replace(s) }

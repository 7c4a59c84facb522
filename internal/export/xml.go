package export

import (
	"encoding/binary"
	"fmt"
	"regexp"
	"unicode/utf8"
)

// newXMLEncoder makes the encoder of the format that XML documents.
func newXMLEncoder(columns []column, _ Options) (*encoder, error) {
	const head = `<?xml version="1.0" encoding="UTF-8"?>` + "\n<cdrs>\n"
	e := &encoder{text: appendXMLText, head: head, openFirst: "<cdr>", openRow: "<cdr>", closeRow: "</cdr>\n", foot: "</cdrs>\n"}
	for _, c := range columns {
		if !xmlName.MatchString(c.name) {
			return nil, fmt.Errorf("the column name %q cannot be an XML element; give it another name with AS", c.name)
		}
		e.cells = append(e.cells, cell{
			open:  "<" + c.name + ">",
			close: "</" + c.name + ">",
			null:  "<" + c.name + ` null="true"/>`,
		})
	}
	return e, nil
}

// appendXMLText appends text as the content of an element.
func appendXMLText(dst, text []byte) []byte {
	for len(text) > 0 {
		n := plainXML(text)
		dst = append(dst, text[:n]...)
		text = text[n:]
		if len(text) == 0 {
			break
		}
		r, size := utf8.DecodeRune(text)
		switch {
		case r == '&':
			dst = append(dst, "&amp;"...)
		case r == '<':
			dst = append(dst, "&lt;"...)
		case r == '>':
			dst = append(dst, "&gt;"...)
		case r == '\r':
			dst = append(dst, "&#13;"...)
		case r == '\n' || r == '\t':
			dst = append(dst, byte(r))
		case r < ' ', r == '\uFFFE', r == '\uFFFF', r == utf8.RuneError && size == 1:
			dst = append(dst, replacement...)
		default:
			dst = append(dst, text[:size]...)
		}
		text = text[size:]
	}
	return dst
}

// plainXML returns how many bytes at the start of text stand for themselves in an element and are
// ASCII, eight at a time and then one by one.
func plainXML(text []byte) int {
	const (
		ones  = 0x0101010101010101
		highs = 0x80 * ones
	)
	n := 0
	for ; len(text)-n >= 8; n += 8 {
		x := binary.LittleEndian.Uint64(text[n:])
		and, less, more := x^('&'*ones), x^('<'*ones), x^('>'*ones)
		if ((and-ones)|(less-ones)|(more-ones)|(x-' '*ones)|x)&highs != 0 {
			break
		}
	}
	for ; n < len(text); n++ {
		if b := text[n]; b < ' ' || b == '&' || b == '<' || b == '>' || b >= utf8.RuneSelf {
			break
		}
	}
	return n
}

// xmlName is what a column must be called to name an element. XML allows more; a colon would make it a
// namespace's.
var xmlName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

package export

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// The elements of an XML file: the root and one row.
const (
	xmlRoot = "cdrs"
	xmlRow  = "cdr"
)

// xmlEncoder writes the format that XML documents.
type xmlEncoder struct {
	columns []column
	tags    []xmlTags
}

// xmlTags are the pieces of a column's element.
type xmlTags struct{ open, close, null []byte }

func newXMLEncoder(columns []column, _ Options) (encoder, error) {
	e := &xmlEncoder{columns: columns}
	for i := range columns {
		name := columns[i].name
		if !isXMLName(name) {
			return nil, fmt.Errorf("the column name %q cannot be an XML element; give it another name with AS", name)
		}
		e.tags = append(e.tags, xmlTags{
			open:  []byte("<" + name + ">"),
			close: []byte("</" + name + ">"),
			null:  []byte("<" + name + ` null="true"/>`),
		})
	}
	return e, nil
}

func (e *xmlEncoder) begin(dst []byte) []byte {
	return append(dst, `<?xml version="1.0" encoding="UTF-8"?>`+"\n<"+xmlRoot+">\n"...)
}

func (e *xmlEncoder) row(dst []byte, values [][]byte) ([]byte, error) {
	if err := checkWidth(e.columns, values); err != nil {
		return nil, err
	}
	dst = append(dst, "<"+xmlRow+">"...)
	for i := range e.columns {
		tags, raw := &e.tags[i], values[i]
		if raw == nil {
			dst = append(dst, tags.null...)
			continue
		}
		dst = append(dst, tags.open...)
		if c := &e.columns[i]; c.kind == kindText {
			dst = appendXMLText(dst, raw)
		} else {
			var err error
			if dst, err = c.appendValue(dst, raw); err != nil {
				return nil, err
			}
		}
		dst = append(dst, tags.close...)
	}
	return append(dst, "</"+xmlRow+">\n"...), nil
}

func (e *xmlEncoder) end(dst []byte) []byte { return append(dst, "</"+xmlRoot+">\n"...) }

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

// isXMLName says whether a column's name can name an element: ASCII letters, digits, _ - and . with a
// letter or _ first. XML allows more; a colon would make it a namespace's.
func isXMLName(name string) bool {
	for i, r := range name {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		inside := r == '-' || r == '.' || r >= '0' && r <= '9'
		if !letter && (i == 0 || !inside) {
			return false
		}
	}
	return name != ""
}

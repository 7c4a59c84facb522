package export

import (
	"encoding/binary"
	"unicode/utf8"
)

// newJSONEncoder makes the encoder of the format that JSON documents.
func newJSONEncoder(columns []column, _ Options) (*encoder, error) {
	e := &encoder{text: appendJSONString, head: "[", openFirst: "\n{", openRow: ",\n{", closeRow: "}", foot: "\n]\n"}
	for i, c := range columns {
		key := string(appendJSONString(nil, []byte(c.name))) + ":"
		if i > 0 {
			key = "," + key
		}
		around := cell{open: key, null: key + "null", finite: c.kind == kindNumber}
		if c.kind >= kindUUID {
			around.open, around.close = key+`"`, `"`
		}
		e.cells = append(e.cells, around)
	}
	return e, nil
}

// appendJSONString appends text as a JSON string. U+2028 and U+2029 are escaped too, since older
// JavaScript takes them for line ends.
func appendJSONString(dst, text []byte) []byte {
	dst = append(dst, '"')
	for len(text) > 0 {
		n := plainJSON(text)
		dst = append(dst, text[:n]...)
		text = text[n:]
		if len(text) == 0 {
			break
		}
		r, size := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && size == 1:
			dst = append(dst, replacement...)
		case r == '\u2028' || r == '\u2029':
			dst = append(dst, `\u202`...)
			dst = append(dst, hexDigits[r&15])
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\r':
			dst = append(dst, `\r`...)
		case r == '\t':
			dst = append(dst, `\t`...)
		case r < ' ':
			dst = append(dst, `\u00`...)
			dst = append(dst, hexDigits[r>>4], hexDigits[r&15])
		default:
			dst = append(dst, text[:size]...)
		}
		text = text[size:]
	}
	return append(dst, '"')
}

// plainJSON returns how many bytes at the start of text stand for themselves in a JSON string and are
// ASCII, eight at a time and then one by one.
func plainJSON(text []byte) int {
	const (
		ones  = 0x0101010101010101
		highs = 0x80 * ones
	)
	n := 0
	for ; len(text)-n >= 8; n += 8 {
		x := binary.LittleEndian.Uint64(text[n:])
		quote, slash := x^('"'*ones), x^('\\'*ones)
		if ((quote-ones)|(slash-ones)|(x-' '*ones)|x)&highs != 0 {
			break
		}
	}
	for ; n < len(text); n++ {
		if b := text[n]; b < ' ' || b == '"' || b == '\\' || b >= utf8.RuneSelf {
			break
		}
	}
	return n
}

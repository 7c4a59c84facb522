package export

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"
)

// replacement is U+FFFD in UTF-8: what stands for what a format cannot hold.
const replacement = "\uFFFD"

// validUTF8 is text with U+FFFD in place of each byte that is not UTF-8: of each, where bytes.ToValidUTF8 has one for several.
func validUTF8(text []byte) []byte {
	if utf8.Valid(text) {
		return text
	}
	return bytes.Map(func(r rune) rune { return r }, text)
}

// escaping is how a format writes text that is not to be taken for markup.
type escaping struct {
	markup [3]byte // what ends plain text, besides control characters and what is not ASCII
	// escape is what stands for a character; "" if it stands for itself.
	escape func(rune) string
}

// append appends text. Each byte of it that is not UTF-8 becomes U+FFFD.
func (e *escaping) append(dst, text []byte) []byte {
	for {
		n := e.plain(text)
		dst = append(dst, text[:n]...)
		if n == len(text) {
			return dst
		}
		r, size := utf8.DecodeRune(text[n:])
		if escaped := e.escape(r); escaped != "" {
			dst = append(dst, escaped...)
		} else {
			dst = utf8.AppendRune(dst, r)
		}
		text = text[n+size:]
	}
}

// plain returns how many bytes at the start of text stand for themselves and are ASCII, eight at a time
// and then one by one.
func (e *escaping) plain(text []byte) int {
	const (
		ones  = 0x0101010101010101
		highs = 0x80 * ones
	)
	a, b, c := uint64(e.markup[0])*ones, uint64(e.markup[1])*ones, uint64(e.markup[2])*ones
	n := 0
	for ; len(text)-n >= 8; n += 8 {
		x := binary.LittleEndian.Uint64(text[n:])
		if (((x^a)-ones)|((x^b)-ones)|((x^c)-ones)|(x-' '*ones)|x)&highs != 0 {
			break
		}
	}
	for ; n < len(text); n++ {
		if b := text[n]; b < ' ' || b >= utf8.RuneSelf || b == e.markup[0] || b == e.markup[1] || b == e.markup[2] {
			break
		}
	}
	return n
}

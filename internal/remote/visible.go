package remote

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// visible is text of somebody else's for a terminal: what would move the cursor, colour or turn around what stands
// beside it, or be seen as nothing, is written as its number.
func visible(text string) string {
	if !strings.ContainsFunc(text, hides) {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case hides(r):
			b.WriteString(escaped(r))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// hides says whether a terminal would do something with the character, or show nothing.
func hides(r rune) bool {
	return r == utf8.RuneError || unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co)
}

// escaped is the character as JSON and Go write it.
func escaped(r rune) string {
	if r > 0xFFFF {
		high, low := (r-0x10000)>>10+0xD800, (r-0x10000)&0x3FF+0xDC00
		return fmt.Sprintf(`\u%04x\u%04x`, high, low)
	}
	return fmt.Sprintf(`\u%04x`, r)
}

// visibleJSON is JSON that means the same, with no such character as itself: within a text they are escaped, and
// elsewhere there are none but blanks.
func visibleJSON(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r != '\n' && r != '\t' && r != '\r' && r != utf8.RuneError && hides(r) {
			b.WriteString(escaped(r))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

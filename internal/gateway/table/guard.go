package table

import (
	"strings"

	"trunkline/internal/export"
)

// armed puts a ' before what a spreadsheet would take for a formula, at the beginning of a cell and where one with
// other separators would begin a cell, and one more before what has such a ' itself: disarmed finds the text again.
func armed(text string) string {
	var b strings.Builder
	rest := text
	for begins := true; ; begins = false {
		if export.BeginsFormula([]byte(strings.TrimLeft(rest, "'")), !begins) {
			b.WriteByte('\'')
		}
		at := strings.IndexByte(rest, ';')
		b.WriteString(rest[:at+1])
		if at < 0 {
			b.WriteString(rest)
			return b.String()
		}
		rest = rest[at+1:]
	}
}

// disarmed is the text that armed was given.
func disarmed(text string) string {
	if !strings.Contains(text, "'") {
		return text
	}
	var b strings.Builder
	rest := text
	for begins := true; ; begins = false {
		if after, guarded := strings.CutPrefix(rest, "'"); guarded && export.BeginsFormula([]byte(strings.TrimLeft(after, "'")), !begins) {
			rest = after
		}
		at := strings.IndexByte(rest, ';')
		b.WriteString(rest[:at+1])
		if at < 0 {
			b.WriteString(rest)
			return b.String()
		}
		rest = rest[at+1:]
	}
}

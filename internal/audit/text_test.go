package audit

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func FuzzCleaned(f *testing.F) {
	for _, seed := range []string{"", "admin@a.example", "a\x00b\r\n", "\xff", strings.Repeat("é", 200), strings.Repeat("\x80", 300), "\u202e\u2028"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := cleaned(s)
		if !utf8.ValidString(got) || len(got) > maxText || strings.ContainsFunc(got, unicode.IsControl) {
			t.Errorf("%q became %q", s, got)
		}
		if cleaned(got) != got {
			t.Errorf("%q is not clean yet", got)
		}
		plain := utf8.ValidString(s) && len(s) <= maxText && !strings.ContainsFunc(s, func(r rune) bool {
			return !unicode.IsPrint(r)
		})
		if plain && got != s {
			t.Errorf("%q became %q", s, got)
		}
		if ascii := inASCII(got); strings.ContainsFunc(ascii, func(r rune) bool { return r > unicode.MaxASCII }) {
			t.Errorf("%q is not ASCII", ascii)
		}
	})
}

package remote

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestVisible(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Müller & Söhne":     "Müller & Söhne",
		"a\x1b[2Jb":          `a\u001b[2Jb`,
		"a\tb\nc\r":          `a\u0009b\u000ac\u000d`,
		"\u009bm":            `\u009bm`,
		"\u202egnp.exe":      `\u202egnp.exe`,
		"zero\u200bwidth":    `zero\u200bwidth`,
		"\xff":               `\xff`,
		"\ufffd":             `\ufffd`,
		"\U000e0041":         `\udb40\udc41`,
		"\u2028":             `\u2028`,
		"\U0001f600 is fine": "\U0001f600 is fine",
	} {
		if got := visible(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func FuzzVisible(f *testing.F) {
	f.Add("a\x1b[31m\u202e")
	f.Fuzz(func(t *testing.T, text string) {
		if got := visible(text); strings.ContainsFunc(got, hides) {
			t.Errorf("%q shows %q", text, got)
		}
		encoded, err := json.Marshal(map[string]string{"a": text})
		if err != nil {
			t.Fatal(err)
		}
		shown := indented(encoded)
		var before, after any
		if err := json.Unmarshal(encoded, &before); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(shown), &after); err != nil || !reflect.DeepEqual(before, after) {
			t.Errorf("%q became %q: %v", encoded, shown, err)
		}
		if strings.ContainsFunc(shown, func(r rune) bool { return r != '\n' && r != '\ufffd' && hides(r) }) {
			t.Errorf("%q shows %q", encoded, shown)
		}
	})
}

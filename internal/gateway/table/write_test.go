package table

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"trunkline/internal/export"
)

// FuzzWhatIsWrittenIsRead: with and without the guard, by each delimiter, and as JSON.
func FuzzWhatIsWrittenIsRead(f *testing.F) {
	for _, text := range []string{"=1+1", "'=1", "''-x", "a;=b", ";'=1", "+49", " p ", `a"b`, "a,b|c", "@x", "-1", "\u200b=1", "'"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if text == "" || len(text) > testLimits.Cell-1 || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
			return
		}
		if guarded := armed(text); disarmed(guarded) != text || armed(guarded) == guarded && guarded != text {
			t.Fatalf("%q is %q, and back %q", text, guarded, disarmed(guarded))
		}
		for begins, rest := true, armed(text); ; begins = false {
			if export.BeginsFormula([]byte(rest), !begins) {
				t.Fatalf("%q is the formula %q", text, armed(text))
			}
			var more bool
			if _, rest, more = strings.Cut(rest, ";"); !more {
				break
			}
		}
		var files []string
		for _, delimiter := range delimiters {
			for _, guard := range []bool{false, true} {
				var b bytes.Buffer
				w := NewCSVWriter(&b, string(delimiter), guard)
				marker := "user"
				if guard {
					marker = "result_state"
				}
				write(t, w.Row([]string{"name", "password", marker}))
				write(t, w.Row([]string{"a", text, ""}))
				write(t, w.Flush())
				files = append(files, b.String())
			}
		}
		var b bytes.Buffer
		w := NewNDJSONWriter(&b)
		a := "a"
		write(t, w.Row([]string{"name", "password", "user"}, []*string{&a, &text, nil}))
		write(t, w.Flush())
		if !json.Valid(b.Bytes()) {
			t.Fatalf("not JSON: %s", b.String())
		}
		for _, file := range append(files, b.String()) {
			var got Row
			if _, err := Read(strings.NewReader(file), options(), func(r Row) { got = r }); err != nil || got.Values["password"] != text {
				t.Fatalf("%q: got %q, %v from %s", text, got.Values["password"], err, file)
			}
		}
	})
}

func write(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

package export

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// hostile are texts that callers have sent, or could.
var hostile = []string{
	"", " ", "plain", "Müller", "日本語", `O"Brien, "Bob"`, "line\nbreak", "line\r\nbreak", "\r", "tab\there",
	"=cmd|' /C calc'!A0", "+15551234", "-5", "+1-2", "@sum(A1)", "<b>&amp;</b>", "]]>", "$(reboot)", `back\slash`,
	"nul\x00byte", "bell\x07", "\x1b[31m", "del\x7f", "\u0085", "bad\xff\xfeutf8", "\xc3", "cut\xe2\x82", "\xed\xa0\x80", // a surrogate
	"\uFFFD", "\uFFFE", "\uFFFF", "\u2028\u2029", "\U0001F600", "12345678", "1234567\"", "12345678,", "1234567é", "1234567<9",
}

// encodeAll writes rows of text columns a, b, c... into a whole file.
func encodeAll(t testing.TB, o Options, rows ...[][]byte) []byte {
	t.Helper()
	columns := make([]column, len(rows[0]))
	for i := range columns {
		columns[i] = column{name: string(rune('a' + i)), kind: kindText, at: i}
	}
	return encodeRows(t, columns, o, rows...)
}

// encodeRows writes rows into a whole file of one slice.
func encodeRows(t testing.TB, columns []column, o Options, rows ...[][]byte) []byte {
	t.Helper()
	e, around, err := newEncoder(columns, len(columns), o)
	if err != nil {
		t.Fatal(err)
	}
	out := slices.Clone(around.head)
	e.begin(true)
	for _, row := range rows {
		if out, err = e.row(out, row); err != nil {
			t.Fatal(err)
		}
	}
	out, note, err := e.end(out)
	if err != nil {
		t.Fatal(err)
	}
	foot, err := around.foot([][]byte{note}, []int64{int64(len(around.head))})
	if err != nil {
		t.Fatal(err)
	}
	return append(out, foot...)
}

// validText is what JSON makes of text: each byte that is not UTF-8 becomes U+FFFD.
func validText(text string) string {
	var b strings.Builder
	for _, r := range text {
		b.WriteRune(r)
	}
	return b.String()
}

// xmlText is what XML makes of text: as validText, and characters that XML forbids become U+FFFD.
func xmlText(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' && r != '\r' || r == '\uFFFE' || r == '\uFFFF' {
			return utf8.RuneError
		}
		return r
	}, validText(text))
}

// checkCSV reads a file back and compares it. encoding/csv turns CRLF inside quotes into LF, so the
// wanted text is compared after the same change.
func checkCSV(t *testing.T, text string) {
	t.Helper()
	file := encodeAll(t, Options{Format: CSV}, [][]byte{[]byte(text), nil, []byte("end")}, [][]byte{nil, []byte(text), []byte(text)})
	records, err := csv.NewReader(bytes.NewReader(file)).ReadAll()
	if err != nil {
		t.Fatalf("%q: %v in\n%s", text, err, file)
	}
	folded := strings.ReplaceAll(text, "\r\n", "\n")
	want := [][]string{{"a", "b", "c"}, {folded, "", "end"}, {"", folded, folded}}
	if fmt.Sprintf("%q", records) != fmt.Sprintf("%q", want) {
		t.Errorf("CSV of %q reads back as %q, want %q", text, records, want)
	}
	// No reader folds anything here: the exact bytes stand between quotes, or bare.
	quoted := `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
	if !bytes.Contains(file, []byte(","+quoted+","+quoted+"\n")) && !bytes.Contains(file, []byte(","+text+","+text+"\n")) {
		t.Errorf("CSV of %q does not have its bytes: %q", text, file)
	}
}

func checkJSON(t *testing.T, text string) {
	t.Helper()
	file := encodeAll(t, Options{Format: JSON}, [][]byte{[]byte(text), nil}, [][]byte{nil, []byte(text)})
	if !utf8.Valid(file) {
		t.Fatalf("JSON of %q is not UTF-8: %q", text, file)
	}
	var rows []map[string]*string
	if err := json.Unmarshal(file, &rows); err != nil {
		t.Fatalf("JSON of %q does not parse: %v in %q", text, err, file)
	}
	if len(rows) != 2 || rows[0]["a"] == nil || *rows[0]["a"] != validText(text) || rows[0]["b"] != nil || *rows[1]["b"] != validText(text) {
		t.Errorf("JSON of %q reads back as %v", text, rows)
	}
	if bytes.Count(file, []byte("\n")) != 4 {
		t.Errorf("JSON of %q has not one row a line: %q", text, file)
	}
}

type xmlFile struct {
	XMLName xml.Name `xml:"cdrs"`
	Rows    []struct {
		Cells []struct {
			XMLName xml.Name
			Null    string `xml:"null,attr"`
			Text    string `xml:",chardata"`
		} `xml:",any"`
	} `xml:"cdr"`
}

func checkXML(t *testing.T, text string) {
	t.Helper()
	file := encodeAll(t, Options{Format: XML}, [][]byte{[]byte(text), nil}, [][]byte{nil, []byte(text)})
	if !utf8.Valid(file) {
		t.Fatalf("XML of %q is not UTF-8: %q", text, file)
	}
	var got xmlFile
	if err := xml.Unmarshal(file, &got); err != nil {
		t.Fatalf("XML of %q does not parse: %v in %q", text, err, file)
	}
	if len(got.Rows) != 2 || len(got.Rows[0].Cells) != 2 || len(got.Rows[1].Cells) != 2 {
		t.Fatalf("XML of %q has other rows: %+v", text, got)
	}
	first, second := got.Rows[0].Cells[0], got.Rows[1].Cells[0]
	if first.XMLName.Local != "a" || first.Text != xmlText(text) || first.Null != "" {
		t.Errorf("XML of %q reads back as %q, want %q", text, first.Text, xmlText(text))
	}
	if second.Null != "true" || second.Text != "" {
		t.Errorf("XML of NULL reads back as %+v", second)
	}
	// encoding/xml lets through what XML 1.0 forbids in places, so look for it ourselves.
	for _, r := range string(file) {
		if r < ' ' && r != '\n' && r != '\t' || r == '\uFFFE' || r == '\uFFFF' {
			t.Errorf("XML of %q holds %U", text, r)
		}
	}
}

func TestHostileTextSurvivesEveryFormat(t *testing.T) {
	t.Parallel()
	for _, text := range hostile {
		checkCSV(t, text)
		checkJSON(t, text)
		checkXML(t, text)
	}
	// Every byte at every place of the eight that are looked at together.
	for b := range 256 {
		for at := range 9 {
			text := []byte("abcdefghi")
			text[at] = byte(b)
			checkCSV(t, string(text))
			checkJSON(t, string(text))
			checkXML(t, string(text))
		}
	}
}

func FuzzEncoders(f *testing.F) {
	for _, text := range hostile {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		checkCSV(t, text)
		checkJSON(t, text)
		checkXML(t, text)
	})
}

func TestFormulaGuard(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{"=1+1", "'=1+1"},
		{"=1,2", `"'=1,2"`},
		{"@A1", "'@A1"},
		{"\tx", "\"'\tx\""},
		{"\rx", "\"'\rx\""},
		{"\nx", "\"'\nx\""},
		{"+cmd", "'+cmd"},
		{"-1+2", "'-1+2"},
		{"+1-2", "'+1-2"},
		{"-", "'-"},
		{"+.", "'+."},
		{"1.2.3", "1.2.3"},
		{"-1.2.3", "'-1.2.3"},
		{"+15551234", "+15551234"},
		{"-5", "-5"},
		{"-5.25", "-5.25"},
		{"a=b", "a=b"},
		{"a =b", "a =b"},
		{"x;=cmd|calc", `"x;'=cmd|calc"`},
		{"x;+1-2;y", `"x;'+1-2;y"`},
		{"x; \u200b@A1", "\"x;' \u200b@A1\""},
		{`x;"=1+1`, `"x;'""=1+1"`},
		{"x\t=1", "\"x\t'=1\""},
		{"x\n=1", "\"x\n'=1\""},
		{"x;+4930", `"x;+4930"`},
		{";y", `";y"`},
		{";=y", `";'=y"`},
		{" =1+1", "' =1+1"},
		{" -5", " -5"},
		{" - 5", "' - 5"},
		{"\u00a0=1", "'\u00a0=1"},
		{"\xa0=1", "'\xa0=1"}, // a no-break space in Latin-1
		{"\ufeff=1", "'\ufeff=1"},
		{"\u200b\u2060=1", "'\u200b\u2060=1"},
		{"\u202e=1", "'\u202e=1"},
		{"\ufe0f=1", "'\ufe0f=1"},
		{"\u3164=1", "'\u3164=1"},
		{"\x00=1", "\"'\x00=1\""},
		{"\x1f=1", "'\x1f=1"},
		{"\x7f=1", "'\x7f=1"},
		{"＝1+1", "'＝1+1"},
		{"＋cmd", "'＋cmd"},
		{"－1", "'－1"},
		{"＠A1", "'＠A1"},
		{"−1+2", "'−1+2"},
		{"Müller", "Müller"},
		{"日本", "日本"},
		{" Ann", " Ann"},
		{"", `""`},
	} {
		if got := string(newCSVStyle(Options{FormulaGuard: true}).append(nil, []byte(tt.text))); got != tt.want {
			t.Errorf("cell %q: got %q, want %q", tt.text, got, tt.want)
		}
	}
	if got := string(newCSVStyle(Options{}).append(nil, []byte("=1+1"))); got != "=1+1" {
		t.Errorf("without the guard: got %q", got)
	}
}

// unseen is what a spreadsheet may pass over at the beginning of a cell, and more than that.
var unseen = regexp.MustCompile(`^[\pC\pZ\pM\s\x{115F}\x{1160}\x{3164}\x{FFA0}\x{FFFD}]+`)

// FuzzFormulaGuard makes sure that no guarded cell begins in a way that a spreadsheet computes, whether it
// separates at commas, semicolons, tabs or lines.
func FuzzFormulaGuard(f *testing.F) {
	for _, text := range hostile {
		f.Add(text)
	}
	f.Add("x;=cmd|calc")
	f.Add("x; \u00a0\ufeff＝1")
	f.Fuzz(func(t *testing.T, text string) {
		r := csv.NewReader(bytes.NewReader(append(newCSVStyle(Options{FormulaGuard: true}).append(nil, []byte(text)), '\n')))
		record, err := r.Read()
		if err == io.EOF && text == "" {
			return
		}
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		for _, cell := range strings.FieldsFunc(record[0], func(r rune) bool { return strings.ContainsRune(";|\t\r\n", r) }) {
			seen := unseen.ReplaceAllString(strings.ToValidUTF8(cell, "\ufffd"), "")
			sign, size := utf8.DecodeRuneInString(seen)
			if !strings.ContainsRune("=+-@＝＋－＠", sign) || seen == "" {
				continue
			}
			if sign != '+' && sign != '-' || strings.Trim(seen[size:], "0123456789.") != "" {
				t.Errorf("cell %q of %q would be computed", cell, text)
			}
		}
	})
}

func TestOneColumnOfNulls(t *testing.T) {
	t.Parallel()
	got := string(encodeAll(t, Options{Format: CSV}, [][]byte{nil}, [][]byte{[]byte("x")}))
	if want := "a\n\"\"\nx\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEncodersRefuseARowOfAnotherWidth(t *testing.T) {
	t.Parallel()
	for _, format := range Formats() {
		e, _, err := newEncoder([]column{{name: "a"}, {name: "b", at: 1}}, 2, Options{Format: format})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.row(nil, [][]byte{nil}); err == nil {
			t.Errorf("%s took a row of one value for two columns", format)
		}
	}
}

func TestParseFormat(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in        string
		want      Format
		extension string
		mediaType string
	}{
		{"csv", CSV, "csv", "text/csv; charset=utf-8; header=present"},
		{"Json", JSON, "json", "application/json"},
		{"ndjson", NDJSON, "ndjson", "application/x-ndjson"},
		{"XML", XML, "xml", "application/xml; charset=utf-8"},
		{"parquet", Parquet, "parquet", "application/vnd.apache.parquet"},
	} {
		got, err := ParseFormat(tt.in)
		if err != nil || got != tt.want || Extension(got, None) != tt.extension || ContentType(got, None) != tt.mediaType {
			t.Errorf("ParseFormat(%q) = %q (%s, %s), %v", tt.in, got, Extension(got, None), ContentType(got, None), err)
		}
	}
	for _, in := range []string{"", "xlsx", " csv"} {
		if _, err := ParseFormat(in); err == nil || !strings.Contains(err.Error(), "JSON, NDJSON, CSV, XML or PARQUET") {
			t.Errorf("ParseFormat(%q): error %v does not name the formats", in, err)
		}
	}
}

func TestXMLName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"xml_cdr_uuid": true, "_a": true, "a-b.c9": true, "": false, "9a": false, "-a": false, "a b": false, "a>b": false, "a:b": false, "é": false,
	} {
		if got := xmlName.MatchString(name); got != want {
			t.Errorf("xmlName of %q = %v, want %v", name, got, want)
		}
	}
}

func TestParquetTextIsValid(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"": "", "é": "é", "a\xff\xfeb": "a\uFFFD\uFFFDb", "\xc3": "\uFFFD"} {
		if got := string(validUTF8([]byte(text))); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

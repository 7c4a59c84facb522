package table

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode"
	"unicode/utf8"

	"trunkline/internal/fault"
)

var testLimits = Limits{Rows: 100, Bytes: 100_000, Cell: 200, Faults: 50}

// fields are the columns of the tests, with an alias.
var fields = map[string]string{"gateway_name": "gateway_name", "name": "gateway_name", "host": "host", "user": "user", "password": "password"}

func options() Options {
	return Options{
		Limits: testLimits, Key: []string{"gateway_name"},
		Field:  func(name string) string { return fields[name] },
		Skip:   func(name string) bool { return strings.HasPrefix(name, "result_") },
		Disarm: func(name string) bool { return strings.HasPrefix(name, "result_") },
	}
}

// read reads a text in pieces of one byte, and prints its rows.
func read(text string, o Options) (File, string, error) {
	var rows strings.Builder
	file, err := Read(iotest.OneByteReader(strings.NewReader(text)), o, func(r Row) {
		fmt.Fprintf(&rows, "%d@%d", r.Number, r.Line)
		for _, field := range slices.Sorted(maps.Keys(r.Values)) {
			fmt.Fprintf(&rows, " %s=%q", field, r.Values[field])
		}
		for _, f := range r.Faults {
			fmt.Fprintf(&rows, " !%s", f.Message)
		}
		rows.WriteByte('\n')
	})
	return file, rows.String(), err
}

const two = "1@2 gateway_name=\"a\" host=\"h\"\n2@3 gateway_name=\"b\" host=\"+49\"\n"

func TestReadsGoodFiles(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"comma":              {"gateway_name,host\na,h\nb,+49\n", two},
		"semicolon":          {"gateway_name;host\na;h\nb;+49\n", two},
		"tab":                {"gateway_name\thost\na\th\nb\t+49\n", two},
		"bar":                {"gateway_name|host\na|h\nb|+49\n", two},
		"CRLF":               {"gateway_name,host\r\na,h\r\nb,+49\r\n", two},
		"CR":                 {"gateway_name,host\ra,h\rb,+49\r", two},
		"no last line end":   {"gateway_name,host\na,h\nb,+49", two},
		"a mark":             {"\ufeffgateway_name,host\na,h\nb,+49\n", two},
		"a mark and quotes":  {"\ufeff\"gateway_name\",\"host\"\n\"a\",h\nb,\"+49\"\n", two},
		"other names":        {"Gateway Name , HOST\na,h\nb,+49\n", two},
		"hyphens":            {"gateway-name,host\na,h\nb,+49\n", two},
		"an alias":           {"NAME,host\na,h\nb,+49\n", two},
		"results passed":     {"name,result_state,host\na,failed,h\nb,,+49\n", two},
		"blank rows":         {"name,host\na,h\nb,+49\n,\n\n , \n", two},
		"unnamed at the end": {"\ufeffname;host;;\r\na;h;;\r\nb;+49; ;\r\n;;;\r\n", two},
		"quoted":             {"name,host\n\"a, \"\"b\"\";\",\"h\"\n", "1@2 gateway_name=\"a, \\\"b\\\";\" host=\"h\"\n"},
		"an empty cell":      {"name,host\na,\n\"\",h\n", "1@2 gateway_name=\"a\"\n2@3 host=\"h\"\n"},
		"one column":         {"name\na\nb\n", "1@2 gateway_name=\"a\"\n2@3 gateway_name=\"b\"\n"},
		"leading zeros":      {"name,user\n007,+0049\n", "1@2 gateway_name=\"007\" user=\"+0049\"\n"},
		"spaces stay":        {"name,password\na, p \n", "1@2 gateway_name=\"a\" password=\" p \"\n"},
		"a guard goes":       {"name,result_state,password\na,,'=1\nb,,''=1\nc,,'a\n", "1@2 gateway_name=\"a\" password=\"=1\"\n2@3 gateway_name=\"b\" password=\"'=1\"\n3@4 gateway_name=\"c\" password=\"'a\"\n"},
		"a ' of one's own":   {"name,password\na,'=1\n", "1@2 gateway_name=\"a\" password=\"'=1\"\n"},
		"NDJSON":             {"\n{\"gateway_name\":\"a\",\"host\":\"h\"}\n{\"name\":\"b\", \"host\" : \"+49\" }", two},
		"an array":           {"[\n{\"gateway_name\":\"a\",\"host\":\"h\"},\n{\"name\":\"b\",\n\"host\":\"\\u002b49\"}\n]\n", two},
		"numbers and such":   {`[{"name":1e2,"host":-0.50,"user":true,"password":null}]`, "1@1 gateway_name=\"1e2\" host=\"-0.50\" user=\"true\"\n"},
		"an empty text":      {`{"name":"a","host":""}`, "1@1 gateway_name=\"a\" host=\"\"\n"},
		"escapes":            {`{"name":"\"\\\/\u00e4\ud83d\ude00"}`, "1@1 gateway_name=\"\\\"\\\\/ä😀\"\n"},
		"an empty object":    {`[{}]`, "1@1\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, got, err := read(c.text, options()); err != nil || got != c.want {
				t.Fatalf("got %s, %v; want %s", got, err, c.want)
			}
		})
	}
}

// What is wrong with a value leaves the file readable.
func TestFaultsOfValues(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 201)
	for name, c := range map[string]struct{ text, want string }{
		"a line break":   {"name,host\n\"a\nb\",h\nc,h\n", "1@2 host=\"h\" !gateway_name: " + controlCharacter + "\n2@4 gateway_name=\"c\" host=\"h\"\n"},
		"a NUL":          {"name,host\na\x00,h\n", "1@2 host=\"h\" !gateway_name: " + controlCharacter + "\n"},
		"too long":       {"name,host\n" + long + ",h\nb,h\n", "1@2 host=\"h\" !gateway_name: is longer than 200 bytes; shorten it\n2@3 gateway_name=\"b\" host=\"h\"\n"},
		"an escaped NUL": {`{"name":"\u0000"}`, "1@1 !gateway_name: " + controlCharacter + "\n"},
		"nested":         {`{"name":{"a":["}",1]},"host":[1]}`, "1@1 !gateway_name: is nested; write a string (several values with commas between them), a number or a boolean !host: is nested; write a string (several values with commas between them), a number or a boolean\n"},
		"nested deep":    {`[{"name":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}]`, "1@1 !gateway_name: is nested; write a string (several values with commas between them), a number or a boolean\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, got, err := read(c.text, options()); err != nil || got != c.want {
				t.Fatalf("got %s, %v; want %s", got, err, c.want)
			}
		})
	}
}

// Each fault has its line, and all of them are told.
func TestUnreadableFiles(t *testing.T) {
	t.Parallel()
	utf16 := func(text string, high, low int) string {
		var b strings.Builder
		for _, c := range []byte(text) {
			pair := [2]byte{}
			pair[high], pair[low] = 0, c
			b.Write(pair[:])
		}
		return b.String()
	}
	const csv = "name,host\na,h\n"
	for name, c := range map[string]struct {
		text string
		want []string // line, row, and what the message says
	}{
		"nothing":               {"", []string{"0 0 the file is empty"}},
		"blanks":                {" \r\n\n", []string{"0 0 the file is empty"}},
		"a mark alone":          {"\ufeff", []string{"0 0 the file is empty"}},
		"a header alone":        {"name,host\n", []string{"0 0 a header and no rows"}},
		"an empty array":        {" [ ] ", []string{"0 0 no rows"}},
		"no header":             {"trunk-1,sip.example,account,s3cret\n", []string{"1 0 the first row has to name the columns, and none of them is gateway_name"}},
		"ragged":                {"name,host\na\nb,h,x\nc,h\nd,h,\n", []string{"2 1 the row has 1 cells and the header 2", "3 2 has 3 cells", "5 4 has 3 cells"}},
		"lines after quotes":    {"name,host\n\"a\nb\r\nc\",h\nd\n", []string{"5 2 the row has 1 cells"}},
		"an unclosed quote":     {"name,host\na,h\nb,\"h\nc,h\n", []string{"3 2 column 2: the quote that opens here is never closed"}},
		"an unclosed header":    {"name,\"host\na,h\n", []string{"1 0 column 2: the quote that opens here is never closed"}},
		"text after a quote":    {"name,host\n\"a\"b,h\nc,h\"\n", []string{"2 1 column 1: text follows", "3 2 column 2: a quote stands within"}},
		"a doubled column":      {"name,host,Gateway Name\na,h,b\n", []string{`1 0 gateway_name is given twice, by the columns "name" and "Gateway Name"`}},
		"a column without name": {"name,,host,\na,b,h,\n", []string{"1 0 column 2 has no name", "1 0 column 4 has no name"}},
		"a cell without a name": {"name,host,,\na,h,,\nb,h,x,\n", []string{"3 2 column 3 has no name, and a cell here"}},
		"UTF-16 LE":             {"\xff\xfe" + utf16(csv, 1, 0), []string{"1 0 UTF-16 (LE)"}},
		"UTF-16 BE":             {"\xfe\xff" + utf16(csv, 0, 1), []string{"1 0 UTF-16 (BE)"}},
		"UTF-16 LE, no mark":    {utf16(csv, 1, 0), []string{"1 0 UTF-16 (LE)"}},
		"UTF-16 BE, no mark":    {utf16(csv, 0, 1), []string{"1 0 UTF-16 (BE)"}},
		"UTF-32":                {"\xff\xfe\x00\x00n\x00\x00\x00", []string{"1 0 UTF-32"}},
		"a workbook":            {"PK\x03\x04rest", []string{"1 0 workbook"}},
		"compressed":            {"\x1f\x8brest", []string{"1 0 compressed"}},
		"Windows-1252":          {"name,host\nM\xfcller,h\n\x80uro,h\nc\n", []string{"2 1 Windows-1252 or Latin-1", "3 2 looks like Windows-1252;", "4 3 the row has 1"}},
		"neither":               {"name,host\nM\x81,h\n", []string{"2 1 is not valid UTF-8; save"}},
		"Latin-1 in a header":   {"name,Stra\xdfe\na,h\n", []string{"1 0 the name of column 2 is not valid UTF-8"}},
		"too many rows":         {"name\n" + strings.Repeat("a\n", 101), []string{"102 101 more than 100 rows"}},
		"half an array":         {"[{\"name\":\"a\"},\n", []string{"2 1 the array ends before its ]"}},
		"half an object":        {"[{\"name\":\"a\"", []string{"1 1 the array ends before its ]"}},
		"no objects":            {"[1,2]", []string{"1 0 each element has to be an object"}},
		"a comma too many":      {"[{\"name\":\"a\"},]", []string{"1 1 each element has to be an object"}},
		"a comma missing":       {"[{\"name\":\"a\"}\n{\"name\":\"b\"}]", []string{"2 1 a comma or ]"}},
		"after the array":       {"[{\"name\":\"a\"}]\nx", []string{"2 1 something follows"}},
		"doubled names":         {"[{\"name\":\"a\",\n\"Gateway_Name\":\"b\"},{\"x\":1,\"X\":2}]", []string{"1 1 gateway_name: is given twice", "2 2 x: is given twice"}},
		"a word":                {`[{"name":nul}]`, []string{"1 1 a value has to be a string"}},
		"a leading zero":        {`[{"name":007}]`, []string{"1 1 a value has to be a string"}},
		"lines, some broken": {"{\"name\":\"a\"}\n{\"name\":\"b\n{\"name\":\"c\"}\nx\n{\"name\":\"d\"} {}\n{\"name\":\n{\"name\":\"e\"", []string{
			"2 2 a string holds a line break", "4 4 each line has to be an object", "5 5 something follows", "6 6 the line ends within an object", "7 7 the object ends before its }"}},
		"half a pair":       {`{"name":"\ud83d"}`, []string{"1 1 half of a pair"}},
		"a broken escape":   {`{"name":"\x"}`, []string{"1 1 begins nothing that JSON knows"}},
		"deep, not closed":  {`[{"name":` + strings.Repeat("[", 10_000), []string{"1 1 the array ends before its ]"}},
		"deep from its top": {strings.Repeat("[", 10_000), []string{"1 0 each element has to be an object"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := read(c.text, options())
			refused, ok := errors.AsType[*fault.Error](err)
			if !ok || len(refused.Details) != len(c.want) || refused.DetailsTotal != len(c.want) {
				t.Fatalf("got %v, %+v; want %q", err, refused, c.want)
			}
			for i, want := range c.want {
				var line, row int
				_, serr := fmt.Sscanf(want, "%d %d", &line, &row)
				says := strings.SplitN(want, " ", 3)[2]
				if got := refused.Details[i]; serr != nil || got.Line != line || got.Row != row || !strings.Contains(got.Message, says) {
					t.Errorf("fault %d is %+v, want %s", i, got, want)
				}
			}
			if strings.Contains(refused.Message, "s3cret") {
				t.Errorf("a value is in %q", refused.Message)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	o := options()
	o.Bytes = 30
	if _, _, err := read("name,host\n"+strings.Repeat("a,h\n", 10), o); !fault.Is(err, fault.TooLarge) || !strings.Contains(err.Error(), "30 bytes") {
		t.Errorf("a long file: got %v", err)
	}
	o = options()
	o.Limits.Faults = 3
	_, _, err := read("name,host\n"+strings.Repeat("a\n", 10), o)
	if refused, _ := errors.AsType[*fault.Error](err); refused == nil || len(refused.Details) != 3 || refused.DetailsTotal != 10 || !strings.Contains(refused.Message, "9 more") {
		t.Errorf("ten faults: got %+v", refused)
	}
	if _, _, err := read("name,host\na,"+strings.Repeat("h", 90_000)+"\n", options()); err != nil {
		t.Errorf("a long cell: got %v", err)
	}
	if _, err := Read(iotest.ErrReader(errors.New("gone")), options(), func(Row) {}); err == nil || !strings.Contains(err.Error(), "broke off") {
		t.Errorf("a reader that fails: got %v", err)
	}
	if _, _, err := read(strings.Repeat("name,", 600)+"name\n", options()); !fault.Is(err, fault.InvalidRequest) {
		t.Errorf("a wide header: got %v", err)
	}
}

// What is unknown is told once, with where it is.
func TestUnknownColumns(t *testing.T) {
	t.Parallel()
	file, _, err := read("name,Colour,host,Size\na,red,h,1\n", options())
	if want := []Unknown{{"Colour", 1, 0}, {"Size", 1, 0}}; err != nil || !slices.Equal(file.Unknown, want) || len(file.Columns) != 2 {
		t.Errorf("CSV: got %+v, %v", file, err)
	}
	file, _, err = read("{\"name\":\"a\"}\n{\"name\":\"b\",\"colour\":{\"x\":1}}\n{\"colour\":1}\n", options())
	if want := []Unknown{{"colour", 2, 2}}; err != nil || !slices.Equal(file.Unknown, want) {
		t.Errorf("NDJSON: got %+v, %v", file, err)
	}
}

// fuzzed: whatever is sent, a value is clean text, each row has a line of the file, and a refusal can be told.
func fuzzed(t *testing.T, text string) {
	lines, last := strings.Count(text, "\n")+strings.Count(text, "\r")+1, 0
	file, err := Read(strings.NewReader(text), options(), func(r Row) {
		if r.Number != last+1 || r.Line < 1 || r.Line > lines {
			t.Fatalf("row %d after %d, at line %d of %d", r.Number, last, r.Line, lines)
		}
		last = r.Number
		for field, value := range r.Values {
			if !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl) || len(value) > testLimits.Cell || fields[field] == "" {
				t.Fatalf("got %q=%q", field, value)
			}
		}
	})
	if err == nil {
		if file.Rows != last || last == 0 {
			t.Fatalf("%d rows were handed on of %d", last, file.Rows)
		}
		return
	}
	refused, ok := errors.AsType[*fault.Error](err)
	if !ok || refused.Code != fault.InvalidRequest && refused.Code != fault.TooLarge || len(refused.Details) == 0 || len(refused.Details) > testLimits.Faults {
		t.Fatalf("refused with %#v", err)
	}
	for _, f := range append(refused.Details, fault.Detail{Message: refused.Message}) {
		if !utf8.ValidString(f.Message) || strings.ContainsFunc(f.Message, unicode.IsControl) || f.Line > lines {
			t.Fatalf("a fault is not clean: %+v", f)
		}
	}
}

func FuzzCSV(f *testing.F) {
	for _, text := range []string{"name,host\na,h\n", "\ufeffname;host\r\n\"a\"\"b\";h\r", "name\n\"x", "\xff\xfen\x00", "name,host\n\xfc,h\n,\n"} {
		f.Add(text)
	}
	f.Fuzz(fuzzed)
}

func FuzzNDJSON(f *testing.F) {
	for _, text := range []string{`"name":"a","host":1}`, "\"name\":\"\\ud83d\\ude00\"}\n{\"host\":[{}]}", "}\nx\n{", `"name":-1.5e+3,"x":null}`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) { fuzzed(t, "{"+text) })
}

func FuzzJSON(f *testing.F) {
	for _, text := range []string{`{"name":"a"},{"host":true}]`, "]", `{"name":[[[[{"a":"]"}]]]]}]`, "{\"name\":\"\\u00e4\"\n}\n] x"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) { fuzzed(t, "["+text) })
}

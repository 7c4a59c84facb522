package export

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// seed has a test make the rows of a run that failed once more.
var seed = flag.Uint64("seed", 0, "the seed that TestWhatIsWrittenIsRead names when it fails; 0 is another one each time")

// TestWhatIsWrittenIsRead writes random rows in every format, laid out and packed in every way, in slices of few rows
// through one connection and through three, and after attempts that were cut off. What the documentation says of a value
// is what other programs and libraries read of it: Postgres, Python, jq, xmllint, gzip, zstd, and those of Go.
func TestWhatIsWrittenIsRead(t *testing.T) {
	t.Parallel()
	first := *seed
	if first == 0 {
		first = rand.Uint64N(1 << 32)
	}
	for i, rows := range []int{40, 7, 0} {
		t.Run(fmt.Sprint(rows, " rows"), func(t *testing.T) {
			t.Parallel()
			at := first
			if *seed == 0 {
				at += uint64(i)
			}
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("to see it again: go test ./internal/export -run '%s' -seed %d", t.Name(), at)
				}
			})
			random := rand.New(rand.NewPCG(at, 0))
			source := newAnything(t)
			source.fill(t, random, rows)
			newRoundTrip(t, source, random).run(t)
		})
	}
}

// roundTrip writes the rows of a source and reads them.
type roundTrip struct {
	anything
	random *rand.Rand
	zone   string
	// texts are the values as the documentation has them, printed those that Postgres prints.
	texts, printed [][]*string
	dir            string
	python         []pythonFile
	check          []func(t testing.TB, rows json.RawMessage) // of each of those files
}

func newRoundTrip(t testing.TB, source anything, random *rand.Rand) *roundTrip {
	t.Helper()
	zones := []string{"UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Pacific/Apia"}
	zone := zones[random.IntN(len(zones))]
	return &roundTrip{
		anything: source, random: random, zone: zone,
		texts: source.texts(t, zone), printed: source.printed(t, zone), dir: t.TempDir(),
	}
}

func (r *roundTrip) run(t testing.TB) {
	t.Helper()
	packed := []Compression{None, Gzip, Zstd}
	for _, delimiter := range Delimiters {
		for choice := range 8 {
			layout := Layout{Delimiter: delimiter, QuoteAll: choice&1 > 0, NoHeader: choice&2 > 0, CRLF: choice&4 > 0}
			r.csv(t, Options{Format: CSV, Layout: layout, Compression: packed[r.random.IntN(3)]})
		}
	}
	for _, compression := range packed {
		r.csv(t, Options{Format: CSV, Layout: Layout{Dates: DatesPostgres}, Compression: compression})
		r.csv(t, Options{Format: CSV, FormulaGuard: true, Compression: compression})
		for _, format := range []Format{JSON, NDJSON} {
			r.json(t, Options{Format: format, Compression: compression})
		}
		r.xml(t, Options{Format: XML, Compression: compression})
	}
	r.parquet(t, Options{Format: Parquet})
	for i, rows := range readByPython(t, r.python) {
		r.check[i](t, rows)
	}
}

// readLater has Python read the file, and what it reads checked.
func (r *roundTrip) readLater(t testing.TB, file []byte, o Options, check func(t testing.TB, rows json.RawMessage)) {
	t.Helper()
	r.python, r.check = append(r.python, forPython(t, r.dir, file, o, "utf-8")), append(r.check, check)
}

// write writes the file, packed, through one connection and through three, which have to write the same.
func (r *roundTrip) write(t testing.TB, o Options) []byte {
	t.Helper()
	o.Location, o.Span, o.SliceRows = location(t, r.zone), anySpan, int64(1+r.random.IntN(9))
	var files [2][]byte
	for i, connections := range []int{1, 3} {
		o.Connections = connections
		a := attempts{source: r.anything, o: o}
		for range r.random.IntN(3) {
			if _, err := a.try(t, 1+r.random.IntN(2000*(len(r.texts)+1))); err != nil && !errors.Is(err, errCutOff) {
				t.Fatal(err)
			}
		}
		m, err := a.try(t, 0)
		if err != nil {
			t.Fatalf("%+v: %v", o, err)
		}
		files[i] = a.parts[len(a.parts)-1].Bytes()
		r.checkManifest(t, m, files[i])
	}
	if !bytes.Equal(files[0], files[1]) {
		t.Errorf("%+v: three connections write another file than one", o)
	}
	return unpackByProgram(t, o.Compression, files[0])
}

// checkManifest compares what the manifest says with the rows.
func (r *roundTrip) checkManifest(t testing.TB, m Manifest, file []byte) {
	t.Helper()
	keys := r.texts // whatever the layout
	if m.Rows != int64(len(r.texts)) || m.Bytes != int64(len(file)) {
		t.Errorf("%d rows and %d bytes, want %d and %d", m.Rows, m.Bytes, len(r.texts), len(file))
	}
	want := new(float64)
	for _, row := range r.texts {
		n := row[r.index("n")]
		switch parsed, err := strconv.ParseFloat(*cmpText(n, "0"), 64); {
		case err != nil || math.IsNaN(parsed) || math.IsInf(parsed, 0):
			want = nil
		case want != nil:
			*want += parsed
		}
	}
	if want != nil {
		want = finite(*want)
	}
	if (m.Sum == nil) != (want == nil) || want != nil && math.Abs(*m.Sum-*want) > 1e-9*math.Abs(*want) {
		t.Errorf("the sum is %v, want %v", printed(m.Sum), printed(want))
	}
	if len(r.texts) == 0 {
		if m.FirstKey != nil || m.LastKey != nil {
			t.Errorf("no rows have the keys %v and %v", m.FirstKey, m.LastKey)
		}
		return
	}
	if first, last := *m.FirstKey[0], *m.LastKey[0]; first != *keys[0][0] || last != *keys[len(keys)-1][0] {
		t.Errorf("the keys are %s and %s, want %s and %s", first, last, *keys[0][0], *keys[len(keys)-1][0])
	}
}

// laidOut are the values as they are written.
func (r *roundTrip) laidOut(layout Layout) [][]*string {
	if layout.Dates == DatesPostgres {
		return r.printed
	}
	return r.texts
}

func cmpText(text *string, instead string) *string {
	if text == nil {
		return &instead
	}
	return text
}

func (r *roundTrip) index(name string) int {
	return slices.IndexFunc(r.columns, func(c anyColumn) bool { return c.name == name })
}

// called are all columns of the query by other names.
func (r *roundTrip) called(headers []string) []Column {
	columns := make([]Column, len(headers))
	for i, header := range headers {
		columns[i] = Column{Name: header, From: r.columns[i].name}
	}
	return columns
}

func (r *roundTrip) csv(t testing.TB, o Options) {
	t.Helper()
	headers := r.headers(o.Format)
	o.Columns = r.called(headers)
	file := r.write(t, o)
	texts := r.laidOut(o.Layout)
	var want [][]string
	if !o.Layout.NoHeader {
		want = append(want, headers)
	}
	for _, row := range texts {
		values := make([]string, len(row))
		for i := range row {
			values[i] = *cmpText(row[i], "")
		}
		want = append(want, values)
	}
	what := fmt.Sprintf("CSV %+v", o.Layout)
	if o.FormulaGuard {
		// Nothing but apostrophes is added, which other tests look at.
		r.readLater(t, file, o, func(t testing.TB, rows json.RawMessage) {
			t.Helper()
			for i, row := range decode[string](t, rows) {
				for j, value := range row {
					if !onlyGuarded(value, want[i][j]) {
						t.Errorf("guarded, %q is %q", want[i][j], value)
					}
				}
			}
		})
		return
	}
	var foldedWant [][]string
	for _, row := range want {
		values := make([]string, len(row))
		for i := range row {
			values[i] = folded(row[i])
		}
		foldedWant = append(foldedWant, values)
	}
	sameRows(t, what+", read by encoding/csv", readCSV(t, file, o.Layout), foldedWant)
	r.readLater(t, file, o, func(t testing.TB, rows json.RawMessage) {
		t.Helper()
		sameRows(t, what+", read by Python", decode[string](t, rows), want)
	})
	// Postgres alone tells NULL from an empty text.
	byPostgres := make([][]named, 0, len(texts))
	for _, row := range r.readBackCSV(t, file, o.Layout) {
		byPostgres = append(byPostgres, orNull(row, false))
	}
	withNull := make([][]named, 0, len(texts))
	for _, row := range texts {
		withNull = append(withNull, orNull(row, o.Layout.QuoteAll))
	}
	sameRows(t, what+", read by Postgres", byPostgres, withNull)
}

// folded is what encoding/csv makes of a quoted text.
func folded(text string) string { return strings.ReplaceAll(text, "\r\n", "\n") }

// onlyGuarded reports whether guarded is the text with nothing but apostrophes added.
func onlyGuarded(guarded, text string) bool {
	rest := text
	for i := range len(guarded) {
		switch {
		case rest != "" && guarded[i] == rest[0]:
			rest = rest[1:]
		case guarded[i] != '\'':
			return false
		}
	}
	return rest == ""
}

// orNull tells NULL from an empty text, unless NULL is one.
func orNull(row []*string, isEmpty bool) []named {
	values := make([]named, len(row))
	for i := range row {
		values[i][2] = *cmpText(row[i], "")
		if row[i] == nil && !isEmpty {
			values[i][1] = "null"
		}
	}
	return values
}

// headers are names of columns: of XML those that an element may have.
func (r *roundTrip) headers(format Format) []string {
	headers := make([]string, len(r.columns))
	for i, c := range r.columns {
		headers[i] = c.name
	}
	if format == XML {
		headers[1], headers[2] = "a.b-c_1", "_"
		return headers
	}
	copy(headers[1:], []string{"a.b", `"q"`, "Ä, ö; |", "list", "=1+1", "<b>&", "'", `back\slash`})
	return headers
}

func decode[T any](t testing.TB, rows json.RawMessage) (decoded [][]T) {
	t.Helper()
	if err := json.Unmarshal(rows, &decoded); err != nil {
		t.Fatal(err)
	}
	return decoded
}

func (r *roundTrip) json(t testing.TB, o Options) {
	t.Helper()
	headers := r.headers(o.Format)
	o.Columns = r.called(headers)
	file := r.write(t, o)
	var want, withoutNumbers [][]named
	for _, row := range r.texts {
		values, typed := make([]named, len(row)), make([]named, len(row))
		for i, value := range row {
			values[i] = named{headers[i], "string", *cmpText(value, "")}
			switch kind := kinds[r.columns[i].oid]; {
			case value == nil, kind == kindNumber && strings.ContainsAny(*value, "Ny"):
				values[i] = named{headers[i], "null"}
			case kind == kindNumber:
				values[i][1] = "number"
			case kind == kindBool:
				values[i][1] = "boolean"
			}
			if typed[i] = values[i]; typed[i][1] == "number" {
				typed[i][2] = ""
			}
		}
		want, withoutNumbers = append(want, values), append(withoutNumbers, typed)
	}
	what := string(o.Format)
	sameRows(t, what+", read by jq", readByJQ(t, file, o.Format), withoutNumbers)
	r.readLater(t, file, o, func(t testing.TB, rows json.RawMessage) {
		t.Helper()
		sameRows(t, what+", read by Python", decode[named](t, rows), want)
	})
	if lines := bytes.Count(file, []byte("\n")); lines != len(want) && lines != len(want)+2 {
		t.Errorf("%s: %d lines for %d rows", what, lines, len(want))
	}
}

func (r *roundTrip) xml(t testing.TB, o Options) {
	t.Helper()
	headers := r.headers(o.Format)
	o.Columns = r.called(headers)
	file := r.write(t, o)
	var want [][]named
	for _, row := range r.texts {
		values := make([]named, len(row))
		for i, value := range row {
			values[i] = named{headers[i], "", xmlText(*cmpText(value, ""))}
			if value == nil {
				values[i][1] = "true"
			}
		}
		want = append(want, values)
	}
	sameRows(t, "XML, read by encoding/xml", readXML(t, file), want)
	r.readLater(t, file, o, func(t testing.TB, rows json.RawMessage) {
		t.Helper()
		sameRows(t, "XML, read by Python", decode[named](t, rows), want)
	})
}

// parquet compares types and values with what the documentation has.
func (r *roundTrip) parquet(t testing.TB, o Options) {
	t.Helper()
	headers := r.headers(o.Format)
	o.Columns = r.called(headers)
	types, rows := readParquet(t, r.write(t, o))
	var wantTypes [][]string
	for i, c := range r.columns {
		wantTypes = append(wantTypes, []string{headers[i], parquetTypes[c.sqlType]})
	}
	sameRows(t, "the columns of Parquet", types, wantTypes)
	var want [][]any
	for _, row := range r.inParquet(t) {
		values := make([]any, len(row))
		for i, value := range row {
			if value != nil {
				values[i] = parquetValue(t, r.columns[i].sqlType, *value)
			}
		}
		want = append(want, values)
	}
	sameRows(t, "Parquet", rows, want)
}

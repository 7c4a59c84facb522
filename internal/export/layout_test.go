package export

import (
	"encoding/binary"
	"encoding/csv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// sent is a moment as the server sends it.
func sent(t time.Time) []byte { return binary.BigEndian.AppendUint64(nil, uint64(micros(t))) }

// laidOut writes one call into a file.
func laidOut(t *testing.T, o Options, name []byte, seconds string, at time.Time) string {
	t.Helper()
	o.Columns = []Column{{Name: "caller"}, {Name: "billsec", Seconds: true}, {Name: "duration"}, {Name: "start"}, {Name: "local"}}
	columns, err := newColumns([]pgconn.FieldDescription{
		{Name: "caller", DataTypeOID: pgtype.TextOID}, {Name: "billsec", DataTypeOID: pgtype.NumericOID}, {Name: "duration", DataTypeOID: pgtype.Int4OID},
		{Name: "start", DataTypeOID: pgtype.TimestamptzOID}, {Name: "local", DataTypeOID: pgtype.TimestampOID},
	}, o)
	if err != nil {
		t.Fatal(err)
	}
	if columns, err = fileColumns(columns, o); err != nil {
		t.Fatal(err)
	}
	return string(encodeRows(t, columns, o, [][]byte{name, []byte(seconds), nil, sent(at), sent(at)}))
}

func TestLayouts(t *testing.T) {
	t.Parallel()
	paris := location(t, "Europe/Paris")
	at := time.Date(2026, 1, 31, 17, 5, 9, 250_000_000, time.UTC)
	for name, c := range map[string]struct {
		format Format
		layout Layout
		want   string
	}{
		"as CSV documents":     {CSV, Layout{}, "caller,billsec,duration,start,local\n\"a|b;c\",61,,2026-01-31T18:05:09.25+01:00,2026-01-31T17:05:09.25\n"},
		"semicolons, CR LF":    {CSV, Layout{Delimiter: ";", CRLF: true}, "caller;billsec;duration;start;local\r\n\"a|b;c\";61;;2026-01-31T18:05:09.25+01:00;2026-01-31T17:05:09.25\r\n"},
		"no header, pipes":     {CSV, Layout{Delimiter: "|", NoHeader: true, Dates: "epoch"}, "\"a|b;c\"|61||1769879109.25|1769879109.25\n"},
		"all in quotes":        {CSV, Layout{QuoteAll: true, NoHeader: true, Dates: "Postgres"}, `"a|b;c","61","","2026-01-31 18:05:09.25+01","2026-01-31 17:05:09.25"` + "\n"},
		"a pattern":            {CSV, Layout{NoHeader: true, Dates: "%d.%m.%Y %H:%M:%S"}, "\"a|b;c\",61,,31.01.2026 18:05:09,31.01.2026 17:05:09\n"},
		"a pattern with names": {CSV, Layout{NoHeader: true, Dates: "%a %e %b %Y %I:%M %p %z"}, "\"a|b;c\",61,,Sat 31 Jan 2026 06:05 PM +0100,Sat 31 Jan 2026 05:05 PM +0000\n"},
		"minutes":              {CSV, Layout{NoHeader: true, Durations: DurationsMinutes, Dates: "%j"}, "\"a|b;c\",1.02,,031,031\n"},
		"minutes begun":        {NDJSON, Layout{Durations: DurationsMinutesUp, Dates: "epoch"}, `{"caller":"a|b;c","billsec":2,"duration":null,"start":"1769879109.25","local":"1769879109.25"}` + "\n"},
	} {
		if err := c.layout.Check(c.format); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := laidOut(t, Options{Format: c.format, Layout: c.layout, Location: paris, FormulaGuard: true}, []byte("a|b;c"), "61", at); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestMinutes(t *testing.T) {
	t.Parallel()
	for seconds, want := range map[string][2]string{
		"0": {"0.00", "0"}, "1": {"0.02", "1"}, "29": {"0.48", "1"}, "60": {"1.00", "1"}, "61": {"1.02", "2"}, "0.3": {"0.01", "1"}, "-30": {"-0.50", "0"},
		"86400": {"1440.00", "1440"}, "NaN": {"NaN", "NaN"}, "1e300": {"1e300", "1e300"}, "9007199254740993": {"9007199254740993", "9007199254740993"},
	} {
		for i, up := range []bool{false, true} {
			if got := string(appendMinutes(nil, []byte(seconds), up)); got != want[i] {
				t.Errorf("%s seconds: got %s, want %s", seconds, got, want[i])
			}
		}
	}
}

// A text is guarded wherever a spreadsheet with another separator than the file's begins a cell.
func TestGuardOfLayouts(t *testing.T) {
	t.Parallel()
	for _, delimiter := range Delimiters {
		for _, other := range Delimiters {
			if other == delimiter {
				continue
			}
			file := laidOut(t, Options{Format: CSV, Layout: Layout{Delimiter: delimiter, NoHeader: true}, Location: time.UTC, FormulaGuard: true},
				[]byte("x"+other+"=cmd|calc"), "1", time.Unix(0, 0))
			r := csv.NewReader(strings.NewReader(file))
			r.Comma = rune(delimiter[0])
			record, err := r.Read()
			if err != nil || record[0] != "x"+other+"'=cmd|calc" {
				t.Errorf("%q in a file of %q: got %q, %v", other, delimiter, record, err)
			}
		}
	}
}

func TestLayoutIsChecked(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]struct {
		format Format
		layout Layout
	}{
		"delimiter: means nothing in JSON": {JSON, Layout{Delimiter: ";"}},
		"quoting: means nothing in XML":    {XML, Layout{QuoteAll: true}},
		"header: means nothing in NDJSON":  {NDJSON, Layout{NoHeader: true}},
		"line_end: means nothing in JSON":  {JSON, Layout{CRLF: true}},
		"delimiter: is none of":            {CSV, Layout{Delimiter: ":"}},
		"durations: is none of":            {CSV, Layout{Durations: "hours"}},
		"date_format: cannot hold ','":     {CSV, Layout{Dates: "%d,%m"}},
		"date_format: cannot hold '2'":     {CSV, Layout{Dates: "%Y 2"}},
		"date_format: has a % before":      {CSV, Layout{Dates: "%Q"}},
		"date_format: has no %":            {CSV, Layout{Dates: "-:"}},
		"date_format: begins with a sign":  {CSV, Layout{Dates: "-%d"}},
		"date_format: is longer":           {CSV, Layout{Dates: strings.Repeat("%d", maxPattern)}},
		"date_format: cannot be read":      {CSV, Layout{Dates: "%f"}},
	} {
		if err := c.layout.Check(c.format); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// Whatever pattern is taken, no format need escape what it writes, and no spreadsheet computes it.
func FuzzDatePattern(f *testing.F) {
	for _, seed := range []string{"%Y-%m-%d", "%s", "epoch", "%z", "%%", "Jan %d", "%", "%d\"", "%D %T.%f"} {
		f.Add(seed)
	}
	at := time.Date(2026, 1, 31, 17, 5, 9, 250_000_000, time.FixedZone("", -3600))
	f.Fuzz(func(t *testing.T, pattern string) {
		style, err := Layout{Dates: pattern}.times()
		if err != nil || style.isUsual() {
			return
		}
		text := style.append(nil, at, true)
		if needsQuotes(text) || strings.ContainsAny(string(text), `<>&\'`) || isFormula(text) {
			t.Errorf("%q is written as %q", pattern, text)
		}
	})
}

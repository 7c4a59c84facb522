package export

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/pbxtest/servers"
)

func exec(t testing.TB, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

// memory is an Out that keeps what is written.
type memory struct {
	bytes.Buffer
	synced int // bytes, at the last Sync
}

func (m *memory) WaitForSpace(context.Context, int64) error { return nil }

func (m *memory) Flush() error { return nil }

func (m *memory) Sync() error {
	m.synced = m.Len()
	return nil
}

// query is a source of one connection and one statement.
type query struct {
	conn *pgx.Conn
	sql  string
	args []any
}

func (q query) Connect(_ context.Context, first bool) (*pgx.Conn, func(), error) {
	if !first {
		return nil, nil, nil
	}
	return q.conn, func() {}, nil
}

func (q query) Rows(Span) (string, []any, error) { return q.sql, q.args, nil }

func (q query) Nth(Span, int64) (string, []any, error) { return "", nil, errors.ErrUnsupported }

func (q query) Compare(context.Context, pgx.Tx, []Slice) ([]Compared, error) {
	return nil, errors.ErrUnsupported
}

// writeQuery writes what one statement returns.
func writeQuery(ctx context.Context, conn *pgx.Conn, sql string, args []any, out Out, o Options) (Manifest, error) {
	return Write(ctx, query{conn, sql, args}, out, o)
}

// export writes a file and returns its bytes and manifest.
func export(t testing.TB, conn *pgx.Conn, o Options, sql string, args ...any) ([]byte, Manifest) {
	t.Helper()
	o.Name = "calls." + Extension(o.Format, o.Compression)
	var out memory
	manifest, err := writeQuery(t.Context(), conn, sql, args, &out, o)
	if err != nil {
		t.Fatal(err)
	}
	if out.synced != out.Len() {
		t.Errorf("%d of %d bytes are synced", out.synced, out.Len())
	}
	return out.Bytes(), manifest
}

func TestWriteFormats(t *testing.T) {
	t.Parallel()
	conn := pbxtest.Connect(t, pbxtest.Database(t, sample.V55))
	const sql = `select * from (values
		(1, 'Ann "A" <a&b>', true, 1.50, timestamptz '2026-07-01 12:00:00.5+00', '6F9619FF-8B86-D011-B42D-00CF4FC964FF'::uuid, ''),
		(2, null, false, 'NaN', null, null, '=x')) v (n, name, missed, mos, start_stamp, id, note) order by n`
	for _, tt := range []struct {
		format Format
		want   string
	}{
		{CSV, "n,name,missed,mos,start_stamp,id,note\n" +
			`1,"Ann ""A"" <a&b>",true,1.50,2026-07-01T14:00:00.5+02:00,6f9619ff-8b86-d011-b42d-00cf4fc964ff,""` + "\n" +
			"2,,false,NaN,,,'=x\n"},
		{JSON, "[\n" +
			`{"n":1,"name":"Ann \"A\" <a&b>","missed":true,"mos":1.50,"start_stamp":"2026-07-01T14:00:00.5+02:00","id":"6f9619ff-8b86-d011-b42d-00cf4fc964ff","note":""},` + "\n" +
			`{"n":2,"name":null,"missed":false,"mos":null,"start_stamp":null,"id":null,"note":"=x"}` + "\n]\n"},
		{NDJSON, `{"n":1,"name":"Ann \"A\" <a&b>","missed":true,"mos":1.50,"start_stamp":"2026-07-01T14:00:00.5+02:00","id":"6f9619ff-8b86-d011-b42d-00cf4fc964ff","note":""}` + "\n" +
			`{"n":2,"name":null,"missed":false,"mos":null,"start_stamp":null,"id":null,"note":"=x"}` + "\n"},
		{XML, `<?xml version="1.0" encoding="UTF-8"?>` + "\n<cdrs>\n" +
			`<cdr><n>1</n><name>Ann "A" &lt;a&amp;b&gt;</name><missed>true</missed><mos>1.50</mos><start_stamp>2026-07-01T14:00:00.5+02:00</start_stamp><id>6f9619ff-8b86-d011-b42d-00cf4fc964ff</id><note></note></cdr>` + "\n" +
			`<cdr><n>2</n><name null="true"/><missed>false</missed><mos>NaN</mos><start_stamp null="true"/><id null="true"/><note>=x</note></cdr>` + "\n</cdrs>\n"},
	} {
		got, _ := export(t, conn, Options{Format: tt.format, Location: location(t, "Europe/Berlin"), FormulaGuard: true}, sql)
		if string(got) != tt.want {
			t.Errorf("%s: got\n%s\nwant\n%s", tt.format, got, tt.want)
		}
	}
}

func TestWriteNoRows(t *testing.T) {
	t.Parallel()
	conn := pbxtest.Connect(t, pbxtest.Database(t, sample.V55))
	for format, want := range map[Format]string{
		CSV:    "xml_cdr_uuid,start_stamp\n",
		JSON:   "[\n]\n",
		NDJSON: "",
		XML:    `<?xml version="1.0" encoding="UTF-8"?>` + "\n<cdrs>\n</cdrs>\n",
	} {
		for _, compression := range []Compression{None, Gzip, Zstd} {
			o := Options{Format: format, Compression: compression, KeyColumns: []string{"start_stamp"}}
			got, m := export(t, conn, o, "select xml_cdr_uuid, start_stamp from v_xml_cdr")
			if got = unpackByProgram(t, compression, got); string(got) != want || m.Rows != 0 || m.FirstKey != nil || m.LastKey != nil {
				t.Errorf("%s %s: got %q, %+v; want %q", format, compression, got, m, want)
			}
		}
	}
}

// TestWriteValuesAsPostgresPrintsThem compares numbers and other types with their cast to text.
func TestWriteValuesAsPostgresPrintsThem(t *testing.T) {
	t.Parallel()
	conn := pbxtest.Connect(t, pbxtest.Database(t, sample.V55))
	var values []string
	for _, number := range []string{"0", "0.00", "-0.10", "1", "10000", "99999999.9999", "1e20", "-1.5e-10", "0.0001", "1000000000000.5",
		"123456789012345678901234567890.123456789", "1e-1000", "1e1000", "NaN", "Infinity", "-Infinity"} {
		values = append(values, "'"+number+"'::numeric")
	}
	for _, number := range []string{"0", "-0", "1.5", "1e20", "-1e-7", "0.1", "NaN", "Infinity", "-Infinity"} {
		values = append(values, "'"+number+"'::float4", "'"+number+"'::float8")
	}
	values = append(values, "'-32768'::int2", "2147483647", "'-9223372036854775808'::int8", "4294967295::oid",
		"date '2026-02-03'", "date 'infinity'", "date '-infinity'", "interval '1 day 2:03'", "array[1,2]", `'{"a": [1]}'::jsonb`,
		"'ab'::char(4)", "'ab'::varchar", "'ab'::name", `'\x00ff'::bytea`, "time '01:02:03'", "array[timestamptz '2026-07-01 12:00+00']")
	var queries []string
	for i, v := range values {
		queries = append(queries, fmt.Sprintf("%s as v%d, (%s)::text as t%d", v, i, v, i))
	}
	// char(4) loses its blanks in a cast to text, so its pair is compared by hand below.
	exec(t, conn, "set timezone to 'UTC'")
	got, _ := export(t, conn, Options{Format: CSV}, "select "+strings.Join(queries, ", "))
	records, err := csv.NewReader(bytes.NewReader(got)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range values {
		got, want := records[1][2*i], records[1][2*i+1]
		if v == "'ab'::char(4)" {
			want = "ab  "
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", v, got, want)
		}
	}

	// The same as JSON: every number parses, and is a number or null.
	asJSON, _ := export(t, conn, Options{Format: JSON}, "select "+strings.Join(queries, ", "))
	decoder := json.NewDecoder(bytes.NewReader(asJSON))
	decoder.UseNumber()
	var rows []map[string]any
	if err := decoder.Decode(&rows); err != nil {
		t.Fatalf("%v in %s", err, asJSON)
	}
	for i, v := range values {
		number := strings.Contains(v, "::numeric") || strings.Contains(v, "::float") || strings.Contains(v, "::int") || strings.Contains(v, "::oid")
		want := any(json.Number(records[1][2*i+1]))
		switch {
		case !number:
			continue
		case strings.Contains(v, "Na") || strings.Contains(v, "Inf"):
			want = nil
		}
		if got := rows[0][fmt.Sprintf("v%d", i)]; got != want {
			t.Errorf("%s in JSON: got %v, want %v", v, got, want)
		}
	}
}

// TestWriteTimesAsPostgresPrintsThem compares timestamps with to_char in the same zone.
func TestWriteTimesAsPostgresPrintsThem(t *testing.T) {
	t.Parallel()
	conn := pbxtest.Connect(t, pbxtest.Database(t, sample.V55))
	got, m := export(t, conn, Options{Format: CSV, Location: location(t, "America/New_York")}, `
		select s, to_char(timezone('America/New_York', s), 'YYYY-MM-DD"T"HH24:MI:SS') as local,
			extract(epoch from timezone('America/New_York', s) - timezone('UTC', s))::int as offset,
			timezone('UTC', s) as plain, to_char(timezone('UTC', s), 'YYYY-MM-DD"T"HH24:MI:SS') as plain_text
		from generate_series($1::timestamptz, '2040-01-01', '3 days 7 hours 13 minutes 1 second') s order by s`, "1950-01-01")
	records, err := csv.NewReader(bytes.NewReader(got)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if m.Rows < 9000 || len(records) != int(m.Rows)+1 {
		t.Fatalf("%d records for %d rows", len(records), m.Rows)
	}
	for _, r := range records[1:] {
		offset := map[string]string{"-18000": "-05:00", "-14400": "-04:00"}[r[2]]
		if r[0] != r[1]+offset || r[3] != r[4] {
			t.Fatalf("got %s and %s, want %s%s and %s", r[0], r[3], r[1], offset, r[4])
		}
	}
}

func TestWriteHostileRows(t *testing.T) {
	t.Parallel()
	conn := pbxtest.Connect(t, pbxtest.Database(t, sample.V55))
	exec(t, conn, "create table hostile (n int, name text)")
	var want []string
	for _, text := range hostile {
		if validText(text) == text && !strings.Contains(text, "\x00") {
			exec(t, conn, "insert into hostile values ($1, $2)", len(want), text)
			want = append(want, text)
		}
	}
	checkNames(t, conn, want, func(s string) string { return s })
}

// TestWriteBytesThatAreNotUTF8 reads a SQL_ASCII database, from which Postgres refuses to send such
// bytes as UTF-8.
func TestWriteBytesThatAreNotUTF8(t *testing.T) {
	t.Parallel()
	conn := pbxtest.Connect(t, pbxtest.Database(t, sample.V55, servers.WithEncoding("SQL_ASCII")))
	exec(t, conn, "set client_encoding to 'UTF8'")
	exec(t, conn, "create table hostile (n int, name text)")
	var want []string
	for _, text := range hostile {
		if !strings.Contains(text, "\x00") {
			exec(t, conn, "insert into hostile values ($1, convert_from($2::bytea, 'SQL_ASCII'))", len(want), []byte(text))
			want = append(want, text)
		}
	}
	checkNames(t, conn, want, validText)

	var encoding string
	if err := conn.QueryRow(t.Context(), "show client_encoding").Scan(&encoding); err != nil || encoding != "UTF8" {
		t.Errorf("the connection comes back with encoding %q, %v", encoding, err)
	}
}

// checkNames exports the table hostile in every format and compares the names that come back.
func checkNames(t *testing.T, conn *pgx.Conn, want []string, replaced func(string) string) {
	t.Helper()
	const sql = "select name from hostile order by n"
	file, _ := export(t, conn, Options{Format: CSV}, "select name, 'x' as x from hostile order by n")
	records, err := csv.NewReader(bytes.NewReader(file)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	file, _ = export(t, conn, Options{Format: JSON}, sql)
	var objects []struct{ Name string }
	if err := json.Unmarshal(file, &objects); err != nil {
		t.Fatal(err)
	}
	file, _ = export(t, conn, Options{Format: XML}, sql)
	var parsed xmlFile
	if err := xml.Unmarshal(file, &parsed); err != nil {
		t.Fatal(err)
	}
	if len(records) != len(want)+1 || len(objects) != len(want) || len(parsed.Rows) != len(want) {
		t.Fatalf("%d CSV, %d JSON and %d XML rows for %d", len(records)-1, len(objects), len(parsed.Rows), len(want))
	}
	for i, text := range want {
		if got, want := records[i+1][0], strings.ReplaceAll(text, "\r\n", "\n"); got != want {
			t.Errorf("CSV: got %q, want %q", got, want)
		}
		if got := objects[i].Name; got != replaced(text) {
			t.Errorf("JSON: got %q, want %q", got, replaced(text))
		}
		if got := parsed.Rows[i].Cells[0].Text; got != xmlText(text) {
			t.Errorf("XML: got %q, want %q", got, xmlText(text))
		}
	}
}

func TestWriteManifest(t *testing.T) {
	t.Parallel()
	conn := pbxtest.Connect(t, pbxtest.Database(t, sample.V55))
	var calls []string
	o := Options{Format: CSV, Location: location(t, "Europe/Berlin"), KeyColumns: []string{"start_stamp", "id"}, Progress: func(rows, bytes int64) {
		calls = append(calls, fmt.Sprint(rows, " ", bytes))
	}}
	data, m := export(t, conn, o, `
		select md5(n::text) || repeat('x', 500) as pad, lpad(n::text, 6, '0') as id,
			case when n < 20000 then timestamptz '2026-01-01' + n * interval '1 minute' end as start_stamp
		from generate_series(1, 20000) n order by n`)
	sum := sha256.Sum256(data)
	str := func(s string) *string { return &s }
	want := Manifest{
		File: "calls.csv", Format: CSV, Columns: []string{"pad", "id", "start_stamp"}, TimeZone: "Europe/Berlin",
		Rows: 20000, Bytes: int64(len(data)), SHA256: hex.EncodeToString(sum[:]),
		KeyColumns: []string{"start_stamp", "id"},
		FirstKey:   []*string{str("2026-01-01T01:01:00+01:00"), str("000001")},
		LastKey:    []*string{nil, str("020000")},
		StartedAt:  m.StartedAt, FinishedAt: m.FinishedAt, Seconds: m.Seconds,
	}
	asJSON := func(m Manifest) string {
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if asJSON(m) != asJSON(want) {
		t.Errorf("manifest\n%s, want\n%s", asJSON(m), asJSON(want))
	}
	if took := m.FinishedAt.Sub(m.StartedAt); took <= 0 || m.Seconds <= 0 {
		t.Errorf("took %s, %g s", took, m.Seconds)
	}
	if len(calls) == 0 || calls[len(calls)-1] != fmt.Sprint(20000, " ", len(data)) {
		t.Errorf("progress %q does not end with %d rows and %d bytes", calls, 20000, len(data))
	}
}

// TestWriteLongValues has values longer than all buffers together.
func TestWriteLongValues(t *testing.T) {
	t.Parallel()
	conn := pbxtest.Connect(t, pbxtest.Database(t, sample.V55))
	data, m := export(t, conn, Options{Format: CSV}, "select n, repeat(chr(96+n), 3000000) as x from generate_series(1, 3) n order by n")
	var want strings.Builder
	want.WriteString("n,x\n")
	for n := 1; n <= 3; n++ {
		fmt.Fprintf(&want, "%d,%s\n", n, strings.Repeat(string(rune('`'+n)), 3000000))
	}
	if string(data) != want.String() || m.Bytes != int64(want.Len()) {
		t.Errorf("%d bytes, want %d", len(data), want.Len())
	}
}

func TestEncodersDoNotAllocate(t *testing.T) {
	// Not parallel: AllocsPerRun counts what other goroutines allocate too.
	columns := []column{
		{name: "t", kind: kindText}, {name: "n", kind: kindNumber}, {name: "b", kind: kindBool}, {name: "u", kind: kindUUID},
		{name: "s", kind: kindTimestamptz, zone: location(t, "Europe/Berlin")},
	}
	row := [][]byte{[]byte(`O"Brien, é` + "\n\xff"), []byte("12.50"), []byte("t"), make([]byte, 16), make([]byte, 8)}
	for i := range columns {
		columns[i].at = i
	}
	buffer := newBuffer()
	for _, format := range Formats() {
		if format == Parquet {
			continue // it keeps a batch of rows
		}
		e, _, err := newEncoder(columns, len(columns), Options{Format: format, FormulaGuard: true})
		if err != nil {
			t.Fatal(err)
		}
		got := testing.AllocsPerRun(1000, func() {
			if _, err := e.row(buffer, row); err != nil {
				t.Error(err)
			}
		})
		if got != 0 {
			t.Errorf("%s allocates %g times a row", format, got)
		}
	}
}

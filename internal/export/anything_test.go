package export

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
)

// anything is a source of rows of every type, of any values that Postgres holds.
type anything struct {
	calls
	columns []anyColumn
}

// anyColumn is a column of those rows.
type anyColumn struct {
	name, sqlType string
	oid           uint32
	value         func(*rand.Rand) string // as SQL reads it; NULL comes by itself
	// text is the SQL expression of how the value is written where a format has no type for it, $1 being the time zone.
	text string
}

// anyColumns are the columns behind at, text and n, which every table calls has.
var anyColumns = []anyColumn{
	{"at", "timestamptz", pgtype.TimestamptzOID, anyStart, "rfc3339(at, $1)"},
	{"text", "text", pgtype.TextOID, anyText, "text"},
	{"n", "numeric", pgtype.NumericOID, anyNumeric, "n::text"},
	{"vc", "varchar", pgtype.VarcharOID, anyText, "vc::text"},
	{"i2", "int2", pgtype.Int2OID, anyInt(16), "i2::text"},
	{"i4", "int4", pgtype.Int4OID, anyInt(32), "i4::text"},
	{"i8", "int8", pgtype.Int8OID, anyInt(64), "i8::text"},
	{"o", "oid", pgtype.OIDOID, func(r *rand.Rand) string { return fmt.Sprint(r.Uint32()) }, "o::text"},
	{"f4", "float4", pgtype.Float4OID, anyFloat(32), "f4::text"},
	{"f8", "float8", pgtype.Float8OID, anyFloat(64), "f8::text"},
	{"b", "bool", pgtype.BoolOID, func(r *rand.Rand) string { return fmt.Sprint(r.IntN(2) == 0) }, "case when b then 'true' when not b then 'false' end"},
	{"u", "uuid", pgtype.UUIDOID, anyUUID, "u::text"},
	{"tz", "timestamptz", pgtype.TimestamptzOID, anyTime, "rfc3339(tz, $1)"},
	{"ts", "timestamp", pgtype.TimestampOID, anyTime, "local(ts)"},
	{"d", "date", pgtype.DateOID, anyDate, "iso(d)"},
	{"span", "interval", pgtype.IntervalOID, func(r *rand.Rand) string { return fmt.Sprint(r.IntN(1e6)-5e5, " minutes") }, "span::text"},
}

// anyFunctions write times as the documentation says, by Postgres's own reckoning. A year before 1 is as ISO 8601 has it.
const anyFunctions = `
create function year(y numeric) returns text immutable language sql as $$
	select case when y < -1 then '-' else '' end || lpad(abs(n)::text, greatest(4, length(abs(n)::text)), '0') from (select y + (y < 0)::int as n) z $$;
create function iso(t date) returns text immutable language sql as $$
	select case when not isfinite(t) then t::text
	else year(extract(year from t)) || '-' || lpad(extract(month from t)::text, 2, '0') || '-' || lpad(extract(day from t)::text, 2, '0') end $$;
create function local(t timestamp) returns text immutable language sql as $$
	select case when not isfinite(t) then t::text
	else year(extract(year from t)) || to_char(t, '-MM-DD"T"HH24:MI:SS') || rtrim(rtrim('.' || to_char(t, 'US'), '0'), '.') end $$;
create function rfc3339(t timestamptz, zone text) returns text stable language sql as $$
	select case when not isfinite(t) then t::text when o % 60 <> 0 or o = 0 then local(timezone('UTC', t)) || 'Z'
	else local(timezone(zone, t)) || case when o < 0 then '-' else '+' end || to_char(make_interval(secs => abs(o)), 'HH24:MI') end
	from (select case when isfinite(t) then extract(epoch from timezone(zone, t) - timezone('UTC', t))::int end as o) z $$;`

// anySpan is a span that holds all rows of newAnything.
var anySpan = Span{From: time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), To: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)}

// newAnything makes an empty table of such rows.
func newAnything(t testing.TB) anything {
	t.Helper()
	a := anything{calls: openCalls(t, pbxtest.Database(t, sample.V55)), columns: anyColumns}
	a.exec(t, anyFunctions)
	var columns []string
	for _, c := range a.columns {
		columns = append(columns, c.name+" "+c.sqlType)
	}
	a.exec(t, "create table calls (id uuid not null, "+strings.Join(columns, ", ")+")")
	a.exec(t, "create index on calls (at, id)")
	return a
}

func (a anything) Rows(s Span) (string, []any, error) {
	return "select " + a.names() + ", id" + callsFrom + "order by at, id", []any{s.From, s.To}, nil
}

func (a anything) names() string {
	names := make([]string, len(a.columns))
	for i, c := range a.columns {
		names[i] = c.name
	}
	return strings.Join(names, ", ")
}

// fill puts so many random rows in the place of those that are there.
func (a anything) fill(t testing.TB, random *rand.Rand, rows int) {
	t.Helper()
	a.exec(t, "truncate calls")
	var starts []string // few, so that many rows have the same
	for range 1 + rows/3 {
		starts = append(starts, anyStart(random))
	}
	batch := &pgx.Batch{}
	for range rows {
		places, values := make([]string, len(a.columns)), make([]any, len(a.columns), len(a.columns)+1)
		for i, c := range a.columns {
			places[i] = fmt.Sprintf("$%d::text::%s", i+1, c.sqlType)
			switch {
			case c.name == "at":
				values[i] = starts[random.IntN(len(starts))]
			case random.IntN(6) > 0:
				values[i] = c.value(random)
			}
		}
		batch.Queue(fmt.Sprintf("insert into calls (%s, id) values (%s, $%d::text::uuid)", a.names(), strings.Join(places, ", "), len(places)+1), append(values, anyUUID(random))...)
	}
	if err := a.pool.SendBatch(t.Context(), batch).Close(); err != nil {
		t.Fatal(err)
	}
}

// texts are the values as they are written in a zone where a format has no type for them; nil is NULL.
func (a anything) texts(t testing.TB, zone string) [][]*string {
	t.Helper()
	expressions := make([]string, len(a.columns))
	for i, c := range a.columns {
		expressions[i] = c.text
	}
	return a.query(t, "select array["+strings.Join(expressions, ", ")+"] from calls where $1::text is not null order by at, id", zone)
}

// printed are the values as Postgres prints them in a session of that zone.
func (a anything) printed(t testing.TB, zone string) (rows [][]*string) {
	t.Helper()
	expressions := make([]string, len(a.columns))
	for i, c := range a.columns {
		if expressions[i] = c.text; strings.HasPrefix(c.sqlType, "timestamp") {
			expressions[i] = c.name + "::text"
		}
	}
	err := pgx.BeginFunc(t.Context(), a.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "select set_config('timezone', $1, true)", zone); err != nil {
			return err
		}
		found, err := tx.Query(t.Context(), "select array["+strings.Join(expressions, ", ")+"] from calls order by at, id")
		if err == nil {
			rows, err = pgx.CollectRows(found, pgx.RowTo[[]*string])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func (a anything) query(t testing.TB, sql string, args ...any) [][]*string {
	t.Helper()
	found, err := a.pool.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := pgx.CollectRows(found, pgx.RowTo[[]*string])
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// readBackCSV has Postgres read a CSV file, and returns its rows: nil is NULL.
func (a anything) readBackCSV(t testing.TB, file []byte, layout Layout) (rows [][]*string) {
	t.Helper()
	columns := make([]string, len(a.columns))
	for i := range a.columns {
		columns[i] = fmt.Sprintf("c%d text", i)
	}
	err := a.pool.AcquireFunc(t.Context(), func(conn *pgxpool.Conn) error {
		ctx := t.Context()
		_, err := conn.Exec(ctx, "create temporary table if not exists back (row serial, "+strings.Join(columns, ", ")+"); truncate back restart identity")
		if err != nil {
			return err
		}
		names := strings.ReplaceAll(strings.Join(columns, ", "), " text", "")
		options := "format csv, delimiter " + quoteLiteral(layout.delimiter())
		if !layout.NoHeader {
			options += ", header"
		}
		if _, err := conn.Conn().PgConn().CopyFrom(ctx, strings.NewReader(string(file)), "copy back ("+names+") from stdin ("+options+")"); err != nil {
			return err
		}
		found, err := conn.Query(ctx, "select array["+names+"] from back order by row")
		if err == nil {
			rows, err = pgx.CollectRows(found, pgx.RowTo[[]*string])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func quoteLiteral(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// anyText is text of what parsers and spreadsheets trip over.
func anyText(r *rand.Rand) string {
	pieces := []string{
		"\n", "\r", "\r\n", "\n\r", `"`, `""`, "'", ",", ";", "\t", "|", " ", "\u00a0", "=1+1", "@A1", "+1-2", "-", "+15551234", "<", ">", "&", "&amp;", "]]>", "<![CDATA[",
		"\u2028", "\u2029", "\u0085", "\ufeff", "\u200b", "\u202e", "\ufffd", "\ufffe", "\uffff", "\x01", "\x08", "\x0b", "\x0c", "\x1b", "\x1f", "\x7f", "\u009f",
		"\\", `\n`, `\u0000`, "/", "</script>", "null", "NULL", "true", "é", "e\u0301", "日本", "\U0001F600", "\U0010FFFF", "\U0001FFFE", "\ud7ff", "\ue000", "x", "12345678",
	}
	switch r.IntN(12) {
	case 0:
		return ""
	case 1:
		return hostileUTF8[r.IntN(len(hostileUTF8))]
	case 2:
		return strings.Repeat(pieces[r.IntN(len(pieces))], r.IntN(2000))
	}
	var b strings.Builder
	for range r.IntN(12) {
		if r.IntN(4) > 0 {
			b.WriteString(pieces[r.IntN(len(pieces))])
			continue
		}
		c := rune(1 + r.IntN(0x10ffff))
		if r.IntN(2) == 0 {
			c = rune(1 + r.IntN(0xff))
		}
		if c >= 0xd800 && c < 0xe000 {
			c = '?'
		}
		b.WriteRune(c)
	}
	return b.String()
}

// hostileUTF8 are those of the hostile texts that a database in UTF-8 holds.
var hostileUTF8 = slices.DeleteFunc(slices.Clone(hostile), func(text string) bool {
	return validText(text) != text || strings.Contains(text, "\x00")
})

func anyNumeric(r *rand.Rand) string {
	switch r.IntN(8) {
	case 0:
		return []string{"NaN", "Infinity", "-Infinity", "0", "-0.000", "1e300", "-1e1000", "1e-400", "999999999999999", "9999999999999999"}[r.IntN(10)]
	case 1:
		return fmt.Sprintf("%d%018d.%018d", r.Int64(), r.Int64N(1e18), r.Int64N(1e18))
	}
	return strconv.FormatFloat(float64(r.IntN(2e6)-1e6)/8, 'f', r.IntN(5), 64)
}

func anyInt(bits int) func(*rand.Rand) string {
	return func(r *rand.Rand) string {
		n := int64(r.Uint64()) >> (64 - bits)
		if r.IntN(3) == 0 {
			n >>= r.IntN(bits)
		}
		return fmt.Sprint(n)
	}
}

func anyFloat(bits int) func(*rand.Rand) string {
	return func(r *rand.Rand) string {
		if r.IntN(4) == 0 {
			return []string{"NaN", "Infinity", "-Infinity", "-0", "0", "0.1", "1e15", "123456789012345680"}[r.IntN(8)]
		}
		f := math.Float64frombits(r.Uint64())
		if bits == 32 {
			f = float64(math.Float32frombits(r.Uint32()))
		}
		return strings.Replace(strconv.FormatFloat(f, 'g', -1, bits), "Inf", "Infinity", 1)
	}
}

func anyUUID(r *rand.Rand) string {
	a, b := r.Uint64(), r.Uint64()
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", a>>32, a>>16&0xffff, a&0xffff, b>>48, b&0xffffffffffff)
}

// anyTime is one from the first that Postgres has to the last years.
func anyTime(r *rand.Rand) string {
	switch r.IntN(8) {
	case 0:
		return []string{"infinity", "-infinity", "epoch", "0001-01-01 00:00:00+00 BC", "1969-12-31 23:59:59.999999+00", "4713-12-01 00:00:00+00 BC", "294276-12-30 23:59:59.999999+00"}[r.IntN(7)]
	case 1:
		return fmt.Sprintf("%04d-%02d-%02d %02d:%02d:%02d.%06d+00 BC", 1+r.IntN(4700), 1+r.IntN(12), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60), r.IntN(1e6))
	case 2:
		return fmt.Sprintf("%04d-%02d-%02d %02d:%02d:%02d.%d+00", 1+r.IntN(294275), 1+r.IntN(12), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60), r.IntN(1e6))
	}
	return fmt.Sprintf("%04d-%02d-%02d %02d:%02d:%02d.%d+00", 1850+r.IntN(250), 1+r.IntN(12), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60), r.IntN(1e6))
}

// anyStart is a time in anySpan.
func anyStart(r *rand.Rand) string {
	if r.IntN(3) > 0 {
		return fmt.Sprintf("2026-01-01 00:00:%02d+00", r.IntN(3))
	}
	return fmt.Sprintf("%04d-01-%02d 01:02:03.%06d+00", 1+r.IntN(9998), 1+r.IntN(28), r.IntN(1e6))
}

func anyDate(r *rand.Rand) string {
	switch r.IntN(6) {
	case 0:
		return []string{"infinity", "-infinity", "0001-01-01 BC", "4713-12-01 BC", "5874897-12-31", "1970-01-01"}[r.IntN(6)]
	case 1:
		return fmt.Sprintf("%04d-%02d-%02d BC", 1+r.IntN(4700), 1+r.IntN(12), 1+r.IntN(28))
	}
	return fmt.Sprintf("%04d-%02d-%02d", 1+r.IntN(12000), 1+r.IntN(12), 1+r.IntN(28))
}

package export

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"

	goparquet "github.com/fraugster/parquet-go"
	"github.com/fraugster/parquet-go/parquet"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/klauspost/compress/zstd"
)

// readParquet reads a file with a library that is not the one which writes: each column's name and type, and the rows.
// What is written of the pages' sizes and checksums is compared with the pages.
func readParquet(t testing.TB, file []byte) (types [][]string, rows [][]any) {
	t.Helper()
	r, err := goparquet.NewFileReaderWithOptions(bytes.NewReader(file), goparquet.WithCRC32Validation(true))
	if err != nil {
		t.Fatal(err)
	}
	schema := r.GetSchemaDefinition()
	var names []string
	for _, c := range schema.RootColumn.Children {
		types = append(types, []string{c.SchemaElement.Name, typeInParquet(c.SchemaElement)})
		names = append(names, c.SchemaElement.Name)
	}
	for {
		row, err := r.NextRow()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		values := make([]any, len(names))
		for i, name := range names {
			values[i] = row[name]
			if of, isBytes := row[name].([]byte); isBytes {
				values[i] = string(of)
			}
		}
		rows = append(rows, values)
	}
	if r.NumRows() != int64(len(rows)) {
		t.Errorf("the footer counts %d rows, and %d are there", r.NumRows(), len(rows))
	}
	return types, rows
}

// typeInParquet says what a column is, its logical type in both of the ways in which there are readers for it.
func typeInParquet(e *parquet.SchemaElement) string {
	said := fmt.Sprint(e.GetRepetitionType(), " ", e.GetType())
	if e.GetType() == parquet.Type_FIXED_LEN_BYTE_ARRAY { // of other types the length means nothing
		said += fmt.Sprintf("(%d)", e.GetTypeLength())
	}
	if e.ConvertedType != nil {
		said += " " + e.GetConvertedType().String()
	}
	switch logical := e.LogicalType; {
	case logical == nil:
	case logical.IsSetSTRING():
		said += " STRING"
	case logical.IsSetUUID():
		said += " UUID"
	case logical.IsSetDATE():
		said += " DATE"
	case logical.IsSetINTEGER():
		said += fmt.Sprintf(" INTEGER(%d, signed: %v)", logical.INTEGER.BitWidth, logical.INTEGER.IsSigned)
	case logical.IsSetTIMESTAMP():
		said += fmt.Sprintf(" TIMESTAMP(micros: %v, UTC: %v)", logical.TIMESTAMP.Unit.IsSetMICROS(), logical.TIMESTAMP.IsAdjustedToUTC)
	default:
		said += " " + logical.String()
	}
	return said
}

// parquetTypes are what the types of Postgres are in Parquet.
var parquetTypes = map[string]string{
	"timestamptz": "OPTIONAL INT64 TIMESTAMP_MICROS TIMESTAMP(micros: true, UTC: true)",
	"timestamp":   "OPTIONAL INT64 TIMESTAMP_MICROS TIMESTAMP(micros: true, UTC: false)",
	"date":        "OPTIONAL INT32 DATE DATE",
	"uuid":        "OPTIONAL FIXED_LEN_BYTE_ARRAY(16) UUID",
	"bool":        "OPTIONAL BOOLEAN",
	"int2":        "OPTIONAL INT32 INTEGER(32, signed: true)",
	"int4":        "OPTIONAL INT32 INTEGER(32, signed: true)",
	"int8":        "OPTIONAL INT64 INTEGER(64, signed: true)",
	"oid":         "OPTIONAL INT64 INTEGER(64, signed: true)",
	"float4":      "OPTIONAL DOUBLE",
	"float8":      "OPTIONAL DOUBLE",
	"numeric":     "OPTIONAL DOUBLE",
	"text":        "OPTIONAL BYTE_ARRAY UTF8 STRING",
	"varchar":     "OPTIONAL BYTE_ARRAY UTF8 STRING",
	"interval":    "OPTIONAL BYTE_ARRAY UTF8 STRING",
}

// inParquet are the values of the rows as texts, times as microseconds and dates as days since 1970 by Postgres's reckoning;
// nil is NULL, and what is infinite or beyond what Parquet counts to.
func (a anything) inParquet(t testing.TB) [][]*string {
	t.Helper()
	expressions := make([]string, len(a.columns))
	for i, c := range a.columns {
		switch expressions[i] = c.text; c.oid {
		case pgtype.TimestamptzOID, pgtype.TimestampOID:
			expressions[i] = fmt.Sprintf("case when isfinite(%[1]s) and (extract(epoch from %[1]s) * 1000000) < 9223372036854775808 then (extract(epoch from %[1]s) * 1000000)::bigint::text end", c.name)
		case pgtype.DateOID:
			expressions[i] = "case when isfinite(d) then (d - date '1970-01-01')::text end"
		}
	}
	return a.query(t, "select array["+strings.Join(expressions, ", ")+"] from calls order by at, id")
}

// parquetValue is the value of that type of Postgres that a reader gets.
func parquetValue(t testing.TB, sqlType, text string) (value any) {
	t.Helper()
	var err error
	whole := func(bits int) int64 {
		var n int64
		n, err = strconv.ParseInt(text, 10, bits)
		return n
	}
	switch sqlType {
	case "int2", "int4", "date":
		value = int32(whole(32))
	case "int8", "oid", "timestamptz", "timestamp":
		value = whole(64)
	case "float4", "float8", "numeric":
		value = nearestDouble(text)
	case "bool":
		value, err = strconv.ParseBool(text)
	case "uuid":
		var id uuid.UUID
		id, err = uuid.Parse(text)
		value = string(id[:])
	default:
		value = text
	}
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// nearestDouble is the double next to what Postgres prints.
func nearestDouble(text string) float64 {
	exact, _, err := big.ParseFloat(text, 10, 8192, big.ToNearestEven)
	if err != nil { // NaN, Infinity
		special, _ := strconv.ParseFloat(text, 64)
		return special
	}
	nearest, _ := exact.Float64()
	return nearest
}

// FuzzDamagedPart damages what an attempt has left of a Parquet file: a later one says so or takes over what was written,
// byte for byte, and what is damaged never gets to whoever reads the descriptions of row groups.
func FuzzDamagedPart(f *testing.F) {
	columns := []column{{name: "text"}, {name: "n", at: 1, kind: kindNumber, oid: pgtype.Int4OID}}
	e, around, err := newEncoder(columns, len(columns), Options{Format: Parquet})
	if err != nil {
		f.Fatal(err)
	}
	whole := slices.Clone(around.head)
	var left []Slice
	var notes [][]byte
	for i := range 3 {
		e.begin(i == 0)
		for n := range 5 {
			if whole, err = e.row(whole, [][]byte{[]byte("text"), []byte(strconv.Itoa(n))}); err != nil {
				f.Fatal(err)
			}
		}
		from := len(whole)
		var note []byte
		if whole, note, err = e.end(whole); err != nil {
			f.Fatal(err)
		}
		left = append(left, Slice{Rows: 5, Part: 1, Offset: int64(from), Bytes: int64(len(whole) - from), CRC: crc32.Checksum(whole[from:], castagnoli)})
		notes = append(notes, note)
	}
	end := left[1].Offset + left[1].Bytes
	f.Add(0, int64(0), []byte{}, len(whole))
	f.Add(1, end-4, []byte{0xff, 0xff, 0xff, 0x7f}, len(whole))
	f.Add(1, end-4, []byte{0xff, 0xff, 0, 0}, len(whole))
	f.Add(1, end-int64(len(notes[1])), []byte{0x29, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07}, len(whole))
	f.Add(2, end, []byte{}, int(end))
	f.Fuzz(func(t *testing.T, which int, at int64, damage []byte, length int) {
		if which < 0 || which >= len(left) || at < 0 || at > int64(len(whole)) || length < 0 || length > len(whole) {
			return // no such damage
		}
		damaged := slices.Clone(whole)
		copy(damaged[at:], damage)
		damaged = damaged[:length]
		var out memory
		w := &writer{out: &out, hash: sha256.New(), frame: around}
		w.o.OpenPart = func(int) (EarlierPart, error) { return part{bytes.NewReader(damaged)}, nil }
		p, s := &piece{kept: &left[which]}, left[which]
		err := w.putKept(t.Context(), p, crc32.New(castagnoli))
		switch {
		case err != nil && !errors.Is(err, ErrDamaged):
			t.Errorf("error %v, want ErrDamaged", err)
		case err == nil && (!bytes.Equal(out.Bytes(), whole[s.Offset:s.Offset+s.Bytes]) || !bytes.Equal(p.note, notes[which])):
			t.Error("what is damaged was taken over")
		}
	})
}

func init() {
	goparquet.RegisterBlockCompressor(parquet.CompressionCodec_ZSTD, zstdBlocks{})
}

// zstdBlocks unpacks pages, of which the reader knows only some of the ways to pack them.
type zstdBlocks struct{}

func (zstdBlocks) CompressBlock([]byte) ([]byte, error) { return nil, errors.ErrUnsupported }

func (zstdBlocks) DecompressBlock(block []byte) ([]byte, error) {
	r, err := zstd.NewReader(nil)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return r.DecodeAll(block, nil)
}

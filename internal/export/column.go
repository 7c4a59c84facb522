package export

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// kind is what the values of a column are and how they arrive.
//
// Most arrive as text, printed by Postgres, which costs the server no more than sending them in binary
// and is exact for any type there is: a numeric keeps the zeros that it has. Only what Postgres is slow
// to print (uuid) or prints in a way that is not ours (times) arrives in binary.
type kind uint8

const (
	kindText   kind = iota // any type that is not below
	kindNumber             // as Postgres prints it
	kindBool               // t or f
	kindUUID               // in binary, as the following
	kindTimestamptz
	kindTimestamp
	kindDate
	kindXID // the number of a transaction
)

// kinds are the types that get a treatment of their own.
var kinds = map[uint32]kind{
	pgtype.Int2OID:        kindNumber,
	pgtype.Int4OID:        kindNumber,
	pgtype.Int8OID:        kindNumber,
	pgtype.OIDOID:         kindNumber,
	pgtype.Float4OID:      kindNumber,
	pgtype.Float8OID:      kindNumber,
	pgtype.NumericOID:     kindNumber,
	pgtype.BoolOID:        kindBool,
	pgtype.UUIDOID:        kindUUID,
	pgtype.TimestamptzOID: kindTimestamptz,
	pgtype.TimestampOID:   kindTimestamp,
	pgtype.DateOID:        kindDate,
	pgtype.XIDOID:         kindXID,
}

// Column is a column of a file.
type Column struct {
	Name string // in the file
	// From is what the query calls the column that it has its values of; "" is Name. Several may have theirs of the same.
	From string
	// Times is how its times are written, as package time has it; "" is as Options.Layout says.
	Times string
	// Texts, if set, are what is written for each UUID; nil, or none, is NULL.
	Texts map[UUID]*string
	// Seconds says that its numbers are seconds, of which Layout.Durations speaks.
	Seconds bool
}

// UUID is one, in binary.
type UUID [16]byte

// column is one column of the result or of the file.
type column struct {
	name string
	kind kind
	oid  uint32         // of its type
	zone *time.Location // in which a timestamptz is written
	at   int            // of the file: the index of the result's column
	// times and durations are how a time, or a number of seconds, is written if not as usual.
	times     timeStyle
	durations string
	texts     map[UUID]*string // as Column has it
}

// boolTrue is a boolean that is true, in text.
const boolTrue = "t"

// wireFormat is the format code to ask Postgres for.
func (c *column) wireFormat() int16 {
	if c.kind <= kindBool {
		return pgx.TextFormatCode
	}
	return pgx.BinaryFormatCode
}

func wireFormats(columns []column) pgx.QueryResultFormats {
	formats := make(pgx.QueryResultFormats, len(columns))
	for i := range columns {
		formats[i] = columns[i].wireFormat()
	}
	return formats
}

// newColumns describes the columns of a prepared query. Names must be unique, since columns of the file are made of them by
// name.
func newColumns(fields []pgconn.FieldDescription, o Options) ([]column, error) {
	if len(fields) == 0 {
		return nil, errors.New("the query returns no columns")
	}
	seen := make(map[string]bool, len(fields))
	columns := make([]column, len(fields))
	for i, f := range fields {
		if seen[f.Name] {
			return nil, fmt.Errorf("the query returns the column %q twice; give one of them another name with AS", f.Name)
		}
		seen[f.Name] = true
		columns[i] = column{name: f.Name, kind: kinds[f.DataTypeOID], oid: f.DataTypeOID, zone: o.Location}
	}
	return columns, nil
}

// fileColumns are those of the file, made of those of the query: all of them if Options.Columns says nothing else. Names must
// be unique, since an object with the same key twice is no row.
func fileColumns(query []column, o Options) ([]column, error) {
	usual, err := o.Layout.times()
	if err != nil {
		return nil, err
	}
	asked := o.Columns
	if asked == nil {
		for _, c := range query {
			asked = append(asked, Column{Name: c.name})
		}
	}
	seen := make(map[string]bool, len(asked))
	columns := make([]column, len(asked))
	for i, a := range asked {
		if seen[a.Name] {
			return nil, fmt.Errorf("two columns are called %q; give each a name of its own", a.Name)
		}
		seen[a.Name] = true
		at, err := find(query, cmp.Or(a.From, a.Name))
		if err != nil {
			return nil, err
		}
		c := query[at]
		c.name, c.at, c.times = a.Name, at, usual
		if a.Times != "" {
			c.times = timeStyle{layout: a.Times}
		}
		if a.Texts != nil {
			if c.kind != kindUUID {
				return nil, fmt.Errorf("column %q: texts are for UUIDs, which it has none of", a.Name)
			}
			c.kind, c.texts = kindText, a.Texts
		}
		if a.Seconds && o.Layout.Durations != DurationsSeconds {
			c.durations = o.Layout.Durations
		}
		columns[i] = c
	}
	return columns, nil
}

// find is the index of a column of the query.
func find(query []column, name string) (int, error) {
	at := slices.IndexFunc(query, func(c column) bool { return c.name == name })
	if at < 0 {
		return 0, fmt.Errorf("the column %q is not among the query's columns; select it", name)
	}
	return at, nil
}

// textOf is what is written for a UUID.
func (c *column) textOf(raw []byte) []byte {
	if len(raw) != len(UUID{}) {
		return nil
	}
	if text := c.texts[UUID(raw)]; text != nil {
		return []byte(*text)
	}
	return nil
}

// appendValue appends a value of any kind but kindText, which each format escapes in its own way. What
// it appends is plain ASCII that needs no escaping in any format.
func (c *column) appendValue(dst, raw []byte) ([]byte, error) {
	switch c.kind {
	case kindNumber:
		if c.durations != "" {
			return appendMinutes(dst, raw, c.durations == DurationsMinutesUp), nil
		}
		return append(dst, raw...), nil
	case kindBool:
		return strconv.AppendBool(dst, string(raw) == boolTrue), nil
	case kindUUID:
		if len(raw) == 16 {
			return appendUUID(dst, raw), nil
		}
	case kindTimestamptz, kindTimestamp:
		if len(raw) != 8 {
			break
		}
		micros := int64(binary.BigEndian.Uint64(raw))
		switch zoned := c.kind == kindTimestamptz; {
		case !c.times.isUsual() && zoned:
			return appendStyled(dst, c.times, c.zone, micros, true), nil
		case !c.times.isUsual():
			return appendStyled(dst, c.times, time.UTC, micros, false), nil
		case zoned:
			return appendTimestamptz(dst, c.zone, micros), nil
		}
		return appendTimestamp(dst, micros), nil
	case kindDate:
		if len(raw) == 4 {
			return appendDate(dst, int32(binary.BigEndian.Uint32(raw))), nil
		}
	case kindXID:
		if len(raw) == 4 {
			return strconv.AppendUint(dst, uint64(binary.BigEndian.Uint32(raw)), 10), nil
		}
	}
	return nil, c.unreadable(raw)
}

func (c *column) unreadable(raw []byte) error {
	return fmt.Errorf("column %q: the server sent %d bytes, which no value of its type has", c.name, len(raw))
}

// appendMinutes appends a number of seconds as minutes, as DurationsMinutes and DurationsMinutesUp say. What is no number
// is written as it is.
func appendMinutes(dst, raw []byte, up bool) []byte {
	const most = 1 << 50 // a float64 is exact up to there, and nobody talks for longer
	seconds, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || math.IsNaN(seconds) || math.Abs(seconds) > most {
		return append(dst, raw...)
	}
	if up {
		return strconv.AppendInt(dst, int64(math.Ceil(seconds/60)), 10)
	}
	hundredths := math.Floor(seconds*100/60 + 0.5)
	return strconv.AppendFloat(dst, hundredths/100, 'f', 2, 64)
}

// isFinite tells a printed number from NaN, Infinity and -Infinity, which end in a letter.
func isFinite(number []byte) bool {
	return len(number) > 0 && number[len(number)-1] <= '9'
}

const hexDigits = "0123456789abcdef"

// appendUUID appends 16 bytes in the usual form, in lower case.
func appendUUID(dst, raw []byte) []byte {
	out := [36]byte{8: '-', 13: '-', 18: '-', 23: '-'}
	for i, at := range [16]uint8{0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34} {
		out[at], out[at+1] = hexDigits[raw[i]>>4], hexDigits[raw[i]&15]
	}
	return append(dst, out[:]...)
}

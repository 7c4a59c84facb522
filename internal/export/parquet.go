package export

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

const (
	// parquetMagic stands at both ends of a Parquet file.
	parquetMagic = "PAR1"
	// parquetBatch is how many rows are collected before they go to the columns.
	parquetBatch = 256
	// parquetPage is how large a page may be, in bytes: each column has one in memory.
	parquetPage = 32 << 10
	// mostDictionary is how large a column's dictionary may be, in bytes, before its values are written one by one.
	mostDictionary = 256 << 10
	// unixToPostgresMicros is what Postgres's times are before Unix's.
	unixToPostgresMicros = postgresEpoch * microsPerSec
	unixToPostgresDays   = postgresEpoch / secondsPerDay
	// mostMicros is the last of Postgres's times that can be counted from Unix's, in the year 294247.
	mostMicros = math.MaxInt64 - unixToPostgresMicros
)

// parquetEncoder makes row groups. Each is a Parquet file of one row group for the library, of which the pages are taken,
// and the description of the row group behind them: the footer of the whole file is made of those.
type parquetEncoder struct {
	columns []parquetColumn
	width   int // how many columns the query has
	config  *parquet.WriterConfig
	writer  *parquet.GenericWriter[any]
	file    bytes.Buffer
	arena   []byte // the bytes of the batch's values
	rows    int    // in the batch
}

// parquetColumn is a column and its values in the batch.
type parquetColumn struct {
	column
	index  int
	typed  func(c *parquetColumn, raw []byte) (parquet.Value, error) // nil: text
	values []parquet.Value
}

// newParquetEncoder makes the encoder of the format that Parquet documents.
func newParquetEncoder(columns []column, width int, _ Options) (encoder, frame, error) {
	e := &parquetEncoder{width: width, columns: make([]parquetColumn, len(columns))}
	group := parquet.Group{}
	order := make(map[string]int, len(columns))
	for i, c := range columns {
		node, typed := parquetType(c)
		group[c.name], order[c.name] = parquet.Optional(node), i
		e.columns[i] = parquetColumn{column: c, index: i, typed: typed}
	}
	fields := group.Fields()
	slices.SortFunc(fields, func(a, b parquet.Field) int { return order[a.Name()] - order[b.Name()] })
	config, err := parquet.NewWriterConfig(
		parquet.NewSchema("cdr", orderedGroup{group, fields}),
		parquet.Compression(&parquet.Zstd),
		parquet.DictionaryMaxBytes(mostDictionary),
		parquet.PageBufferSize(parquetPage),
		parquet.WriteBufferSize(0), // it writes into memory
		parquet.CreatedBy("trunkline", "1", "parquet"))
	if err != nil {
		return nil, frame{}, fmt.Errorf("describing the columns: %w", err)
	}
	e.config = config
	e.begin(true)
	// What an empty file says of its columns is what the whole one does.
	if err := e.writer.Close(); err != nil {
		return nil, frame{}, fmt.Errorf("describing the columns: %w", err)
	}
	empty, _, err := parquetFooter(e.file.Bytes())
	if err != nil {
		return nil, frame{}, err
	}
	foot := func(notes [][]byte, offsets []int64) ([]byte, error) { return parquetFoot(empty, notes, offsets) }
	return e, frame{head: []byte(parquetMagic), foot: foot, noteOf: parquetNote}, nil
}

// orderedGroup is a group whose fields have an order.
type orderedGroup struct {
	parquet.Group
	fields []parquet.Field
}

// Fields are those of the group, in their order.
func (g orderedGroup) Fields() []parquet.Field { return g.fields }

// parquetType is what a column is in Parquet, and how its values become those; nil: as text.
func parquetType(c column) (parquet.Node, func(*parquetColumn, []byte) (parquet.Value, error)) {
	if !c.times.isUsual() && (c.kind == kindTimestamptz || c.kind == kindTimestamp) { // the column's own: the layout has none
		return parquet.Encoded(parquet.String(), &parquet.RLEDictionary), func(c *parquetColumn, raw []byte) (parquet.Value, error) {
			text, err := c.appendValue(nil, raw)
			return parquet.ByteArrayValue(text), err
		}
	}
	switch c.kind {
	case kindNumber:
		return parquetNumber(c.oid)
	case kindBool:
		return parquet.Leaf(parquet.BooleanType), func(_ *parquetColumn, raw []byte) (parquet.Value, error) {
			return parquet.BooleanValue(string(raw) == "t"), nil
		}
	case kindUUID:
		return parquet.UUID(), func(c *parquetColumn, raw []byte) (parquet.Value, error) {
			if len(raw) != len(uuid.UUID{}) {
				return parquet.Value{}, c.unreadable(raw)
			}
			return parquet.FixedLenByteArrayValue(raw), nil
		}
	case kindTimestamptz, kindTimestamp:
		return parquet.TimestampAdjusted(parquet.Microsecond, c.kind == kindTimestamptz), func(c *parquetColumn, raw []byte) (parquet.Value, error) {
			if len(raw) != 8 {
				return parquet.Value{}, c.unreadable(raw)
			}
			micros := int64(binary.BigEndian.Uint64(raw))
			if micros == stampNegInfinity || micros > mostMicros { // infinity among them
				return parquet.NullValue(), nil
			}
			return parquet.Int64Value(micros + unixToPostgresMicros), nil
		}
	case kindDate:
		return parquet.Date(), func(c *parquetColumn, raw []byte) (parquet.Value, error) {
			if len(raw) != 4 {
				return parquet.Value{}, c.unreadable(raw)
			}
			days := int32(binary.BigEndian.Uint32(raw))
			if days == dateInfinity || days == dateNegInfinity {
				return parquet.NullValue(), nil
			}
			return parquet.Int32Value(days + unixToPostgresDays), nil
		}
	case kindXID:
		return parquet.Leaf(parquet.Int64Type), func(c *parquetColumn, raw []byte) (parquet.Value, error) {
			if len(raw) != 4 {
				return parquet.Value{}, c.unreadable(raw)
			}
			return parquet.Int64Value(int64(binary.BigEndian.Uint32(raw))), nil
		}
	}
	return parquet.Encoded(parquet.String(), &parquet.RLEDictionary), nil
}

// parquetNumber is what a column of numbers of that Postgres type is.
func parquetNumber(oid uint32) (parquet.Node, func(*parquetColumn, []byte) (parquet.Value, error)) {
	switch oid {
	case pgtype.Int2OID, pgtype.Int4OID:
		return parquet.Leaf(parquet.Int32Type), func(c *parquetColumn, raw []byte) (parquet.Value, error) {
			n, err := strconv.ParseInt(string(raw), 10, 32)
			return parquet.Int32Value(int32(n)), c.number(raw, err)
		}
	case pgtype.Int8OID, pgtype.OIDOID:
		return parquet.Leaf(parquet.Int64Type), func(c *parquetColumn, raw []byte) (parquet.Value, error) {
			n, err := strconv.ParseInt(string(raw), 10, 64)
			return parquet.Int64Value(n), c.number(raw, err)
		}
	}
	return parquet.Leaf(parquet.DoubleType), func(c *parquetColumn, raw []byte) (parquet.Value, error) {
		if whole, ok := wholeNumber(raw); ok {
			return parquet.DoubleValue(float64(whole)), nil
		}
		n, err := strconv.ParseFloat(string(raw), 64)
		if errors.Is(err, strconv.ErrRange) { // a numeric may be larger than any double, which then is infinite
			err = nil
		}
		return parquet.DoubleValue(n), c.number(raw, err)
	}
}

func (c *parquetColumn) number(raw []byte, err error) error {
	if err != nil {
		return c.unreadable(raw)
	}
	return nil
}

// begin implements encoder. A writer that is used again remembers which dictionaries were too large before, so that the
// same rows would come out another way.
func (e *parquetEncoder) begin(bool) {
	e.file.Reset()
	e.writer = parquet.NewGenericWriter[any](&e.file, e.config)
}

// row implements encoder: it keeps the row for the batch.
func (e *parquetEncoder) row(dst []byte, values [][]byte) ([]byte, error) {
	if len(values) != e.width {
		return nil, fmt.Errorf("the server sent a row of %d values for %d columns", len(values), e.width)
	}
	for i := range e.columns {
		c := &e.columns[i]
		raw := values[c.at]
		if c.texts != nil {
			raw = c.textOf(raw)
		}
		value := parquet.NullValue()
		if raw != nil {
			start := len(e.arena)
			e.arena = append(e.arena, raw...)
			kept := e.arena[start:len(e.arena):len(e.arena)]
			if c.typed == nil {
				value = parquet.ByteArrayValue(validUTF8(kept))
			} else {
				var err error
				if value, err = c.typed(c, kept); err != nil {
					return nil, err
				}
			}
		}
		defined := 1
		if value.IsNull() {
			defined = 0
		}
		c.values = append(c.values, value.Level(0, defined, c.index))
	}
	if e.rows++; e.rows < parquetBatch {
		return dst, nil
	}
	return dst, e.writeBatch()
}

// writeBatch gives the batch to the columns, which copy it.
func (e *parquetEncoder) writeBatch() error {
	for i, to := range e.writer.ColumnWriters() {
		c := &e.columns[i]
		if _, err := to.WriteRowValues(c.values); err != nil {
			return fmt.Errorf("column %q: %w", c.name, err)
		}
		c.values = c.values[:0]
	}
	e.rows, e.arena = 0, e.arena[:0]
	return nil
}

// end implements encoder: the row group's pages, and its description with its length behind it.
func (e *parquetEncoder) end(dst []byte) (_, note []byte, err error) {
	if err := e.writeBatch(); err != nil {
		return dst, nil, err
	}
	if err := e.writer.Close(); err != nil {
		return dst, nil, err
	}
	footer, _, err := parquetFooter(e.file.Bytes())
	if err != nil {
		return dst, nil, err
	}
	if len(footer.RowGroups) == 0 { // no rows
		return dst, nil, nil
	}
	if len(footer.RowGroups) > 1 {
		return dst, nil, fmt.Errorf("a slice became %d row groups", len(footer.RowGroups))
	}
	group := footer.RowGroups[0]
	var pages int64
	for i := range group.Columns {
		c := &group.Columns[i]
		start := c.MetaData.DataPageOffset
		if dictionary := c.MetaData.DictionaryPageOffset; dictionary > 0 {
			start = min(start, dictionary)
		}
		pages = max(pages, start+c.MetaData.TotalCompressedSize)
		// Indexes say where pages stand in the file that this one is not.
		c.OffsetIndexOffset, c.OffsetIndexLength, c.ColumnIndexOffset, c.ColumnIndexLength = 0, 0, 0, 0
	}
	if note, err = thrift.Marshal(new(thrift.CompactProtocol), &group); err != nil {
		return dst, nil, fmt.Errorf("describing a row group: %w", err)
	}
	dst = append(dst, e.file.Bytes()[len(parquetMagic):pages]...)
	dst = append(dst, note...)
	// What the library needed for the row group is most of the heap, which would else grow to twice that.
	e.writer = nil
	runtime.GC()
	return binary.LittleEndian.AppendUint32(dst, uint32(len(note))), note, nil
}

// parquetNote reads the description of a row group that stands in an earlier part. Whether it is what was written is told
// by the slice's checksum, before anything is made of it: the library allocates whatever a damaged list says it holds.
func parquetNote(part io.ReaderAt, s Slice) ([]byte, error) {
	if s.Bytes == 0 {
		return nil, nil
	}
	var length [4]byte
	if _, err := part.ReadAt(length[:], s.Offset+s.Bytes-4); err != nil {
		return nil, err
	}
	n := int64(binary.LittleEndian.Uint32(length[:]))
	if n > s.Bytes-4 {
		return nil, errors.New("a row group's description is longer than its slice")
	}
	note := make([]byte, n)
	_, err := part.ReadAt(note, s.Offset+s.Bytes-4-n)
	return note, err
}

// parquetFooter reads the footer of a file that the library has just written, and says where it begins.
func parquetFooter(file []byte) (footer format.FileMetaData, at int, err error) {
	const tail = 4 + len(parquetMagic)
	if len(file) < len(parquetMagic)+tail {
		return footer, 0, errors.New("a Parquet file without a footer")
	}
	at = len(file) - tail - int(binary.LittleEndian.Uint32(file[len(file)-tail:]))
	if at < len(parquetMagic) {
		return footer, 0, errors.New("a Parquet file whose footer is longer than it")
	}
	if err := thrift.Unmarshal(new(thrift.CompactProtocol), file[at:len(file)-tail], &footer); err != nil {
		return footer, 0, fmt.Errorf("reading a Parquet footer: %w", err)
	}
	return footer, at, nil
}

// parquetFoot is the footer of the file whose row groups have these descriptions, and stand there.
func parquetFoot(empty format.FileMetaData, notes [][]byte, offsets []int64) ([]byte, error) {
	footer := empty
	footer.RowGroups = nil
	for i, note := range notes {
		if note == nil {
			continue
		}
		var group format.RowGroup
		if err := thrift.Unmarshal(new(thrift.CompactProtocol), note, &group); err != nil {
			return nil, fmt.Errorf("reading the description of a row group: %w", err)
		}
		further := offsets[i] - int64(len(parquetMagic))
		for j := range group.Columns {
			c := &group.Columns[j]
			c.MetaData.DataPageOffset += further
			if c.MetaData.DictionaryPageOffset > 0 {
				c.MetaData.DictionaryPageOffset += further
			}
			if c.FileOffset > 0 {
				c.FileOffset += further
			}
		}
		if group.FileOffset > 0 {
			group.FileOffset += further
		}
		group.Ordinal = int16(min(len(footer.RowGroups), math.MaxInt16))
		footer.RowGroups = append(footer.RowGroups, group)
		footer.NumRows += group.NumRows
	}
	foot, err := thrift.Marshal(new(thrift.CompactProtocol), &footer)
	if err != nil {
		return nil, fmt.Errorf("writing the Parquet footer: %w", err)
	}
	foot = binary.LittleEndian.AppendUint32(foot, uint32(len(foot)))
	return append(foot, parquetMagic...), nil
}

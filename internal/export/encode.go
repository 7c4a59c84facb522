package export

import (
	"fmt"
	"io"
)

// encoder turns rows into one format, a slice after the other. What it appends to is what it is given.
type encoder interface {
	// begin begins a slice, whose first row is the first of the file or not.
	begin(first bool)
	row(dst []byte, values [][]byte) ([]byte, error)
	// end ends the slice, and returns what frame.foot must know of it.
	end(dst []byte) (_ []byte, note []byte, err error)
}

// frame is what stands around the slices of a file.
type frame struct {
	head []byte
	// foot is what follows the slices, of which each has its note, and where it begins in the file.
	foot func(notes [][]byte, offsets []int64) ([]byte, error)
	// noteOf reads the note of a slice that an earlier attempt wrote; nil: there are none.
	noteOf func(part io.ReaderAt, s Slice) ([]byte, error)
}

// textEncoder turns rows into text.
type textEncoder struct {
	cells []cell
	width int // how many columns the query has
	text  func(dst, raw []byte) []byte

	head, foot         string
	openFirst, openRow string // before a row's cells: the file's first row's, and every other's
	closeRow           string

	open string // before the next row's cells
}

// cell is a column and what stands around its values.
type cell struct {
	column
	open, close string
	null        string // in place of all three if the value is NULL
	finite      bool   // a number that is not finite is NULL
}

// newEncoder makes the encoder of a file of these columns, from rows of so many of the query's. It refuses columns that the
// format cannot hold.
func newEncoder(columns []column, width int, o Options) (encoder, frame, error) {
	format, err := ParseFormat(string(o.Format))
	if err != nil {
		return nil, frame{}, err
	}
	return format.form().encoder(columns, width, o)
}

// newEncoderFunc makes the encoder of one format.
type newEncoderFunc func(columns []column, width int, o Options) (encoder, frame, error)

// asText makes an encoder of text of what a format has made.
func asText(format func([]column, Options) (*textEncoder, error)) newEncoderFunc {
	return func(columns []column, width int, o Options) (encoder, frame, error) {
		e, err := format(columns, o)
		if err != nil {
			return nil, frame{}, err
		}
		e.width = width
		foot := func([][]byte, []int64) ([]byte, error) { return []byte(e.foot), nil }
		return e, frame{head: []byte(e.head), foot: foot}, nil
	}
}

func (e *textEncoder) begin(first bool) {
	e.open = e.openRow
	if first {
		e.open = e.openFirst
	}
}

func (e *textEncoder) end(dst []byte) (_, note []byte, err error) { return dst, nil, nil }

// row appends a row to dst. values are as they came from the server, in each column's wire format; nil
// is NULL.
func (e *textEncoder) row(dst []byte, values [][]byte) ([]byte, error) {
	if len(values) != e.width {
		return nil, fmt.Errorf("the server sent a row of %d values for %d columns", len(values), e.width)
	}
	dst = append(dst, e.open...)
	e.open = e.openRow
	for i := range e.cells {
		c := &e.cells[i]
		raw := values[c.at]
		if c.texts != nil {
			raw = c.textOf(raw)
		}
		if raw == nil || c.finite && !isFinite(raw) {
			dst = append(dst, c.null...)
			continue
		}
		if len(c.open) == 1 { // as in CSV, where a call a cell is a twentieth of the time
			dst = append(dst, c.open[0])
		} else {
			dst = append(dst, c.open...)
		}
		if c.kind == kindText {
			dst = e.text(dst, raw)
		} else {
			var err error
			if dst, err = c.appendValue(dst, raw); err != nil {
				return nil, err
			}
		}
		if c.close != "" { // spares CSV and most of JSON a call
			dst = append(dst, c.close...)
		}
	}
	return append(dst, e.closeRow...), nil
}

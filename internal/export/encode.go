package export

import "fmt"

// encoder turns rows into one format. A file is its head, its rows and its foot.
type encoder struct {
	columns []column
	cells   []cell // one a column
	text    func(dst, raw []byte) []byte

	head, foot         string
	openFirst, openRow string // before a row's cells: the first row's, and every other's
	closeRow           string
}

// cell is what stands around the values of a column.
type cell struct {
	open, close string
	null        string // in place of all three if the value is NULL
	finite      bool   // a number that is not finite is NULL
}

// newEncoder refuses columns that the format cannot hold.
func newEncoder(columns []column, o Options) (*encoder, error) {
	newEncoder := o.Format.form().encoder
	if newEncoder == nil {
		return nil, fmt.Errorf("format %q is none of %s", o.Format, formatNames())
	}
	e, err := newEncoder(columns, o)
	if err != nil {
		return nil, err
	}
	e.columns = columns
	return e, nil
}

// row appends a row to dst. values are as they came from the server, in each column's wire format; nil
// is NULL.
func (e *encoder) row(dst []byte, values [][]byte) ([]byte, error) {
	if len(values) != len(e.columns) {
		return nil, fmt.Errorf("the server sent a row of %d values for %d columns", len(values), len(e.columns))
	}
	dst = append(dst, e.openFirst...)
	e.openFirst = e.openRow
	for i, raw := range values {
		c, around := &e.columns[i], &e.cells[i]
		if raw == nil || around.finite && !isFinite(raw) {
			dst = append(dst, around.null...)
			continue
		}
		dst = append(dst, around.open...)
		if c.kind == kindText {
			dst = e.text(dst, raw)
		} else {
			var err error
			if dst, err = c.appendValue(dst, raw); err != nil {
				return nil, err
			}
		}
		if around.close != "" { // spares CSV and most of JSON a call
			dst = append(dst, around.close...)
		}
	}
	return append(dst, e.closeRow...), nil
}

// replacement is U+FFFD in UTF-8: what stands for what a format cannot hold.
const replacement = "\uFFFD"

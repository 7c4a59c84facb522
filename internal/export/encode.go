package export

import "fmt"

// encoder turns rows into one format. A file is its head, its rows and its foot.
type encoder struct {
	cells []cell
	text  func(dst, raw []byte) []byte

	head, foot         string
	openFirst, openRow string // before a row's cells: the first row's, and every other's
	closeRow           string
}

// cell is a column and what stands around its values.
type cell struct {
	column
	open, close string
	null        string // in place of all three if the value is NULL
	finite      bool   // a number that is not finite is NULL
}

// newEncoder refuses columns that the format cannot hold.
func newEncoder(columns []column, o Options) (*encoder, error) {
	format, err := ParseFormat(string(o.Format))
	if err != nil {
		return nil, err
	}
	return format.form().encoder(columns, o)
}

// row appends a row to dst. values are as they came from the server, in each column's wire format; nil
// is NULL.
func (e *encoder) row(dst []byte, values [][]byte) ([]byte, error) {
	if len(values) != len(e.cells) {
		return nil, fmt.Errorf("the server sent a row of %d values for %d columns", len(values), len(e.cells))
	}
	dst = append(dst, e.openFirst...)
	e.openFirst = e.openRow
	for i, raw := range values {
		c := &e.cells[i]
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

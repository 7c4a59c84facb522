package export

import "fmt"

// encoder turns rows into one format. Each method appends to dst and returns it. values are as they
// came from the server, in each column's wire format; nil is NULL.
type encoder interface {
	begin(dst []byte) []byte
	row(dst []byte, values [][]byte) ([]byte, error)
	end(dst []byte) []byte
}

func newEncoder(columns []column, o Options) (encoder, error) {
	switch o.Format {
	case CSV:
		return &csvEncoder{columns: columns, guard: o.FormulaGuard}, nil
	case JSON:
		return newJSONEncoder(columns), nil
	case XML:
		return newXMLEncoder(columns), nil
	}
	return nil, fmt.Errorf("format %q is not known; use CSV, JSON or XML", o.Format)
}

// checkWidth says when a row has not the columns that were announced.
func checkWidth(columns []column, values [][]byte) error {
	if len(values) != len(columns) {
		return fmt.Errorf("the server sent a row of %d values for %d columns", len(values), len(columns))
	}
	return nil
}

// replacement is U+FFFD in UTF-8: what stands where a text has what its format cannot hold.
const replacement = "\uFFFD"

package export

import "fmt"

// encoder turns rows into one format. Each method appends to dst and returns it. values are as they
// came from the server, in each column's wire format; nil is NULL.
type encoder interface {
	begin(dst []byte) []byte
	row(dst []byte, values [][]byte) ([]byte, error)
	end(dst []byte) []byte
}

// newEncoder refuses columns that the format cannot hold.
func newEncoder(columns []column, o Options) (encoder, error) {
	encoder := o.Format.form().encoder
	if encoder == nil {
		return nil, fmt.Errorf("format %q is none of %s", o.Format, formatNames())
	}
	return encoder(columns, o)
}

// checkWidth says when a row has not the columns that were announced.
func checkWidth(columns []column, values [][]byte) error {
	if len(values) != len(columns) {
		return fmt.Errorf("the server sent a row of %d values for %d columns", len(values), len(columns))
	}
	return nil
}

// replacement is U+FFFD in UTF-8: what stands for what a format cannot hold.
const replacement = "\uFFFD"

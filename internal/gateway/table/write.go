package table

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// CSVWriter writes rows that Read reads.
type CSVWriter struct {
	to        *bufio.Writer
	delimiter string
	guard     bool
}

// NewCSVWriter returns a writer of rows with that delimiter; "" is a comma. With guard a spreadsheet takes no cell for
// a formula: see Options.Disarm.
func NewCSVWriter(to io.Writer, delimiter string, guard bool) *CSVWriter {
	if delimiter == "" {
		delimiter = ","
	}
	return &CSVWriter{to: bufio.NewWriter(to), delimiter: delimiter, guard: guard}
}

// Row writes one row.
func (w *CSVWriter) Row(cells []string) error {
	for i, cell := range cells {
		if i > 0 {
			_, _ = w.to.WriteString(w.delimiter) // the last write tells
		}
		if w.guard {
			cell = armed(cell)
		}
		if strings.ContainsAny(cell, "\",;\t|\r\n") || cell != strings.TrimSpace(cell) || cell == "" && len(cells) == 1 {
			cell = `"` + strings.ReplaceAll(cell, `"`, `""`) + `"`
		}
		_, _ = w.to.WriteString(cell)
	}
	_, err := w.to.WriteString("\n")
	return wrapped(err)
}

// Flush writes what is still held.
func (w *CSVWriter) Flush() error { return wrapped(w.to.Flush()) }

// NDJSONWriter writes an object a line.
type NDJSONWriter struct {
	to *bufio.Writer
}

// NewNDJSONWriter returns a writer of objects.
func NewNDJSONWriter(to io.Writer) *NDJSONWriter { return &NDJSONWriter{bufio.NewWriter(to)} }

// Row writes an object of these names, in their order; a value that is nil is null.
func (w *NDJSONWriter) Row(names []string, values []*string) error {
	for i, name := range names {
		separator := byte(',')
		if i == 0 {
			separator = '{'
		}
		_ = w.to.WriteByte(separator) // the last write tells
		_, _ = w.to.Write(encoded(name))
		_ = w.to.WriteByte(':')
		if values[i] == nil {
			_, _ = w.to.WriteString("null")
			continue
		}
		_, _ = w.to.Write(encoded(*values[i]))
	}
	_, err := w.to.WriteString("}\n")
	return wrapped(err)
}

// Flush writes what is still held.
func (w *NDJSONWriter) Flush() error { return wrapped(w.to.Flush()) }

// encoded is the text as JSON. Nothing is escaped for HTML, which it is not.
func encoded(text string) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) // a string has a form
	return bytes.TrimRight(b.Bytes(), "\n")
}

func wrapped(err error) error {
	if err != nil {
		return fmt.Errorf("writing gateways: %w", err)
	}
	return nil
}

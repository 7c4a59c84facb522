package table

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"trunkline/internal/fault"
)

// delimiters are those that a header is tried with; of equals the first is taken.
const delimiters = ",;\t|"

// readCSV reads a header and rows. Errors are those of the source.
func (r *reader) readCSV() error {
	delimiter := r.delimiter()
	r.file.Delimiter = string(delimiter)
	c := &records{reader: r, delimiter: delimiter, most: maxColumns, heading: true}
	if err := c.read(); err != nil {
		return err
	}
	fields, ours := r.header(c)
	if r.total > 0 {
		return nil // what the columns are is not known
	}
	c.most, c.heading = len(fields), false
	for {
		err := c.read()
		if err != nil {
			return err
		}
		if c.blank() {
			continue
		}
		if !r.another(c.line) {
			return nil
		}
		if c.count != len(fields) && !c.wrong {
			r.fault(fault.Detail{Line: c.line, Row: r.file.Rows, Code: fault.InvalidRequest,
				Message: fmt.Sprintf("the row has %d cells and the header %d; give each column a cell, and quote a cell that holds a %s", c.count, len(fields), named(delimiter))})
		}
		if r.total > 0 {
			r.checkEncoding(c, fields)
			continue
		}
		r.unnamed(c)
		if row := r.csvRow(c, fields, ours); r.total == 0 {
			r.take(row)
		}
	}
}

// header reads which columns there are: what each holds, "" if it is dropped, and whether the file is one of ours.
func (r *reader) header(c *records) (fields []string, ours bool) {
	fields = make([]string, len(c.cells))
	names := map[string]string{}
	wrong := func(format string, args ...any) {
		r.fault(fault.Detail{Line: c.line, Code: fault.InvalidRequest, Message: fmt.Sprintf(format, args...)})
	}
	if c.wrong {
		return nil, false
	}
	if c.count > maxColumns {
		wrong("the header has more than %d columns", maxColumns)
		return nil, false
	}
	unnamed, unclear := 0, 0
	for i, name := range c.cells {
		switch name = strings.TrimSpace(name); {
		case !utf8.ValidString(name):
			wrong("the name of column %d %s", i+1, wrongEncoding(name))
			unclear++
			continue
		case hasControl(name) || c.long[i]:
			unclear++
			continue
		case name == "":
			unnamed++
			continue
		}
		ours = ours || r.Disarm != nil && r.Disarm(Tidy(name))
		fields[i] = r.column(name, c.line, 0)
		if before, doubled := names[fields[i]]; doubled && fields[i] != "" {
			r.fault(fault.Detail{Line: c.line, Field: fields[i], Code: fault.InvalidRequest,
				Message: fmt.Sprintf("%s is given twice, by the columns %q and %q; take one of them out", fields[i], fault.Clip(before), fault.Clip(name))})
		}
		names[fields[i]] = name
	}
	if r.total == 0 && !r.keyed() {
		// What stands there may be a row, and hold a password.
		wrong("the first row has to name the columns, and none of them is %s", strings.Join(r.Key, ", "))
		r.file.Unknown = nil
		return nil, false
	}
	// Spreadsheets end a header with columns that were used once: without a name, and without a cell that says anything.
	r.named = len(c.cells)
	for r.named > 0 && strings.TrimSpace(c.cells[r.named-1]) == "" {
		r.named--
	}
	within := unnamed > len(c.cells)-r.named
	for i, name := range c.cells {
		switch {
		case !utf8.ValidString(name):
		case strings.TrimSpace(name) == "" && within:
			wrong("column %d has no name; name it, or take it out", i+1)
		case hasControl(name) || c.long[i]:
			wrong("the name of column %d is too long, or holds a control character; name it anew", i+1)
		}
	}
	return fields, ours
}

// unnamed looks for what a row says after the last column that has a name.
func (r *reader) unnamed(c *records) {
	for i := r.named; i < len(c.cells); i++ {
		if strings.TrimSpace(c.cells[i]) != "" {
			r.fault(fault.Detail{Line: c.line, Row: r.file.Rows, Code: fault.InvalidRequest,
				Message: fmt.Sprintf("column %d has no name, and a cell here; name it in the first row, or empty the cell", i+1)})
		}
	}
}

// csvRow is the record as a row of those fields.
func (r *reader) csvRow(c *records, fields []string, ours bool) Row {
	row := Row{Number: r.file.Rows, Line: c.line, Values: make(map[string]string, len(fields))}
	for i, field := range fields {
		if field == "" {
			continue
		}
		value := c.cells[i]
		if ours {
			value = disarmed(value)
		}
		if value != "" { // an empty cell says nothing
			r.value(&row, field, value, c.long[i])
		}
	}
	return row
}

// checkEncoding looks for what is not UTF-8 in the cells of a row that is not read any more.
func (r *reader) checkEncoding(c *records, fields []string) {
	for i, cell := range c.cells {
		if i < len(fields) && fields[i] != "" && !utf8.ValidString(cell) {
			r.fault(fault.Detail{Line: c.line, Row: r.file.Rows, Field: fields[i], Code: fault.InvalidRequest, Message: fields[i] + ": " + wrongEncoding(cell)})
		}
	}
}

// value sets a row's value, or notes what is wrong with it.
func (r *reader) value(row *Row, field, value string, long bool) {
	says := ""
	switch {
	case long:
		says = tooLongCell(r.Limits.Cell)
	case !utf8.ValidString(value):
		r.fault(fault.Detail{Line: row.Line, Row: row.Number, Field: field, Code: fault.InvalidRequest, Message: field + ": " + wrongEncoding(value)})
		return
	case hasControl(value):
		if row.Controls == nil {
			row.Controls = map[string]string{}
		}
		row.Controls[field], says = value, controlCharacter
	default:
		row.Values[field] = value
		return
	}
	row.Faults = append(row.Faults, fault.Detail{Line: row.Line, Row: row.Number, Field: field, Code: fault.InvalidRequest, Message: field + ": " + says})
}

// records reads records of CSV.
type records struct {
	*reader
	delimiter byte
	most      int  // cells of a record that are kept
	heading   bool // it is the header that is read

	line  int // where the record begins
	cells []string
	long  []bool // the cell was longer than it may be: its beginning is kept
	count int    // cells, also those that are not kept
	wrong bool   // a quote is where it may not be; it is noted

	text []byte // of the cell that is read
	over bool
}

// read reads a record. io.EOF: there is none.
func (c *records) read() error {
	c.cells, c.long, c.count, c.wrong = c.cells[:0], c.long[:0], 0, false
	if _, err := c.Peek(1); err != nil {
		return err
	}
	c.line = c.here()
	for {
		end, err := c.cell()
		c.keep()
		if err == io.EOF {
			return nil // the next one finds the end again
		}
		if err != nil || end == '\n' {
			return err
		}
	}
}

// keep ends a cell.
func (c *records) keep() {
	if c.count++; c.count <= c.most {
		c.cells, c.long = append(c.cells, string(c.text)), append(c.long, c.over)
	}
	c.text, c.over = c.text[:0], false
}

func (c *records) add(b byte) {
	if len(c.text) == c.Limits.Cell {
		c.over = true
		return
	}
	c.text = append(c.text, b)
}

// cell reads a cell and returns what ends it: the delimiter or LF.
func (c *records) cell() (end byte, err error) {
	b, err := c.next()
	if err != nil {
		return 0, err
	}
	if b == '"' {
		return c.quotedCell()
	}
	for {
		switch b {
		case c.delimiter, '\n':
			return b, nil
		case '"':
			c.misplaced("a quote stands within a cell that does not begin with one; put the whole cell in quotes, and double each quote within it")
		}
		c.add(b)
		if b, err = c.next(); err != nil {
			return 0, err
		}
	}
}

// quotedCell reads on after the quote that opens it.
func (c *records) quotedCell() (end byte, err error) {
	opened := c.source.line
	for {
		b, err := c.next()
		if err == io.EOF {
			c.misplacedAt(opened, "the quote that opens here is never closed; close it, and double each quote within a cell")
		}
		if err != nil {
			return 0, err
		}
		if b != '"' {
			c.add(b)
			continue
		}
		switch b, err = c.next(); {
		case err != nil || b == c.delimiter || b == '\n':
			return b, err
		case b == '"':
			c.add(b)
			continue
		}
		c.misplaced("text follows a cell's closing quote; double each quote within a cell")
		return '\n', c.skipLine()
	}
}

func (c *records) misplaced(says string) { c.misplacedAt(c.source.line, says) }

// misplacedAt notes a quote that is where it may not be, one a record.
func (c *records) misplacedAt(line int, says string) {
	if c.wrong {
		return
	}
	c.wrong = true
	row := c.file.Rows + 1
	if c.heading {
		row = 0
	}
	c.fault(fault.Detail{Line: line, Row: row, Code: fault.InvalidRequest, Message: fmt.Sprintf("column %d: %s", c.count+1, says)})
}

// blank reports whether no cell of the record says anything: spreadsheets end files with such.
func (c *records) blank() bool {
	for _, cell := range c.cells {
		if strings.TrimSpace(cell) != "" {
			return false
		}
	}
	return !c.wrong && c.count <= max(c.most, 1)
}

// delimiter is the one by which most of the header's names are known.
func (r *reader) delimiter() byte {
	ahead, _ := r.Peek(looked) // what is wrong is found again
	line := ahead
	quoted := false
	for i, b := range ahead {
		if b == '"' {
			quoted = !quoted
		}
		if !quoted && (b == '\n' || b == '\r') {
			line = ahead[:i]
			break
		}
	}
	best, most, widest := delimiters[0], 0, 0
	for _, delimiter := range []byte(delimiters) {
		known, cells := 0, bytes.Split(line, []byte{delimiter})
		for _, cell := range cells {
			if r.Field(Tidy(strings.Trim(strings.TrimSpace(string(cell)), `"`))) != "" {
				known++
			}
		}
		if known > most || known == most && len(cells) > widest {
			best, most, widest = delimiter, known, len(cells)
		}
	}
	return best
}

func named(delimiter byte) string {
	switch delimiter {
	case ',':
		return "comma"
	case ';':
		return "semicolon"
	case '\t':
		return "tab"
	}
	return string(delimiter)
}

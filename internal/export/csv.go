package export

import "encoding/binary"

// csvStyle is how the text cells of a CSV file are written.
type csvStyle struct {
	guard    bool
	quoteAll bool
	// separates are the bytes after which some spreadsheet begins a cell within one of ours: what other files than this
	// one have between cells, and line ends.
	separates [256]bool
}

func newCSVStyle(o Options) *csvStyle {
	s := &csvStyle{guard: o.FormulaGuard, quoteAll: o.Layout.QuoteAll}
	for _, b := range ",;\t|\r\n" {
		s.separates[b] = string(b) != o.Layout.delimiter()
	}
	return s
}

// newCSVEncoder makes the encoder of the format that CSV documents.
func newCSVEncoder(columns []column, o Options) (*textEncoder, error) {
	style, lineEnd := newCSVStyle(o), "\n"
	if o.Layout.CRLF {
		lineEnd = "\r\n"
	}
	var head []byte
	cells := make([]cell, len(columns))
	for i, c := range columns {
		around := cell{column: c}
		if i > 0 {
			around.open = o.Layout.delimiter()
		}
		head = append(head, around.open...)
		head = style.append(head, []byte(c.name))
		around.null = around.open
		if o.Layout.QuoteAll || len(columns) == 1 {
			around.null += `""`
		}
		if o.Layout.QuoteAll && c.kind != kindText {
			around.open, around.close = around.open+`"`, `"`
		}
		cells[i] = around
	}
	head = append(head, lineEnd...)
	if o.Layout.NoHeader {
		head = nil
	}
	return &textEncoder{cells: cells, text: style.append, head: string(head), closeRow: lineEnd}, nil
}

// append appends one text cell, quoted if it must be.
func (s *csvStyle) append(dst, text []byte) []byte {
	if len(text) == 0 {
		return append(dst, `""`...)
	}
	if !s.quoteAll && !needsQuotes(text) {
		if s.guard && isFormula(text) {
			dst = append(dst, '\'')
		}
		return append(dst, text...)
	}
	dst = append(dst, '"')
	if s.guard && isFormula(text) {
		dst = append(dst, '\'')
	}
	for i, b := range text {
		if b == '"' {
			dst = append(dst, '"')
		}
		dst = append(dst, b)
		if s.guard && s.separates[b] && BeginsFormula(text[i+1:], true) {
			dst = append(dst, '\'')
		}
	}
	return append(dst, '"')
}

// needsQuotes says whether text has a byte that ends a cell or a row, for whichever spreadsheet: quote, comma,
// semicolon, pipe, tab, CR or LF. Nearly no text has one and every byte of an export passes here, so it looks at
// eight bytes at once and says yes for any control character below 14 as well, which quotes do not harm.
func needsQuotes(text []byte) bool {
	const (
		ones  = 0x0101010101010101
		highs = 0x80 * ones
	)
	for len(text) >= 8 {
		x := binary.LittleEndian.Uint64(text)
		quote, comma, semicolon, pipe := x^('"'*ones), x^(','*ones), x^(';'*ones), x^('|'*ones)
		found := (quote-ones)&^quote | (comma-ones)&^comma | (semicolon-ones)&^semicolon | (pipe-ones)&^pipe | (x-('\r'+1)*ones)&^x
		if found&highs != 0 {
			return true
		}
		text = text[8:]
	}
	for _, b := range text {
		if b == '"' || b == ',' || b == ';' || b == '|' || b <= '\r' {
			return true
		}
	}
	return false
}

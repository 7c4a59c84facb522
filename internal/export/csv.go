package export

import "encoding/binary"

// newCSVEncoder makes the encoder of the format that CSV documents.
func newCSVEncoder(columns []column, o Options) (*encoder, error) {
	var head []byte
	cells := make([]cell, len(columns))
	for i, c := range columns {
		cells[i].column = c
		if i > 0 {
			cells[i].open, cells[i].null = ",", ","
		}
		head = append(head, cells[i].open...)
		head = appendCell(head, []byte(c.name), o.FormulaGuard)
	}
	if len(columns) == 1 {
		cells[0].null = `""`
	}
	text := func(dst, raw []byte) []byte { return appendCell(dst, raw, o.FormulaGuard) }
	return &encoder{cells: cells, text: text, head: string(head) + "\n", closeRow: "\n"}, nil
}

// appendCell appends one text cell, quoted if it must be.
func appendCell(dst, text []byte, guard bool) []byte {
	if len(text) == 0 {
		return append(dst, `""`...)
	}
	if !needsQuotes(text) {
		if guard && isFormula(text) {
			dst = append(dst, '\'')
		}
		return append(dst, text...)
	}
	dst = append(dst, '"')
	if guard && isFormula(text) {
		dst = append(dst, '\'')
	}
	for i, b := range text {
		if b == '"' {
			dst = append(dst, '"')
		}
		dst = append(dst, b)
		if guard && isSeparator(b) && BeginsFormula(text[i+1:], true) {
			dst = append(dst, '\'')
		}
	}
	return append(dst, '"')
}

// needsQuotes says whether text has a byte that ends a cell or a row, for whichever spreadsheet: quote, comma,
// semicolon, tab, CR or LF. Nearly no text has one and every byte of an export passes here, so it looks at
// eight bytes at once and says yes for any control character below 14 as well, which quotes do not harm.
func needsQuotes(text []byte) bool {
	const (
		ones  = 0x0101010101010101
		highs = 0x80 * ones
	)
	for len(text) >= 8 {
		x := binary.LittleEndian.Uint64(text)
		quote, comma, semicolon := x^('"'*ones), x^(','*ones), x^(';'*ones)
		found := (quote-ones)&^quote | (comma-ones)&^comma | (semicolon-ones)&^semicolon | (x-('\r'+1)*ones)&^x
		if found&highs != 0 {
			return true
		}
		text = text[8:]
	}
	for _, b := range text {
		if b == '"' || b == ',' || b == ';' || b <= '\r' {
			return true
		}
	}
	return false
}

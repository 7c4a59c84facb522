package export

import (
	"fmt"
	"regexp"
)

// newXMLEncoder makes the encoder of the format that XML documents.
func newXMLEncoder(columns []column, _ Options) (*textEncoder, error) {
	const head = `<?xml version="1.0" encoding="UTF-8"?>` + "\n<cdrs>\n"
	e := &textEncoder{text: xmlEscaping.append, head: head, openFirst: "<cdr>", openRow: "<cdr>", closeRow: "</cdr>\n", foot: "</cdrs>\n"}
	for _, c := range columns {
		if !xmlName.MatchString(c.name) {
			return nil, fmt.Errorf("the column name %q cannot be an XML element; give it another name with AS", c.name)
		}
		e.cells = append(e.cells, cell{
			column: c,
			open:   "<" + c.name + ">",
			close:  "</" + c.name + ">",
			null:   "<" + c.name + ` null="true"/>`,
		})
	}
	return e, nil
}

var xmlEscaping = escaping{markup: [3]byte{'&', '<', '>'}, escape: func(r rune) string {
	switch {
	case r == '&':
		return "&amp;"
	case r == '<':
		return "&lt;"
	case r == '>':
		return "&gt;"
	case r == '\r':
		return "&#13;"
	case r < ' ' && r != '\n' && r != '\t' || r == '\uFFFE' || r == '\uFFFF':
		return replacement
	}
	return ""
}}

// IsXMLName reports whether a column of an XML file may be called so.
func IsXMLName(name string) bool { return xmlName.MatchString(name) }

// xmlName is what a column must be called to name an element. XML allows more; a colon would make it a
// namespace's.
var xmlName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

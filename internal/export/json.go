package export

import "fmt"

// newJSONEncoder makes the encoder of the format that JSON documents.
func newJSONEncoder(columns []column, _ Options) (*textEncoder, error) {
	e := &textEncoder{text: appendJSONString, head: "[", openFirst: "\n{", openRow: ",\n{", closeRow: "}", foot: "\n]\n"}
	for i, c := range columns {
		key := string(appendJSONString(nil, []byte(c.name))) + ":"
		if i > 0 {
			key = "," + key
		}
		around := cell{column: c, open: key, null: key + "null", finite: c.kind == kindNumber}
		if c.kind >= kindUUID {
			around.open, around.close = key+`"`, `"`
		}
		e.cells = append(e.cells, around)
	}
	return e, nil
}

// newNDJSONEncoder makes the encoder of the format that NDJSON documents: JSON's objects by themselves.
func newNDJSONEncoder(columns []column, o Options) (*textEncoder, error) {
	e, err := newJSONEncoder(columns, o)
	if err == nil {
		e.head, e.openFirst, e.openRow, e.closeRow, e.foot = "", "{", "{", "}\n", ""
	}
	return e, err
}

func appendJSONString(dst, text []byte) []byte {
	dst = append(dst, '"')
	dst = jsonEscaping.append(dst, text)
	return append(dst, '"')
}

// jsonEscaping escapes U+2028 and U+2029 too, since older JavaScript takes them for line ends.
var jsonEscaping = escaping{markup: [3]byte{'"', '\\'}, escape: func(r rune) string {
	switch {
	case r == '"':
		return `\"`
	case r == '\\':
		return `\\`
	case r == '\n':
		return `\n`
	case r == '\r':
		return `\r`
	case r == '\t':
		return `\t`
	case r < ' ' || r == '\u2028' || r == '\u2029':
		return fmt.Sprintf(`\u%04x`, r)
	}
	return ""
}}

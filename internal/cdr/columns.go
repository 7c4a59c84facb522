package cdr

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"trunkline/internal/export"
	"trunkline/internal/fusionpbx"
)

// maxHeader is the longest name of a column in a file, in bytes.
const maxHeader = 128

// columnSets are lists of columns that have a name.
var columnSets = map[string][]string{
	// All that can be asked for.
	"all": fusionpbx.AllCDRColumns(),
	// What a bill needs: which call, whose, from where to where, when, and how long.
	"billing": {
		"xml_cdr_uuid", "domain_name", "accountcode", "direction", "caller_id_number", "destination_number", "start_stamp", "answer_stamp", "end_stamp",
		"duration", "billsec", "hangup_cause",
	},
}

// ParseColumns reads a list of columns: names, each with a header of the file's own behind a colon if it likes, or the name
// of a set. headers is nil if none is given.
func ParseColumns(list []string) (columns, headers []string) {
	if len(list) == 1 && columnSets[strings.ToLower(list[0])] != nil {
		return columnSets[strings.ToLower(list[0])], nil
	}
	renamed := false
	for _, item := range list {
		name, header, given := strings.Cut(item, ":")
		name = strings.ToLower(strings.TrimSpace(name))
		renamed = renamed || given
		if header = strings.TrimSpace(header); !given {
			header = name
		}
		columns, headers = append(columns, name), append(headers, header)
	}
	if !renamed {
		return columns, nil
	}
	return columns, headers
}

// checkHeaders refuses what a file of the format cannot have as its columns' names.
func checkHeaders(format export.Format, headers []string) error {
	for i, header := range headers {
		switch {
		case header == "":
			return fmt.Errorf("columns: the name behind the colon of column %d is empty; write column:Name, or the column alone", i+1)
		case len(header) > maxHeader || !utf8.ValidString(header) || strings.ContainsFunc(header, unicode.IsControl):
			return fmt.Errorf("columns: the name of column %d is longer than %d bytes, or holds what does not print", i+1, maxHeader)
		case slices.Contains(headers[:i], header):
			return fmt.Errorf("columns: two are called %q; give each a name of its own", header)
		case format == export.XML && !export.IsXMLName(header):
			return fmt.Errorf("columns: %q cannot be the name of an XML element; use letters, digits, _, . and -, with a letter or _ first", header)
		}
	}
	return nil
}

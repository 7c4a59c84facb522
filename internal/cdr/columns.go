package cdr

import (
	"errors"
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
	// All that there are in FusionPBX's table.
	"all": fusionpbx.AllCDRColumns(),
	// What a bill needs: which call, whose, from where to where, when, and how long.
	"billing": {
		"xml_cdr_uuid", "domain_name", "accountcode", "direction", "caller_id_number", "destination_number", "start_stamp", "answer_stamp", "end_stamp",
		"duration", "billsec", "hangup_cause",
	},
	// What FusionPBX's own page exports.
	SetFusionPBX: fusionpbx.PageCDRColumns,
}

// SetFusionPBX is the set of the columns that FusionPBX's own page exports.
const SetFusionPBX = "fusionpbx"

// pageHeaders are what FusionPBX's page calls its columns.
func pageHeaders() []string {
	headers := slices.Clone(fusionpbx.PageCDRColumns)
	headers[slices.Index(headers, "billsec")] = "duration" // the first of the two
	headers[slices.Index(headers, "waitsec")] = "wait"
	return headers
}

// ParseColumns reads a list of columns: names, each with a header of the file's own behind a colon if it likes, or the name
// of a set; of FusionPBX's page an export of all domains has the domain's name too. headers is nil if none is given.
func ParseColumns(list []string, allDomains bool) (columns, headers []string) {
	if len(list) == 1 {
		switch set := strings.ToLower(list[0]); {
		case set == SetFusionPBX && allDomains:
			return append(slices.Clone(columnSets[set]), "domain_name"), append(pageHeaders(), "domain_name")
		case set == SetFusionPBX:
			return columnSets[set], pageHeaders()
		case columnSets[set] != nil:
			return columnSets[set], nil
		}
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

// ListedColumns reads a list of columns that have no other names, each once: names, or the name of a set.
func ListedColumns(list []string, allDomains bool) ([]string, error) {
	columns, headers := ParseColumns(list, allDomains)
	if len(list) == 1 && columnSets[strings.ToLower(list[0])] != nil {
		seen := map[string]bool{}
		return slices.DeleteFunc(slices.Clone(columns), func(column string) bool {
			again := seen[column]
			seen[column] = true
			return again
		}), nil
	}
	if headers != nil {
		return nil, errors.New("columns: have no other names in a list; leave out what stands behind the colons")
	}
	return columns, nil
}

// checkHeaders refuses what a file of the format cannot have as its columns' names; nil: they are called as the columns.
func checkHeaders(format export.Format, columns, headers []string) error {
	if headers == nil {
		headers = columns
	}
	for i, header := range headers {
		switch {
		case header == "":
			return fmt.Errorf("columns: the name behind the colon of column %d is empty; write column:Name, or the column alone", i+1)
		case len(header) > maxHeader || !utf8.ValidString(header) || strings.ContainsFunc(header, unicode.IsControl):
			return fmt.Errorf("columns: the name of column %d is longer than %d bytes, or holds what does not print", i+1, maxHeader)
		case slices.Contains(headers[:i], header):
			return fmt.Errorf("columns: two are called %q; give each a name of its own (column:Name)", header)
		case format == export.XML && !export.IsXMLName(header):
			return fmt.Errorf("columns: %q cannot be the name of an XML element; use letters, digits, _, . and -, with a letter or _ first", header)
		}
	}
	return nil
}

package cdr

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
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
	SetFusionPBX: pageColumns,
}

// SetFusionPBX is the set of the columns that FusionPBX's own page exports.
const SetFusionPBX = "fusionpbx"

// pageColumns are what FusionPBX's own page exports, in its order. Its duration is billsec, and its wait is waitsec.
var pageColumns = []string{
	"domain_uuid", "sip_call_id", "extension", "extension_name", startColumn, "end_stamp", "start_date_formatted", "start_time_formatted",
	"start_epoch", billsecColumn, "billmsec", "missed_call", "record_path", "record_name", uuidColumn, "bridge_uuid", "direction", billsecColumn,
	"caller_id_name", "caller_id_number", "caller_destination", "source_number", "destination_number", "leg", "read_codec", "write_codec", "cc_side",
	"answer_stamp", "status", "sip_hangup_disposition", "call_disposition", "pdd_ms", "rtp_audio_in_mos", "waitsec",
}

// pageHeaders are what FusionPBX's page calls its columns.
func pageHeaders() []string {
	headers := slices.Clone(pageColumns)
	headers[slices.Index(headers, billsecColumn)] = "duration" // the first of the two
	headers[slices.Index(headers, "waitsec")] = "wait"
	return headers
}

// derived are the columns that FusionPBX's page makes of others: of which, and how.
var derived = map[string]struct {
	from  string
	times func(clock24 bool) string
	text  func(fusionpbx.ExtensionNames) *string
}{
	"extension":            {from: "extension_uuid", text: func(e fusionpbx.ExtensionNames) *string { return e.Number }},
	"extension_name":       {from: "extension_uuid", text: func(e fusionpbx.ExtensionNames) *string { return e.Name }},
	"start_date_formatted": {from: startColumn, times: func(bool) string { return "02 Jan 2006" }},
	"start_time_formatted": {from: startColumn, times: func(clock24 bool) string {
		if clock24 {
			return "15:04"
		}
		return "03:04 pm"
	}},
	fusionpbx.AnswerDelayColumn: {from: fusionpbx.AnswerDelayColumn},
	fusionpbx.LateColumn:        {from: fusionpbx.LateColumn},
}

// source is the column that a column has its values of.
func source(column string) string { return cmp.Or(derived[column].from, column) }

// checkColumns refuses a column that there is none of.
func checkColumns(columns []string) error {
	known := slices.Concat(fusionpbx.AllCDRColumns(), slices.Sorted(maps.Keys(derived)))
	for _, column := range columns {
		if !slices.Contains(known, column) {
			return fmt.Errorf("columns: there is no column %.200q to export; the columns are %s", column, strings.Join(known, ", "))
		}
	}
	return nil
}

// read are the columns that are read of the table, each once: those of the file, and others that are needed.
func (r Request) read() []string {
	var read []string
	for _, column := range r.columns() {
		read = append(read, source(column))
	}
	read = append(read, startColumn, uuidColumn, billsecColumn)
	seen := map[string]bool{}
	return slices.DeleteFunc(read, func(column string) bool {
		again := seen[column]
		seen[column] = true
		return again
	})
}

// MarkLate adds the column that says which rows are late, as the last one, unless it is among those that are asked for.
func (r Request) MarkLate() Request {
	if columns := r.columns(); !slices.Contains(columns, fusionpbx.LateColumn) {
		r.Columns = append(slices.Clone(columns), fusionpbx.LateColumn)
		if r.Headers != nil {
			r.Headers = append(slices.Clone(r.Headers), fusionpbx.LateColumn)
		}
	}
	return r
}

// inFile are the columns of the file, made of those that are read.
func (r Request) inFile(ctx context.Context, db *fusionpbx.DB) ([]export.Column, error) {
	var names map[[16]byte]fusionpbx.ExtensionNames
	columns := make([]export.Column, len(r.columns()))
	for i, column := range r.columns() {
		made := derived[column]
		c := export.Column{Name: column, From: source(column), Seconds: slices.Contains(fusionpbx.CDRSeconds, column)}
		if r.Headers != nil {
			c.Name = r.Headers[i]
		}
		if made.times != nil {
			c.Times = made.times(r.Clock24)
		}
		if made.text != nil {
			var err error
			if names == nil {
				if names, err = db.ExtensionNames(ctx, r.DomainUUID); err != nil {
					return nil, err
				}
			}
			c.Texts = make(map[export.UUID]*string, len(names))
			for uuid, of := range names {
				c.Texts[uuid] = made.text(of)
			}
		}
		columns[i] = c
	}
	return columns, nil
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

// ListOf is the list that ParseColumns reads as these columns: the name of a set, if they are one.
func ListOf(columns, headers []string, allDomains bool) string {
	for _, set := range slices.Sorted(maps.Keys(columnSets)) {
		if c, h := ParseColumns([]string{set}, allDomains); slices.Equal(c, columns) && slices.Equal(h, headers) {
			return set
		}
	}
	items := slices.Clone(columns)
	for i := range headers {
		items[i] += ":" + headers[i]
	}
	return strings.Join(items, ",")
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

package export

import (
	"fmt"
	"slices"
	"strings"
)

// Format is the form of a file.
type Format string

const (
	// JSON is an array with one object a line. Numbers are JSON numbers with every digit that Postgres
	// prints (NaN and infinities are null), booleans are booleans, NULL is null, all else is a string.
	// Strings are valid UTF-8 always: each byte that is not becomes U+FFFD.
	JSON Format = "JSON"
	// NDJSON is JSON's objects, one a line, with nothing around or between them.
	NDJSON Format = "NDJSON"
	// CSV is RFC 4180 with LF line ends and a header row. A cell is quoted if it holds a quote, a
	// comma, a semicolon, TAB, CR or LF, and quotes in it are doubled. NULL is an empty cell, an empty string is "".
	// Bytes are kept exactly, invalid UTF-8 too. In a file of one column NULL is "" as well, since a
	// blank line is no row to most readers.
	CSV Format = "CSV"
	// XML is version 1.0 in UTF-8: <cdrs>, one <cdr> a line and in it an element for each column. What
	// XML 1.0 cannot hold (control characters but TAB, LF and CR; invalid UTF-8) becomes U+FFFD; CR is
	// &#13; so that it survives parsing. NULL is an empty element with the attribute null="true", an
	// empty string an empty element without it.
	XML Format = "XML"
	// Parquet has a row group for each slice, packed with zstd, and a type for each column, all of which may be NULL:
	// INT32 for int2 and int4, INT64 for int8, DOUBLE for other numbers (a numeric becomes the double next to it),
	// BOOLEAN, UUID, TIMESTAMP in microseconds (adjusted to UTC for timestamptz), DATE, and STRING for all else, valid UTF-8 as in
	// JSON. Infinite times are NULL, and those after 294246, which it cannot hold.
	Parquet Format = "PARQUET"
)

// form is what a format is made of.
type form struct {
	format     Format
	extension  string // of a file's name, without the dot
	mediaType  string
	parameters string   // of the media type
	askedAs    []string // further media types that ask for it
	encoder    newEncoderFunc
}

// forms is the one table of formats, in the order in which people are told of them. A new format is
// one entry and its encoder's file.
var forms = []form{
	{format: JSON, extension: "json", mediaType: "application/json", encoder: asText(newJSONEncoder)},
	{
		format: NDJSON, extension: "ndjson", mediaType: "application/x-ndjson", askedAs: []string{"application/ndjson", "application/jsonl"},
		encoder: asText(newNDJSONEncoder),
	},
	{format: CSV, extension: "csv", mediaType: "text/csv", parameters: "; charset=utf-8; header=present", encoder: asText(newCSVEncoder)},
	{
		format: XML, extension: "xml", mediaType: "application/xml", parameters: "; charset=utf-8", askedAs: []string{"text/xml"},
		encoder: asText(newXMLEncoder),
	},
	{format: Parquet, extension: "parquet", mediaType: "application/vnd.apache.parquet", encoder: newParquetEncoder},
}

// Formats are all formats.
func Formats() []Format {
	all := make([]Format, len(forms))
	for i, f := range forms {
		all[i] = f.format
	}
	return all
}

// ParseFormat reads a format's name in any case. Its error names the ones there are.
func ParseFormat(s string) (Format, error) {
	var names []string
	for _, f := range forms {
		if strings.EqualFold(s, string(f.format)) {
			return f.format, nil
		}
		names = append(names, string(f.format))
	}
	last := len(names) - 1
	return "", fmt.Errorf("unknown format %q; use %s or %s", s, strings.Join(names[:last], ", "), names[last])
}

// FormatOf is the format that a media type, without its parameters, asks for.
func FormatOf(mediaType string) (Format, bool) {
	for _, f := range forms {
		if mediaType == f.mediaType || slices.Contains(f.askedAs, mediaType) {
			return f.format, true
		}
	}
	return "", false
}

// form is the format's entry, empty if it has none.
func (f Format) form() form {
	for _, known := range forms {
		if known.format == f {
			return known
		}
	}
	return form{}
}

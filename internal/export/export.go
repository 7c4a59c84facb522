// Package export writes the rows of any query into a file, as CSV, JSON or XML, in constant memory
// and as fast as one Postgres backend can send them. A file is whole or not there: it is written as
// a part, synced, hashed on the way, and gets its name only by File.Commit.
//
// The package must not know whose rows these are: tables and columns of FusionPBX, jobs, tenants and
// HTTP are other rooms' business.
package export

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Format is the form of a file. Its rules are documented at the constants; see also Options.
type Format string

const (
	// CSV is RFC 4180 with LF line ends and a header row. A cell is quoted where it holds a quote, a
	// comma, CR or LF, and quotes in it are doubled. NULL is an empty cell, an empty string is "".
	// Bytes are kept exactly, invalid UTF-8 too. In a file of one column NULL is "" as well, since a
	// blank line is no row to most readers.
	CSV Format = "CSV"
	// JSON is an array with one object a line. Numbers are JSON numbers with every digit that Postgres
	// prints (NaN and infinities are null), booleans are booleans, NULL is null, all else is a string.
	// Strings are valid UTF-8 always: each byte that is not becomes U+FFFD.
	JSON Format = "JSON"
	// XML is version 1.0 in UTF-8: <cdrs>, one <cdr> a line and in it an element for each column. What
	// XML 1.0 cannot hold (control characters but TAB, LF and CR; invalid UTF-8) becomes U+FFFD; CR is
	// &#13; so that it survives parsing. NULL is an empty element with the attribute null="true", an
	// empty string an empty element without it.
	XML Format = "XML"
)

// formats is what ParseFormat allows, in the order in which its error names them.
var formats = []Format{CSV, JSON, XML}

// ParseFormat reads a format's name in any case. Its error names the ones there are.
func ParseFormat(s string) (Format, error) {
	for _, f := range formats {
		if strings.EqualFold(s, string(f)) {
			return f, nil
		}
	}
	return "", fmt.Errorf("format %q is not known; use CSV, JSON or XML", s)
}

// Extension is the usual end of a file's name, without the dot: csv, json or xml.
func (f Format) Extension() string { return strings.ToLower(string(f)) }

// ContentType is the media type for a Content-Type header.
func (f Format) ContentType() string {
	switch f {
	case CSV:
		return "text/csv; charset=utf-8; header=present"
	case JSON:
		return "application/json"
	case XML:
		return "application/xml; charset=utf-8"
	}
	return "application/octet-stream"
}

// Options says where a file goes and what it may cost. Dir, Name and Format are required.
type Options struct {
	// Dir is the folder of the file. It must exist.
	Dir string
	// Name is the final file name in Dir: letters, digits, dot, dash and underscore, at most 128 of
	// them, the first a letter or a digit. It may not end in .part or .manifest.json.
	Name string
	// Attempt tells the parts of one file's attempts apart; the part is Dir/Name.<attempt>.part.
	Attempt int
	Format  Format
	// Location is the zone in which timestamptz values are written; nil is UTC.
	Location *time.Location
	// KeyColumns are the columns that the query is ordered by. Their values in the first and the last
	// row are in the manifest.
	KeyColumns []string
	// MaxRows is how many rows the file may have; 0 is no limit.
	MaxRows int64
	// MinFreeBytes must be free on the file system of Dir: Write refuses to start below it, and pauses
	// when it falls below while writing. 0 is no floor.
	MinFreeBytes uint64
	// FreeSpace returns the bytes that are free for us on the file system of dir; nil asks the system.
	FreeSpace func(dir string) (uint64, error)
	// Progress, where set, is told how many rows and bytes are done, a few times a second and once at
	// the end.
	Progress func(rows, bytes int64)
	// Paused, where set, is told when writing stops for want of space, with the reason, and when it goes
	// on, with "". Like Progress it runs on Write's goroutine, which it must not hold up.
	Paused func(paused bool, reason string)
	// FormulaGuard writes a ' before a CSV text cell that a spreadsheet would take for a formula: one
	// that starts with = + - @ TAB CR or LF and is not a plain number such as +15551234 or -5.
	FormulaGuard bool

	// pausePoll is how often a paused Write looks for space again; 0 is pauseInterval.
	pausePoll time.Duration
}

// ErrTooManyRows says that the query has more than Options.MaxRows rows. Nothing is left on disk.
var ErrTooManyRows = errors.New("the query has more rows than the file may have")

// SpaceError says that the file system has too little room left for an export to start.
type SpaceError struct {
	Dir        string
	Free, Need uint64 // bytes
}

func (e *SpaceError) Error() string {
	return fmt.Sprintf("%s has %s free and an export needs %s to start; delete old exports or lower the floor of free space",
		e.Dir, megabytes(e.Free), megabytes(e.Need))
}

// megabytes prints a number of bytes for people.
func megabytes(n uint64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

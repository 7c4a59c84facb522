// Package table reads and writes files of gateways, a row each: CSV, NDJSON, or one JSON array. Every cell is text. It
// must not know what the columns hold, nor HTTP, nor jobs.
package table

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"trunkline/internal/fault"
)

// Format is how a file is written.
type Format string

// The formats. Which one a file has is seen by its first character.
const (
	CSV    Format = "csv"    // RFC 4180, with a header
	NDJSON Format = "ndjson" // a JSON object a line
	JSON   Format = "json"   // an array of objects
)

// Limits bound what is read, and how much is said about it. All are needed.
type Limits struct {
	Rows   int
	Bytes  int64
	Cell   int // bytes of one
	Faults int // the most that are told; all are counted
}

// Options say what a file may hold.
type Options struct {
	Limits
	// Field is what a column holds by the name that Tidy makes of the file's; "" if there is no such column.
	Field func(name string) string
	// Skip reports whether a column of that tidy name is passed over without a word.
	Skip func(name string) bool
	// Key are the fields of which a file needs one, by the names that a message gives them; nil: it needs none.
	Key []string
	// Disarm takes off what Guard puts before a cell, if a column of one of these tidy names shows that the file is one
	// of ours; nil: never.
	Disarm func(name string) bool
}

// Column is one of a file's.
type Column struct {
	Name  string // as the file has it
	Field string // what it holds
}

// Unknown is a name that means nothing, with where it is first.
type Unknown struct {
	Name string // as the file has it
	Line int
	Row  int // 0: in the header
}

// File is what a file turned out to be.
type File struct {
	Format    Format
	Delimiter string    // of CSV
	Columns   []Column  // in their order; of JSON that in which they first came
	Unknown   []Unknown // what was read of them is dropped
	Rows      int
}

// Row is one row. What is wrong with its values is in Faults: the file could be read all the same.
type Row struct {
	Number int // from 1
	Line   int // where it begins, from 1
	Values map[string]string
	Faults []fault.Detail
	// Controls are the values that hold a control character: each is a fault, and none of Values.
	Controls map[string]string
}

// maxColumns bounds a header, and the names of all objects together.
const maxColumns = 500

// Read reads a file and hands on each row as it comes. An error is a *fault.Error whose details are all that makes the
// file unreadable: then what was handed on says nothing. A column that is unknown is no error yet.
func Read(from io.Reader, o Options, take func(Row)) (File, error) {
	r := &reader{source: newSource(from, o.Bytes), Options: o, take: take, known: map[string]bool{}}
	r.Limits.Faults = max(r.Limits.Faults, 1)
	if err := r.read(); err != nil {
		return r.file, err
	}
	if r.total == 0 && r.file.Rows == 0 {
		r.fault(fault.Detail{Code: fault.InvalidRequest, Message: r.withoutRows()})
	}
	return r.file, r.unreadable()
}

// reader reads one file.
type reader struct {
	*source
	Options
	take   func(Row)
	file   File
	known  map[string]bool // the names that stand in file
	named  int             // of a CSV's columns: no later one has a name
	faults []fault.Detail
	total  int
	// complete is set if the last object was read to its end.
	complete bool
}

func (r *reader) read() error {
	began, err := r.begin()
	if err != nil {
		return r.broken(err)
	}
	if began != "" {
		r.fault(fault.Detail{Line: 1, Code: fault.InvalidRequest, Message: began})
		return nil
	}
	switch first, err := r.peekText(); {
	case err != nil:
		return r.broken(err)
	case first == 0:
		r.fault(fault.Detail{Code: fault.InvalidRequest, Message: "the file is empty"})
		return nil
	case first == '[':
		r.file.Format = JSON
		return r.broken(r.readArray())
	case first == '{':
		r.file.Format = NDJSON
		return r.broken(r.readLines())
	default:
		r.file.Format = CSV
		return r.broken(r.readCSV())
	}
}

func (r *reader) withoutRows() string {
	if r.file.Format == CSV {
		return "the file has a header and no rows"
	}
	return "the file has no rows"
}

// fault notes one thing that makes the file unreadable.
func (r *reader) fault(f fault.Detail) {
	if r.total++; len(r.faults) < r.Limits.Faults {
		r.faults = append(r.faults, f)
	}
}

// unreadable is all that was noted; nil: nothing.
func (r *reader) unreadable() error {
	if r.total == 0 {
		return nil
	}
	first := r.faults[0]
	err := fault.Errorf(first.Code, "%s", Sum(r.faults, r.total))
	err.Details, err.DetailsTotal = r.faults, r.total
	return err
}

// another reports whether another row may come, and counts it; it notes that there are too many.
func (r *reader) another(line int) bool {
	if r.file.Rows == r.Limits.Rows {
		r.fault(fault.Detail{Line: line, Row: r.file.Rows + 1, Code: fault.TooLarge, Message: tooManyRows(r.Limits.Rows)})
		return false
	}
	r.file.Rows++
	return true
}

// column notes a name of the file and returns the field that it means; "" if its cells are dropped.
func (r *reader) column(name string, line, row int) string {
	tidy := Tidy(name)
	field := r.Field(tidy)
	if field == "" && r.Skip != nil && r.Skip(tidy) || r.known[name] {
		return field
	}
	if r.known[name] = true; len(r.known) > maxColumns {
		r.fault(fault.Detail{Line: line, Row: row, Code: fault.InvalidRequest, Message: fmt.Sprintf("there are more than %d different names", maxColumns)})
		return field
	}
	if field == "" {
		r.file.Unknown = append(r.file.Unknown, Unknown{Name: fault.Clip(name), Line: line, Row: row})
		return ""
	}
	r.file.Columns = append(r.file.Columns, Column{Name: name, Field: field})
	return field
}

// keyed reports whether one of the columns says which gateway a row is about.
func (r *reader) keyed() bool {
	return len(r.Key) == 0 || slices.ContainsFunc(r.file.Columns, func(c Column) bool { return slices.Contains(r.Key, c.Field) })
}

var betweenWords = strings.NewReplacer("-", "_", ".", "_", " ", "_", "\t", "_")

// Tidy is a column's name without regard to case, and to what stands between its words.
func Tidy(name string) string {
	return betweenWords.Replace(strings.ToLower(strings.TrimSpace(name)))
}

// source is a file's text, byte by byte, with every line's end as LF and the line that is read.
type source struct {
	*bufio.Reader
	bytes  *counted
	line   int
	raised bool // the next byte is on the next line
}

// looked is how far is looked ahead, for what the file is and for its header.
const looked = 64 << 10

func newSource(from io.Reader, most int64) *source {
	c := &counted{from: from, most: most, left: most}
	return &source{Reader: bufio.NewReaderSize(c, looked), bytes: c, line: 1}
}

// next is the next byte; a CR, or a CR with LF, is LF.
func (s *source) next() (byte, error) {
	b, err := s.ReadByte()
	if err != nil {
		return 0, err
	}
	if s.raised {
		s.line, s.raised = s.line+1, false
	}
	if b == '\r' {
		b = '\n'
		if after, err := s.Peek(1); err == nil && after[0] == '\n' {
			_, _ = s.Discard(1) // it is there
		}
	}
	s.raised = b == '\n'
	return b, nil
}

// here is the line of the next byte.
func (s *source) here() int {
	if s.raised {
		return s.line + 1
	}
	return s.line
}

// peekText is the first byte that is no white space, 0 at the end.
func (s *source) peekText() (byte, error) {
	for {
		ahead, err := s.Peek(1)
		switch {
		case err == io.EOF:
			return 0, nil
		case err != nil:
			return 0, err
		case bytes.IndexByte([]byte(" \t\r\n"), ahead[0]) < 0:
			return ahead[0], nil
		}
		if _, err := s.next(); err != nil {
			return 0, err
		}
	}
}

// skipLine goes to the next line.
func (s *source) skipLine() error {
	for {
		if b, err := s.next(); err != nil || b == '\n' {
			return err
		}
	}
}

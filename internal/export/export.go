// Package export writes the rows of any query as CSV, JSON, NDJSON or XML, in constant memory and as fast as one
// Postgres backend can send them, hashed on the way.
//
// The package must not know whose rows these are, nor where the file stands: tables and columns of
// FusionPBX, stores, jobs, tenants and HTTP are other rooms' business.
package export

import (
	"context"
	"errors"
	"io"
	"time"
)

// Out takes a file's bytes.
type Out interface {
	io.Writer
	// WaitForSpace waits until more may be written after so many bytes, or ctx ends. Unlike Write and Sync it is
	// called on the goroutine of package export's Write.
	WaitForSpace(ctx context.Context, written int64) error
	// Sync makes what was written last, also through a crash.
	Sync() error
}

// Options says what a file holds and how. Name and Format are required.
type Options struct {
	// Name is the file's name, for its manifest and for errors.
	Name   string
	Format Format
	// Location is the zone in which timestamptz values are written; nil is UTC.
	Location *time.Location
	// Headers are what the columns are called in the file, in their order; nil: as the query calls them.
	Headers []string
	// KeyColumns are the columns that the query is ordered by. Their values in the first and the last
	// row are in the manifest.
	KeyColumns []string
	// MaxRows is how many rows the file may have; 0 is no limit.
	MaxRows int64
	// Progress, if set, is told how many rows and bytes are done, a few times a second and once at the
	// end. It runs on Write's goroutine, which it must not hold up.
	Progress func(rows, bytes int64)
	// Layout is how the rows are written; Check it first.
	Layout Layout
	// DurationColumns are the columns whose numbers are seconds, of which Layout.Durations speaks.
	DurationColumns []string
	// FormulaGuard writes a ' before a CSV text cell that a spreadsheet would take for a formula: one
	// that starts with = + - @ TAB CR or LF and is not a plain number such as +15551234 or -5.
	FormulaGuard bool
}

// ErrTooManyRows says that the query has more than Options.MaxRows rows.
var ErrTooManyRows = errors.New("the query has more rows than the file may have")

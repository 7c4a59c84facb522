// Package export writes the rows of any query as CSV, JSON, NDJSON, XML or Parquet, in constant memory and as fast as
// Postgres can send them, hashed on the way, and goes on where an earlier attempt at the same file was cut off.
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
	// WaitForSpace waits until more may be written after so many bytes, or ctx ends.
	WaitForSpace(ctx context.Context, written int64) error
	// Flush puts what was written where an EarlierPart finds it, should this process be killed.
	Flush() error
	// Sync makes what was written last, also through a crash.
	Sync() error
}

// Options says what a file holds and how. Name and Format are required.
type Options struct {
	// Name is the file's name, for its manifest and for errors.
	Name   string
	Format Format
	// Compression is how the file is packed; "" is not at all.
	Compression Compression
	// Location is the zone in which timestamptz values are written; nil is UTC.
	Location *time.Location
	// Span is the time of the rows: all rows are in it.
	Span Span
	// Columns are those of the file; nil: all of the query's, as it calls them.
	Columns []Column
	// KeyColumns are the columns of the query that it is ordered by, in the file or not. Their values in the first and the
	// last row are in the manifest.
	KeyColumns []string
	// SumColumn, if set, is the column whose sum is in the manifest.
	SumColumn string
	// CountColumn, if set, is a boolean column; how many rows have true there is in the manifest.
	CountColumn string
	// MaxRows is how many rows the file may have; 0 is no limit.
	MaxRows int64
	// Background has the processors do what else there is first.
	Background bool
	// GiveWay, if set, is asked every thousand rows or so whether to rest a little, so that what people wait for goes first. It
	// may always say so: the rows go on at a quarter or so of their rate.
	GiveWay func() bool
	// Progress, if set, is told how many rows and bytes are done, a few times a second and once at the
	// end. Write waits for it.
	Progress func(rows, bytes int64)
	// Layout is how the rows are written; Check it first.
	Layout Layout
	// FormulaGuard writes a ' before a CSV text cell that a spreadsheet would take for a formula: one
	// that starts with = + - @ TAB CR or LF and is not a plain number such as +15551234 or -5.
	FormulaGuard bool

	// SliceRows is how many rows a slice has; 0 is one slice for all. The first of KeyColumns must be a timestamptz then, and
	// never NULL.
	SliceRows int64
	// Connections is how many connections may read at once, if the source has so many; each reads a slice.
	Connections int
	// UUIDColumn is the column whose UUID Slice.Keys are made of; "": there are none.
	UUIDColumn string
	// Part is the number of what is written now, by which Slices of it are found again.
	Part int
	// Finished, if set, is told of slices that are written, the first of which has that number, once a second or so. Write
	// ends with its error.
	Finished func(ctx context.Context, first int, slices []Slice) error
	// finishedInterval is how often it is told; 0 is the usual interval.
	finishedInterval time.Duration
	// Earlier are the slices that earlier attempts at this file have finished, from the beginning on. They are taken over as
	// they stand if their rows are what they were, and else written again within the same bounds.
	Earlier []Slice
	// OpenPart opens what an earlier attempt has written.
	OpenPart func(part int) (EarlierPart, error)
}

// EarlierPart is what an earlier attempt has written.
type EarlierPart interface {
	io.ReaderAt
	io.Closer
}

// Errors that the caller of Write tells from others.
var (
	// ErrTooManyRows says that the query has more than Options.MaxRows rows.
	ErrTooManyRows = errors.New("the query has more rows than the file may have")
	// ErrDamaged says that what an earlier attempt wrote is not what it recorded, as after a crash of the machine. Write
	// the file again without Options.Earlier.
	ErrDamaged = errors.New("what an earlier attempt wrote is damaged")
	// ErrOutdated says that an earlier attempt wrote the rows otherwise than they would be written now, since an option or
	// a column's type has changed, or read them from another server. Write the file again without Options.Earlier.
	ErrOutdated = errors.New("an earlier attempt wrote the rows otherwise")
)

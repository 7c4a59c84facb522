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
	"time"
)

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

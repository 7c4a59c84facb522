package cdr

import (
	"context"
	"io"
	"time"

	"trunkline/internal/export"
)

// Store is where export files stand, for api and workers alike. A file is whole or not there, and has
// its manifest beside it.
type Store interface {
	// Create begins one attempt at a file; what earlier attempts at it have left stays until this one ends. paused, if
	// not nil, is told as Hooks.Paused says. Errors: a fault.InsufficientStorage.
	Create(ctx context.Context, name string, attempt int, paused func(paused bool, reason string)) (Part, error)
	// Open opens a file, which is read until ctx ends, and says how many bytes it has. Errors: fs.ErrNotExist.
	Open(ctx context.Context, name string) (file io.ReadSeekCloser, size int64, err error)
	// Manifest reads what Commit has written beside a file as its manifest. Errors: fs.ErrNotExist.
	Manifest(ctx context.Context, name string) ([]byte, error)
	// RemoveParts removes what the attempts before that one have left of a file.
	RemoveParts(ctx context.Context, name string, attempt int) error
	// Prune deletes what was last written before the given time, what crashed attempts left among it.
	Prune(ctx context.Context, before time.Time) error
	// Mark makes the store if there is none and leaves a worker's mark in it, in place of an older one.
	Mark(ctx context.Context, mark string) error
	// CheckMark says, with the remedy, if that is not the mark that was left last.
	CheckMark(ctx context.Context, mark string) error
}

// Part is a file that is being written. Exactly one of Commit, Discard and Leave should end it; a Discard may follow any of
// them, and then does nothing.
type Part interface {
	export.Out
	// Earlier opens what an earlier attempt has written.
	Earlier(attempt int) (export.EarlierPart, error)
	// Commit gives the file its name, in place of a file of that name, and writes the checksum and the manifest beside it,
	// unless another attempt has taken the part's place. On an error nothing is left under its name, and the part is to be
	// discarded, or left for the next attempt.
	Commit(ctx context.Context, checksum, manifest []byte) error
	// Discard removes what was written, also by earlier attempts.
	Discard() error
	// Leave keeps what was written for the next attempt.
	Leave() error
}

// Linker is a Store whose files others can be sent to.
type Linker interface {
	// Link is a URL by which anybody gets the file for that long, with these headers of the answer by their names in small
	// letters.
	Link(ctx context.Context, name string, life time.Duration, headers map[string]string) (string, error)
}

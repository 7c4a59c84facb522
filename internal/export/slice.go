package export

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Span is a half-open span of time: From is in it, To is not.
type Span struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Slice is a part of a file that was written by itself: the rows of a span, in a gzip member, zstd frame or row group of
// their own. Slices follow each other without gaps. A slice ends where Options.SliceRows rows are in it and the time
// changes, so that where one ends depends on the rows alone, and not on how many connections read them.
type Slice struct {
	Span
	Rows int64 `json:"rows"`
	// Seen is what the snapshot saw that the rows were read in.
	Seen Seen `json:"seen"`
	// Form tells whether rows are written as these were: by the same build, in the same format and layout, from columns of the
	// same types.
	Form string `json:"form,omitempty"`
	// First says that the rows are the first of their file, before which some formats write something else.
	First    bool      `json:"first,omitempty"`
	Sum      *float64  `json:"sum,omitempty"`     // of Options.SumColumn; nil if that has what is no finite number
	Counted  int64     `json:"counted,omitempty"` // how many rows have true in Options.CountColumn
	FirstKey []*string `json:"first_key,omitempty"`
	LastKey  []*string `json:"last_key,omitempty"`
	// Part, Offset and Bytes say where the slice stands: see Options.Part. CRC is its CRC-32C.
	Part   int    `json:"part"`
	Offset int64  `json:"offset"`
	Bytes  int64  `json:"bytes"`
	CRC    uint32 `json:"crc"`
	// Keys are those of its rows, of KeyBytes each, where Options.UUIDColumn asks for them; nil of a slice that was taken over.
	// They are given to Options.Finished and not kept.
	Keys []byte `json:"-"`
}

// KeyBytes is how long the key of a row is.
const KeyBytes = 8

// Key is the key of a row by its UUID: one half of it on the other. Whatever a UUID is made of, at least 60 of these bits
// differ by chance or by the clock.
func Key(id UUID) (key [KeyBytes]byte) {
	for i := range key {
		key[i] = id[i] ^ id[i+KeyBytes]
	}
	return key
}

// Seen tells what a snapshot surely saw: on that server, what transactions before that one have committed. The number counts
// on for as long as the server lives, as Postgres's txid does.
type Seen struct {
	Server string `json:"server"`
	Before int64  `json:"before"`
}

// mostSeen is for how many transactions rows can be compared with what was seen: their own numbers begin anew after twice
// as many.
const mostSeen = 1<<31 - 1

// Tells reports whether what was seen then can be compared with rows as they are seen now.
func (s Seen) Tells(then Seen) bool {
	return s.Server == then.Server && s.Before-then.Before <= mostSeen
}

// Sees asks what the transaction's snapshot sees.
func Sees(ctx context.Context, tx pgx.Tx) (s Seen, err error) {
	err = tx.QueryRow(ctx, `
		select (select system_identifier::text from pg_control_system()), txid_snapshot_xmin(txid_current_snapshot())`).Scan(&s.Server, &s.Before)
	if err != nil {
		return s, fmt.Errorf("asking for the snapshot: %w", err)
	}
	return s, nil
}

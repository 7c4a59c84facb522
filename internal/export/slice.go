package export

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"math/bits"
	"time"
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
	// Digest is of the rows as the snapshot had them that they were read in; see Source.Digests.
	Digest Digest `json:"digest"`
	// Form tells whether rows are written as these were: by the same build, in the same format and layout, from columns of the
	// same types.
	Form string `json:"form,omitempty"`
	// First says that the rows are the first of their file, before which some formats write something else.
	First    bool      `json:"first,omitempty"`
	Sum      *float64  `json:"sum,omitempty"` // of Options.SumColumn; nil if that has what is no finite number
	FirstKey []*string `json:"first_key,omitempty"`
	LastKey  []*string `json:"last_key,omitempty"`
	// Part, Offset and Bytes say where the slice stands: see Options.Part. CRC is its CRC-32C.
	Part   int    `json:"part"`
	Offset int64  `json:"offset"`
	Bytes  int64  `json:"bytes"`
	CRC    uint32 `json:"crc"`
}

// Digest tells whether rows are those that they were: the sum over all rows of the first 56 bits of the row's UUID times one
// more than its xmin, in decimal. Whatever changes a row gives it a greater xmin.
type Digest string

// digest sums up a Digest.
type digest struct{ high, low uint64 }

func (d *digest) add(uuid, xmin []byte) error {
	if len(uuid) != 16 || len(xmin) != 4 {
		return fmt.Errorf("the server sent %d bytes of a row's UUID and %d of its xmin", len(uuid), len(xmin))
	}
	high, low := bits.Mul64(binary.BigEndian.Uint64(uuid)>>8, uint64(binary.BigEndian.Uint32(xmin))+1)
	var carry uint64
	d.low, carry = bits.Add64(d.low, low, 0)
	d.high, _ = bits.Add64(d.high, high, carry)
	return nil
}

func (d digest) text() Digest {
	n := new(big.Int).SetUint64(d.high)
	n.Lsh(n, 64)
	return Digest(n.Or(n, new(big.Int).SetUint64(d.low)).String())
}

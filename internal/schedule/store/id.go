package store

import (
	"crypto/rand"
	"encoding/binary"
	"time"

	"github.com/google/uuid"
)

// sequenceBits are those of an id that tell apart what is made in the same millisecond.
const sequenceBits = 12

// newID is a UUID of version 7 of that moment, greater than any that this store has made, also where the clock was put back.
func (s *Store) newID(at time.Time) string {
	number := uint64(max(at.UnixMilli(), 0)) << sequenceBits
	for {
		last := s.lastID.Load()
		if number <= last {
			number = last + 1
		}
		if s.lastID.CompareAndSwap(last, number) {
			break
		}
	}
	var id uuid.UUID
	_, _ = rand.Read(id[8:]) // it never fails
	binary.BigEndian.PutUint64(id[:8], number>>sequenceBits<<16|7<<sequenceBits|number&(1<<sequenceBits-1))
	id[8] = id[8]&0x3f | 0x80 // the variant of RFC 9562
	return id.String()
}

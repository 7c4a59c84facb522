package cdrs

import (
	"sync"

	"trunkline/internal/fault"
)

// slots bounds how many files are downloaded at once. One address has at most half of them, so that it cannot
// hold them all.
type slots struct {
	most int

	mu    sync.Mutex
	taken map[string]int // by what counts as one address
	all   int
}

func newSlots(most int) *slots { return &slots{most: most, taken: map[string]int{}} }

// take takes a slot for the address, or refuses it. leave gives it back.
func (s *slots) take(address string) (leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch share := max(s.most/2, 1); {
	case s.taken[address] >= share:
		return nil, fault.Errorf(fault.RateLimited, "this address downloads %d files already, the most that one may have of TRUNKLINE_DOWNLOADS; wait until one has ended", share)
	case s.all >= s.most:
		return nil, fault.Errorf(fault.Unavailable, "%d files are downloaded already, the most there may be (TRUNKLINE_DOWNLOADS); try again later", s.most)
	}
	s.taken[address]++
	s.all++
	return sync.OnceFunc(func() { s.leave(address) }), nil
}

func (s *slots) leave(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.taken[address]--; s.taken[address] == 0 {
		delete(s.taken, address)
	}
}

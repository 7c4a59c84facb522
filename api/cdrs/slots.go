package cdrs

import (
	"sync"

	"trunkline/internal/fault"
)

// slots bounds how many files one address downloads at once: half of what all may, so that it cannot hold them
// all, whatever their domains.
type slots struct {
	each int

	mu    sync.Mutex
	taken map[string]int // by what counts as one address
}

func newSlots(most int) *slots { return &slots{each: max(most/2, 1), taken: map[string]int{}} }

// take takes a slot for the address, or refuses it. leave gives it back.
func (s *slots) take(address string) (leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken[address] >= s.each {
		return nil, fault.Errorf(fault.RateLimited, "this address downloads %d files already, the most that one may have of TRUNKLINE_DOWNLOADS; wait until one has ended", s.each)
	}
	s.taken[address]++
	return sync.OnceFunc(func() { s.leave(address) }), nil
}

func (s *slots) leave(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken[address]--; s.taken[address] == 0 {
		delete(s.taken, address)
	}
}

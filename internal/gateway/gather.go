package gateway

import "time"

// gatherTime is how long a round waits at most for those who are on their way already. A caller who is alone
// does not wait.
const gatherTime = 150 * time.Millisecond

// expect says that a caller is on its way.
func (b *batch) expect() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.coming++
}

// came says that one has come, or has given up.
func (b *batch) came() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.coming--
	if b.coming == 0 && b.allCame != nil {
		close(b.allCame)
		b.allCame = nil
	}
}

// gather waits for those who are on their way.
func (b *batch) gather() {
	b.mu.Lock()
	if b.coming > 0 && b.allCame == nil {
		b.allCame = make(chan struct{})
	}
	allCame := b.allCame
	b.mu.Unlock()
	if allCame == nil {
		return
	}
	select {
	case <-allCame:
	case <-time.After(gatherTime):
	}
}

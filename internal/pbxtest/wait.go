package pbxtest

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const (
	// eventuallyPatience bounds a wait for a condition, on a machine that may be slow.
	eventuallyPatience = 60 * time.Second
	eventuallyPoll     = 5 * time.Millisecond
)

// Eventually waits until the condition holds; the test fails, saying what never happened, if it
// does not within a minute.
func Eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), eventuallyPatience)
	defer cancel()
	tick := time.NewTicker(eventuallyPoll)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("never happened: %s", what)
		}
	}
}

// Pass lets d go by on the clock of a synctest bubble, and returns once all else in the bubble waits again.
// Outside of one it panics, so that no test waits on the machine's clock.
func Pass(d time.Duration) {
	synctest.Wait()
	time.Sleep(d)
	synctest.Wait()
}

// LogBuffer is a log that a test can read while it is written.
type LogBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *LogBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *LogBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

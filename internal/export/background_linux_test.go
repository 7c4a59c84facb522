package export

import (
	"runtime"
	"testing"
)

// What runs in the background gives way, and what runs beside it does not.
func TestInBackground(t *testing.T) {
	t.Parallel()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	usual := threadNice()
	behind := make(chan int, 1)
	go func() {
		_ = inBackground(func() error {
			behind <- threadNice()
			return nil
		})
	}()
	if got := <-behind; got != max(usual, backgroundNice) {
		t.Errorf("it runs at nice %d, beside %d", got, usual)
	}
	if got := threadNice(); got != usual {
		t.Errorf("what runs beside it has nice %d, and had %d", got, usual)
	}
}

package worker

import (
	"testing"

	"trunkline/internal/pbxtest"
)

func TestWaited(t *testing.T) {
	t.Parallel()
	var w waited
	if w.lately() {
		t.Error("people wait before any job")
	}
	w.see()
	if !w.lately() {
		t.Error("nobody waits right after a job")
	}
	pbxtest.Eventually(t, "the job is forgotten", func() bool { return !w.lately() })
}

package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"trunkline/internal/pbxtest"
)

// A demo that was killed leaves its folder, which the next one takes away; one whose terminal is closed leaves
// nothing.
func TestDemoLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	demo := func() *pbxtest.Process {
		return pbxtest.StartProgram(t, append(os.Environ(), "TMPDIR="+dir), "trunkline-demo", "demo")
	}
	folders := func() []string {
		// The owner file is there once the folder is somebody's.
		found, err := filepath.Glob(filepath.Join(dir, "trunkline-sample-*", "owner"))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	killed := demo()
	pbxtest.Eventually(t, "the first demo has a folder", func() bool { return len(folders()) == 1 })
	left := folders()[0]
	killed.Kill()
	second := demo()
	pbxtest.Eventually(t, "the second demo took it away", func() bool {
		now := folders()
		return len(now) == 1 && now[0] != left
	})
	if err := second.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	_ = second.Wait() // it says that it was broken off
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 0 {
		t.Errorf("it left %v, %v", entries, err)
	}
}

package file

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// nobody is a user that may write nowhere in a test's folder.
const nobody = 65534

func TestFolderThatMayNotBeWritten(t *testing.T) {
	t.Parallel()
	f := newFolder(t, "external")
	dir := filepath.Join(f.Dir(), "external")
	must(t, os.Chmod(dir, 0o555))
	must(t, os.Chmod(filepath.Dir(f.Dir()), 0o755)) // the folders above it may be entered
	var probe, put error
	done := make(chan struct{})
	go func() {
		defer close(done)
		if os.Geteuid() == 0 {
			// Root may write anywhere: this one thread, which ends with the goroutine, is somebody else's.
			runtime.LockOSThread()
			_ = unix.Setfsuid(nobody)
		}
		probe = f.Writable("external")
		put = f.Put(testUUID, []File{{Profile: "external", Content: []byte("x")}})
	}()
	<-done
	for _, err := range []error{probe, put} {
		if err == nil || !strings.Contains(err.Error(), "permission denied") || !strings.Contains(err.Error(), "chmod g+rwxs") || !strings.Contains(err.Error(), dir) {
			t.Errorf("got %v, want the folder and what to do", err)
		}
	}
}

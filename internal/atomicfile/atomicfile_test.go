package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// want checks what the path holds, and that nothing is beside it.
func want(t *testing.T, path, content string, mode fs.FileMode) {
	t.Helper()
	got, err := os.ReadFile(path)
	must(t, err)
	info, err := os.Stat(path)
	must(t, err)
	if string(got) != content || info.Mode().Perm() != mode {
		t.Errorf("got %q, mode %o; want %q, %o", got, info.Mode().Perm(), content, mode)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	must(t, err)
	if len(entries) != 1 {
		t.Errorf("beside it are %v", entries)
	}
}

func TestWrite(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	must(t, Replacement{Path: path, Content: []byte("one")}.Write())
	want(t, path, "one", 0o600)
	dress := func(file *os.File) error { return file.Chmod(0o604) }
	must(t, Replacement{Path: path, Content: []byte("two"), Dress: dress}.Write())
	want(t, path, "two", 0o604)
	must(t, Replacement{Path: path, Content: []byte("three"), Mode: 0o400, TempDir: t.TempDir()}.Write())
	want(t, path, "three", 0o400)
}

func TestWhatFailsLeavesWhatStood(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	must(t, Create(path, []byte("stands")))
	errNo := errors.New("no")
	for what, r := range map[string]Replacement{
		"dressing":   {Path: path, Dress: func(*os.File) error { return errNo }},
		"at the end": {Path: path, Last: func() error { return errNo }},
	} {
		if err := r.Write(); !errors.Is(err, errNo) || errors.Is(err, ErrNotSynced) {
			t.Errorf("%s: got %v", what, err)
		}
		want(t, path, "stands", 0o600)
	}
	if err := (Replacement{Path: filepath.Join(path, "below", "it")}).Write(); err == nil || errors.Is(err, ErrNotSynced) {
		t.Errorf("in a folder that is none: got %v", err)
	}
	if err := SyncFolder(path + ".none"); !errors.Is(err, ErrNotSynced) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that is not there: got %v", err)
	}
}

// Of many who create a file at once one does, and the others leave it as it is.
func TestCreateAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			if err := Create(path, fmt.Append(nil, i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	first, err := os.ReadFile(path)
	must(t, err)
	must(t, Create(path, []byte("later")))
	want(t, path, string(first), 0o600)
}

package folder_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"trunkline/internal/delivery"
	"trunkline/internal/delivery/folder"
	"trunkline/internal/fault"
	"trunkline/internal/pbxtest"
)

// readable is a file in memory.
type readable struct{ *bytes.Reader }

func (readable) Close() error { return nil }

func content(name, text string) delivery.Content {
	sum := sha256.Sum256([]byte(text))
	return delivery.Content{
		Name: name, Bytes: int64(len(text)), SHA256: hex.EncodeToString(sum[:]),
		Open: func(context.Context) (io.ReadSeekCloser, error) { return readable{bytes.NewReader([]byte(text))}, nil },
	}
}

func open(t *testing.T, dir string, s folder.Settings, l folder.Limits) *folder.Sender {
	t.Helper()
	sender, err := folder.Open(dir, s, l)
	must(t, err)
	t.Cleanup(func() { must(t, sender.Close()) })
	return sender
}

// names are all files below a folder.
func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			relative, _ := filepath.Rel(dir, path)
			all = append(all, relative)
		}
		return err
	}))
	return all
}

func TestDeliver(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sender := open(t, dir, folder.Settings{Folder: "billing"}, folder.Limits{})
	for _, want := range []delivery.Receipt{{Where: "billing/a/calls.csv"}, {Where: "billing/a/calls.csv", There: true}} {
		got, err := sender.Deliver(t.Context(), content("a/calls.csv", "one\n"))
		if err != nil || got != want {
			t.Fatalf("got %+v, %v", got, err)
		}
	}
	for _, other := range []string{"two\n", "longer than that\n", ""} {
		if _, err := sender.Deliver(t.Context(), content("a/calls.csv", other)); !fault.Is(err, fault.Conflict) || fault.Passes(err) {
			t.Errorf("%q: got %v", other, err)
		}
	}
	got, err := os.ReadFile(filepath.Join(dir, "billing/a/calls.csv"))
	must(t, err)
	if string(got) != "one\n" {
		t.Errorf("got %q", got)
	}
	if _, err := sender.Deliver(t.Context(), content("a", "one\n")); !fault.Is(err, fault.Conflict) {
		t.Errorf("a folder of the name: got %v", err)
	}
	if _, err := sender.Deliver(t.Context(), content("a/calls.csv/x", "one\n")); !fault.Is(err, fault.Conflict) {
		t.Errorf("a file where a folder is to be: got %v", err)
	}
	if all := names(t, dir); len(all) != 1 {
		t.Errorf("left behind: %v", all)
	}
}

// Whatever the name, the folder or a link in it: nothing is written elsewhere.
func TestNothingIsWrittenElsewhere(t *testing.T) {
	t.Parallel()
	dir, elsewhere := t.TempDir(), t.TempDir()
	must(t, os.WriteFile(filepath.Join(elsewhere, "there.csv"), []byte("one\n"), 0o600))
	must(t, os.Symlink(elsewhere, filepath.Join(dir, "link")))
	must(t, os.Symlink(filepath.Join(elsewhere, "there.csv"), filepath.Join(dir, "there.csv")))
	must(t, os.Symlink(filepath.Join(elsewhere, "new.csv"), filepath.Join(dir, content("new.csv", "one\n").PartName("new.csv"))))
	sender := open(t, dir, folder.Settings{}, folder.Limits{})
	for _, name := range []string{"link/calls.csv", "link/there.csv", "there.csv", "../calls.csv", "/tmp/calls.csv", "new.csv"} {
		if _, err := sender.Deliver(t.Context(), content(name, "one\n")); err == nil {
			t.Errorf("%s was delivered", name)
		}
	}
	for _, f := range []string{"link", "link/below"} {
		if _, err := open(t, dir, folder.Settings{Folder: f}, folder.Limits{}).Test(t.Context()); err == nil {
			t.Errorf("the folder %s passes its test", f)
		}
	}
	for _, f := range []string{"..", "/etc", "a/../../b", "a\nb"} {
		if err := (folder.Settings{Folder: f}).Check(); !fault.Is(err, fault.InvalidRequest) || !strings.Contains(err.Error(), "folder") {
			t.Errorf("the folder %q: got %v", f, err)
		}
	}
	if all := names(t, elsewhere); len(all) != 1 {
		t.Errorf("written elsewhere: %v", all)
	}
}

// What an earlier attempt has left of the file is in nobody's way, and attempts at the same time make one whole file.
func TestPartsOfOtherAttempts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := strings.Repeat("a call\n", 1<<18)
	of := content("calls.csv", text)
	must(t, os.WriteFile(filepath.Join(dir, of.PartName("calls.csv")), []byte("half of it"), 0o600))
	var attempts sync.WaitGroup
	for range 8 {
		sender := open(t, dir, folder.Settings{}, folder.Limits{})
		attempts.Go(func() {
			if _, err := sender.Deliver(t.Context(), of); err != nil {
				t.Error(err)
			}
			if got, err := os.ReadFile(filepath.Join(dir, "calls.csv")); err != nil || string(got) != text {
				t.Errorf("the file is not whole: %d bytes, %v", len(got), err)
			}
		})
	}
	attempts.Wait()
	if all := names(t, dir); len(all) != 1 {
		t.Errorf("left behind: %v", all)
	}
}

// A file of ours that is not as it was written gets no name.
func TestDamagedContent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sender := open(t, dir, folder.Settings{}, folder.Limits{})
	damaged, broken := content("calls.csv", "one\n"), content("calls.csv", "one\n")
	damaged.Open = content("", "0ne\n").Open
	broken.Open = func(context.Context) (io.ReadSeekCloser, error) { return nil, errors.New("no such file") }
	for _, of := range []delivery.Content{damaged, broken} {
		if _, err := sender.Deliver(t.Context(), of); err == nil {
			t.Error("it was delivered")
		}
	}
	if all := names(t, dir); len(all) != 0 {
		t.Errorf("left behind: %v", all)
	}
}

func TestRoom(t *testing.T) {
	t.Parallel()
	free := func(string) (uint64, error) { return 1000, nil }
	for _, tc := range []struct {
		limits folder.Limits
		fits   bool
	}{
		{folder.Limits{Bytes: 14}, true},
		{folder.Limits{Bytes: 13}, false},
		{folder.Limits{MinFreeBytes: 996, Free: free}, true},
		{folder.Limits{MinFreeBytes: 997, Free: free}, false},
	} {
		dir := t.TempDir()
		must(t, os.WriteFile(filepath.Join(dir, "old.csv"), make([]byte, 10), 0o600))
		_, err := open(t, dir, folder.Settings{}, tc.limits).Deliver(t.Context(), content("calls.csv", "one\n"))
		if tc.fits && err != nil || !tc.fits && (!fault.Is(err, fault.InsufficientStorage) || !fault.Passes(err)) {
			t.Errorf("%+v: got %v", tc.limits, err)
		}
	}
}

var must = pbxtest.Must

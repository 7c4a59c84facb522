package whitelist

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"trunkline/internal/fault"
	"trunkline/internal/pbxtest"

	"golang.org/x/sys/unix"
)

// newFile is a whitelist with that content.
func newFile(t *testing.T, content string) File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "chkcon_whitelist.conf")
	must(t, os.WriteFile(path, []byte(content), 0o640))
	return File{Path: path}
}

func (f File) content(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile(f.Path)
	must(t, err)
	return string(content)
}

var must = pbxtest.Must

// wantRefusal checks why an edit was not made and that a person is told the words.
func wantRefusal(t *testing.T, err error, code fault.Code, words ...string) {
	t.Helper()
	if !fault.Is(err, code) {
		t.Fatalf("got %v, want %s", err, code)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q is not in %q", word, err)
		}
	}
}

func network(text string) netip.Prefix {
	n, err := ParseNetwork(text)
	if err != nil {
		panic(err)
	}
	return n
}

var (
	here    = Editor{Address: netip.MustParseAddr("192.0.2.10")}
	careful = Editor{}
	anyhow  = Editor{Address: here.Address, AllowLockout: true}
)

func TestEdits(t *testing.T) {
	t.Parallel()
	f := newFile(t, "# billing\n192.0.2.10 # WHMCS\n198.51.100.0/24\n")
	added, err := f.Add(t.Context(), network("203.0.113.5"), "the office", here)
	must(t, err)
	if !added.Changed || added.Entry.Line != 4 || added.Document.Version() == "" {
		t.Errorf("got %+v", added)
	}
	again, err := f.Add(t.Context(), network("198.51.100.7"), "", here)
	must(t, err)
	if again.Changed || again.Entry.Address() != "198.51.100.0/24" || again.Entry.Line != 3 {
		t.Errorf("got %+v", again)
	}
	removed, err := f.Remove(t.Context(), network("203.0.113.5"), here)
	must(t, err)
	if len(removed.Entries) != 1 || removed.Entries[0].Comment != "the office" || removed.Covering != nil {
		t.Errorf("got %+v", removed)
	}
	if got, want := f.content(t), "# billing\n192.0.2.10 # WHMCS\n198.51.100.0/24\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := removed.Document.Version(), Parse([]byte(f.content(t))).Version(); got != want {
		t.Errorf("got version %s, want %s", got, want)
	}
	left, err := os.ReadDir(filepath.Dir(f.Path))
	must(t, err)
	if len(left) != 1 {
		t.Errorf("files are left behind: %v", left)
	}
}

func TestRemoveSaysByWhatItMayStillCall(t *testing.T) {
	t.Parallel()
	f := newFile(t, "192.0.2.10\n192.0.2.0/24 # all\n")
	removed, err := f.Remove(t.Context(), network("192.0.2.10"), here)
	must(t, err)
	if removed.Covering == nil || removed.Covering.Address() != "192.0.2.0/24" || removed.Covering.Line != 1 {
		t.Errorf("got %+v", removed.Covering)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	const good = "192.0.2.10\n198.51.100.0/24 # office\n"
	version := Parse([]byte(good)).Version()
	add := func(address, comment string, e Editor) func(context.Context, File) error {
		return func(ctx context.Context, f File) error {
			_, err := f.Add(ctx, network(address), comment, e)
			return err
		}
	}
	remove := func(address string, e Editor) func(context.Context, File) error {
		return func(ctx context.Context, f File) error {
			_, err := f.Remove(ctx, network(address), e)
			return err
		}
	}
	replace := func(text, version string, e Editor) func(context.Context, File) error {
		return func(ctx context.Context, f File) error {
			_, err := f.Replace(ctx, []byte(text), version, e)
			return err
		}
	}
	for name, c := range map[string]struct {
		file string
		edit func(context.Context, File) error
		code fault.Code
		says []string
	}{
		"a comment of two lines":     {good, add("203.0.113.5", "a\n0.0.0.0/0", here), fault.InvalidRequest, []string{"comment", "line break"}},
		"not there":                  {good, remove("203.0.113.5", here), fault.NotFound, []string{"203.0.113.5 is not an entry"}},
		"covered only":               {good, remove("198.51.100.7", here), fault.NotFound, []string{"line 2", "198.51.100.0/24"}},
		"oneself":                    {good, remove("192.0.2.10", here), fault.Lockout, []string{"192.0.2.10"}},
		"everybody":                  {"192.0.2.1\n", remove("192.0.2.1", careful), fault.Lockout, []string{"nobody"}},
		"a text without oneself":     {good, replace("198.51.100.0/24\n", version, here), fault.Lockout, []string{"192.0.2.10"}},
		"a text without an address":  {good, replace("# none\n", version, careful), fault.Lockout, []string{"nobody"}},
		"a broken text":              {good, replace("192.0.2.10\nx\n", version, here), fault.InvalidRequest, []string{`line 2: "x"`}},
		"a broken text, locking out": {good, replace("x\n", version, anyhow), fault.InvalidRequest, []string{"line 1"}},
		"a large text":               {good, replace(strings.Repeat("#\n", maxBytes/2+1), version, anyhow), fault.InvalidRequest, []string{"larger"}},
		"an old text":                {good, replace("192.0.2.10\n", "0123", here), fault.Conflict, []string{"read it again"}},
		"a broken file":              {"192.0.2.10\nx\n", add("203.0.113.5", "", here), fault.Conflict, []string{"line 2", "mend"}},
		"a broken file, removing":    {"192.0.2.10\nx\n192.0.2.11\n", remove("192.0.2.11", here), fault.Conflict, []string{"line 2"}},
		"a large file":               {strings.Repeat("#\n", maxBytes/2+1), add("203.0.113.5", "", here), fault.Conflict, []string{"larger"}},
		"a full file":                {"192.0.2.10\n" + strings.Repeat("#", maxBytes-12), add("203.0.113.5", "", here), fault.InvalidRequest, []string{"larger"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFile(t, c.file)
			wantRefusal(t, c.edit(t.Context(), f), c.code, c.says...)
			if f.content(t) != c.file {
				t.Error("the file was changed")
			}
		})
	}
}

func TestLockoutWhereItIsWanted(t *testing.T) {
	t.Parallel()
	f := newFile(t, "192.0.2.10\n")
	_, err := f.Remove(t.Context(), network("192.0.2.10"), anyhow)
	must(t, err)
	if got := f.content(t); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestReplaceMendsABrokenFile(t *testing.T) {
	t.Parallel()
	f := newFile(t, "192.0.2.10\nx\n")
	doc, err := f.Read()
	must(t, err)
	_, err = f.Replace(t.Context(), []byte("\ufeff192.0.2.10\r\n# x\r\n"), doc.Version(), here)
	must(t, err)
	if got := f.content(t); got != "\ufeff192.0.2.10\r\n# x\r\n" {
		t.Errorf("got %q", got)
	}
}

func TestAddMakesTheFile(t *testing.T) {
	t.Parallel()
	f := File{Path: filepath.Join(t.TempDir(), "list")}
	_, err := f.Add(t.Context(), network("192.0.2.1"), "", careful)
	must(t, err)
	info, err := os.Stat(f.Path)
	must(t, err)
	if got := f.content(t); got != "192.0.2.1\n" || info.Mode().Perm() != newMode {
		t.Errorf("got %q, mode %v", got, info.Mode())
	}
}

func TestReplacedFileKeepsModeOwnerAndLink(t *testing.T) {
	t.Parallel()
	f := newFile(t, "192.0.2.1\n")
	must(t, os.Chmod(f.Path, 0o604))
	_ = os.Chown(f.Path, 12345, 12346) // where this is allowed; else the owner stays ours
	before, err := os.Stat(f.Path)
	must(t, err)
	link := File{Path: filepath.Join(t.TempDir(), "link")}
	must(t, os.Symlink(f.Path, link.Path))
	_, err = link.Add(t.Context(), network("192.0.2.2"), "", careful)
	must(t, err)
	if got := f.content(t); got != "192.0.2.1\n192.0.2.2\n" {
		t.Errorf("got %q", got)
	}
	if to, err := os.Readlink(link.Path); err != nil || to != f.Path {
		t.Errorf("the link is now %q, %v", to, err)
	}
	after, err := os.Stat(f.Path)
	must(t, err)
	got, want := after.Sys().(*syscall.Stat_t), before.Sys().(*syscall.Stat_t)
	if after.Mode() != before.Mode() || got.Uid != want.Uid || got.Gid != want.Gid {
		t.Errorf("got mode %v, owner %d:%d; want %v, %d:%d", after.Mode(), got.Uid, got.Gid, before.Mode(), want.Uid, want.Gid)
	}
}

func TestEditsAtOnceAreAllMade(t *testing.T) {
	t.Parallel()
	f := newFile(t, "# all of them\n")
	const editors = 20
	var wg sync.WaitGroup
	for i := range editors {
		wg.Go(func() {
			if _, err := f.Add(t.Context(), network(fmt.Sprintf("192.0.2.%d", i)), "", careful); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	set, err := f.Set()
	if err != nil || set.Count() != editors {
		t.Errorf("got %v, %v, want %d", set, err, editors)
	}
}

// Of two who replace the same text, one is told.
func TestReplaceAtOnce(t *testing.T) {
	t.Parallel()
	f := newFile(t, "192.0.2.1\n")
	doc, err := f.Read()
	must(t, err)
	errs := make(chan error, 2)
	for _, text := range []string{"192.0.2.2\n", "192.0.2.3\n"} {
		go func() {
			_, err := f.Replace(context.Background(), []byte(text), doc.Version(), careful)
			errs <- err
		}()
	}
	first, second := <-errs, <-errs
	if (first == nil) == (second == nil) {
		t.Fatalf("got %v and %v", first, second)
	}
	wantRefusal(t, errors.Join(first, second), fault.Conflict, "read it again")
}

// An editor that holds no lock saves while an edit is under way: its text stays.
func TestWhatWasSavedMeanwhileStays(t *testing.T) {
	t.Parallel()
	f := newFile(t, "192.0.2.1\n")
	_, err := f.edit(t.Context(), careful, func(doc *Document) (*Document, error) {
		must(t, os.WriteFile(f.Path, []byte("192.0.2.77 # by hand\n"), 0o640))
		doc.add(network("192.0.2.2"), "")
		return doc, nil
	})
	wantRefusal(t, err, fault.Conflict, "read it again")
	if got := f.content(t); got != "192.0.2.77 # by hand\n" {
		t.Errorf("got %q", got)
	}
}

func TestAHeldLock(t *testing.T) {
	t.Parallel()
	f := newFile(t, "192.0.2.1\n")
	unlock, err := lockFolder(t.Context(), filepath.Dir(f.Path))
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = f.Add(ctx, network("192.0.2.2"), "", careful)
	wantRefusal(t, err, fault.Unavailable, "try again")
	unlock()
	_, err = f.Add(t.Context(), network("192.0.2.2"), "", careful)
	must(t, err)
}

func TestWhereItCannotBeWritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	must(t, os.Symlink(filepath.Join(dir, "nowhere"), filepath.Join(dir, "dangling")))
	must(t, unix.Mkfifo(filepath.Join(dir, "pipe"), 0o600))
	for path, words := range map[string][]string{
		filepath.Join(dir, "none", "list"): {"no folder", "TRUNKLINE_WHITELIST"},
		filepath.Join(dir, "dangling"):     {"is a link to", "nowhere"},
		filepath.Join(dir, "pipe"):         {"not a regular file"},
		dir:                                {"not a regular file"},
		"/proc/sys/kernel/trunkline.conf":  {"cannot be written in /proc/sys/kernel"}, // there not even root may
	} {
		_, err := File{Path: path}.Add(t.Context(), network("192.0.2.1"), "", careful)
		wantRefusal(t, err, fault.NotWritable, words...)
	}
	for cause, word := range map[error]string{fs.ErrPermission: "as a user who may", unix.EROFS: "ReadWritePaths", unix.EBUSY: "mount its folder", unix.ENOSPC: "room"} {
		wantRefusal(t, unwritable("/etc/trunkline", cause), fault.NotWritable, "/etc/trunkline", word)
	}
}

func TestSet(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "list")
	f := File{Path: path}
	if _, err := f.Set(); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("missing: got %v", err)
	}
	must(t, os.WriteFile(path, []byte("192.0.2.1\n2001:db8::/32\n"), 0o600))
	if set, err := f.Set(); err != nil || set.Count() != 2 {
		t.Errorf("got %v, %v, want 2", set, err)
	}
	if _, err := (File{Path: filepath.Dir(path)}).Set(); err == nil || !strings.Contains(err.Error(), "cannot be read") {
		t.Errorf("a folder: got %v", err)
	}
}

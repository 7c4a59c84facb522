package cdr

import (
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"trunkline/internal/bucket"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/servers"
)

// testStore is a store of a test's own, which can be looked into.
type testStore struct {
	Store
	t     testing.TB
	spool Folder // where parts lie; of a folder the store itself

	server *servers.S3 // nil: a folder
	bucket string
	proxy  *pbxtest.Proxy // before the server
}

// storePrefix is where the files are in a test's bucket.
const storePrefix = "exports/"

// stores are all kinds of stores there are. change is what is to be different about the folder, or the spool; nil: nothing.
var stores = map[string]func(t testing.TB, change func(*Folder)) *testStore{"folder": folderStore, "bucket": bucketStore}

// onEveryStore runs a test on a store of each kind.
func onEveryStore(t *testing.T, test func(t *testing.T, s *testStore)) {
	t.Helper()
	for kind, open := range stores {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			test(t, open(t, nil))
		})
	}
}

func folderStore(t testing.TB, change func(*Folder)) *testStore {
	t.Helper()
	f := Folder{Dir: t.TempDir()}
	if change != nil {
		change(&f)
	}
	return &testStore{Store: f, t: t, spool: f}
}

func bucketStore(t testing.TB, change func(*Folder)) *testStore {
	t.Helper()
	s := &testStore{t: t, spool: Folder{Dir: t.TempDir()}, server: pbxtest.S3(t)}
	s.bucket = pbxtest.NewBucket(t, s.server)
	s.proxy = pbxtest.NewProxy(t, s.server.URL())
	if change != nil {
		change(&s.spool)
	}
	s.Store = Bucket{Files: s.files(s.proxy.URL), Spool: s.spool}
	return s
}

// files is the bucket by a server at that URL.
func (s *testStore) files(server string) *bucket.Bucket {
	s.t.Helper()
	l, err := bucket.Parse(pbxtest.BucketURL(server, s.bucket, storePrefix))
	must(s.t, err)
	files, err := bucket.Open(l, bucket.Options{AccessKey: servers.S3AccessKey, SecretKey: servers.S3SecretKey})
	must(s.t, err)
	s.t.Cleanup(files.Close)
	return files
}

// elsewhere is the same store as another host sees it, with an empty spool of its own; of a folder the same one, which is
// shared.
func (s *testStore) elsewhere() Store {
	if s.server == nil {
		return s.Store
	}
	return Bucket{Files: s.files(s.server.URL()), Spool: Folder{Dir: s.t.TempDir()}}
}

// names are those of all files, parts among them.
func (s *testStore) names() []string {
	s.t.Helper()
	all := map[string]bool{}
	entries, err := os.ReadDir(s.spool.Dir)
	must(s.t, err)
	for _, e := range entries {
		all[e.Name()] = true
	}
	if s.server != nil {
		for object, err := range s.files(s.server.URL()).List(s.t.Context(), "") {
			must(s.t, err)
			all[object.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// want checks which files there are, and that no upload is under way for longer than its part.
func (s *testStore) want(names ...string) {
	s.t.Helper()
	slices.Sort(names)
	if got := s.names(); !slices.Equal(got, names) {
		s.t.Errorf("the store has %q, want %q", got, names)
	}
	if s.server == nil || slices.ContainsFunc(names, func(name string) bool { return filepath.Ext(name) == partSuffix }) {
		return
	}
	if n, err := s.server.Unfinished(s.t.Context(), s.bucket); err != nil || n != 0 {
		s.t.Errorf("%d uploads are not finished, %v", n, err)
	}
}

// read reads a file.
func (s *testStore) read(name string) []byte {
	s.t.Helper()
	if s.server == nil {
		content, err := os.ReadFile(filepath.Join(s.spool.Dir, name))
		must(s.t, err)
		return content
	}
	file, _, err := s.files(s.server.URL()).Open(s.t.Context(), name)
	must(s.t, err)
	defer file.Close()
	content, err := io.ReadAll(file)
	must(s.t, err)
	return content
}

// write has a file be there that was written at that time. Parts are in the spool.
func (s *testStore) write(name string, written time.Time) {
	s.t.Helper()
	if s.server == nil || filepath.Ext(name) == partSuffix {
		path := filepath.Join(s.spool.Dir, name)
		must(s.t, os.WriteFile(path, nil, 0o600))
		must(s.t, os.Chtimes(path, written, written))
		return
	}
	must(s.t, s.files(s.server.URL()).Write(s.t.Context(), name, nil))
	must(s.t, s.server.Age(s.bucket, storePrefix+name, written))
}

func (s *testStore) wantText(name, want string) {
	s.t.Helper()
	if got := string(s.read(name)); got != want {
		s.t.Errorf("%s holds %q, want %q", name, got, want)
	}
}

// newPart begins a part with some text.
func (s *testStore) newPart(attempt int, text string) Part {
	s.t.Helper()
	p, err := s.Create(s.t.Context(), "calls.csv", attempt, nil)
	must(s.t, err)
	_, err = p.Write([]byte(text))
	must(s.t, err)
	must(s.t, p.Sync())
	return p
}

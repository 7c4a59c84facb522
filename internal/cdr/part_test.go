package cdr

import (
	"errors"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trunkline/internal/bucket"
	"trunkline/internal/fault"
)

func TestCommitReplacesAnOlderFile(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, s *testStore) {
		for attempt, text := range []string{"first", "", "third"} {
			f := s.newPart(attempt, text)
			manifest := `{"rows": ` + text + `}`
			if err := f.Commit(t.Context(), []byte(text), []byte(manifest)); err != nil {
				t.Fatal(err)
			}
			if err := f.Commit(t.Context(), nil, nil); err == nil {
				t.Error("a second Commit of the same file went through")
			}
			if err := f.Discard(); err != nil {
				t.Errorf("Discard after Commit: %v", err)
			}
			must(t, f.Leave())
			s.wantText("calls.csv", text)
			s.wantText("calls.csv.manifest.json", manifest)
			s.wantText("calls.csv.sha256", text)
			s.want("calls.csv", "calls.csv.manifest.json", "calls.csv.sha256")
			if s.server != nil {
				continue
			}
			info, err := os.Stat(filepath.Join(s.spool.Dir, "calls.csv"))
			if err != nil || info.Mode().Perm()&0o007 != 0 {
				t.Errorf("the file is everybody's: %v, %v", info.Mode(), err)
			}
		}
	})
}

func TestDiscard(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, s *testStore) {
		f := s.newPart(1, "text")
		s.want("calls.csv.1.part")
		for range 2 {
			if err := f.Discard(); err != nil {
				t.Error(err)
			}
			s.want()
		}
		if err := f.Commit(t.Context(), nil, nil); err == nil {
			t.Error("Commit after Discard went through")
		}
	})
}

// TestLateWorkerNeverRenames has another worker begin the same attempt again, or remove its part.
func TestLateWorkerNeverRenames(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, s *testStore) {
		late := s.newPart(1, "late")
		current := s.newPart(1, "curr")
		if err := late.Commit(t.Context(), nil, nil); err == nil || !strings.Contains(err.Error(), "another worker") {
			t.Errorf("the late worker's Commit: %v", err)
		}
		must(t, late.Discard())
		s.want("calls.csv.1.part")
		if err := current.Commit(t.Context(), nil, nil); err != nil {
			t.Error(err)
		}
		s.wantText("calls.csv", "curr")

		late = s.newPart(2, "late")
		must(t, s.RemoveParts(t.Context(), "calls.csv", 3))
		if err := late.Commit(t.Context(), nil, nil); err == nil || !strings.Contains(err.Error(), "later attempt") {
			t.Errorf("the Commit of a removed part: %v", err)
		}
		must(t, late.Discard())
		s.wantText("calls.csv", "curr")
		s.want("calls.csv", "calls.csv.manifest.json", "calls.csv.sha256")
	})
}

// A worker on another host that was given up for lost does not see that its part is another's, and cannot take the name either.
// What the other has put there stays.
func TestLateWorkerOfAnotherHost(t *testing.T) {
	t.Parallel()
	s := bucketStore(t, nil)
	late, err := s.elsewhere().Create(t.Context(), "calls.csv", 1, nil)
	must(t, err)
	_, err = late.Write([]byte("late"))
	must(t, err)
	must(t, late.Sync())
	current := s.newPart(2, "curr")
	must(t, current.Commit(t.Context(), []byte("sum"), []byte("{}")))
	if err := late.Commit(t.Context(), nil, nil); !errors.Is(err, bucket.ErrSuperseded) {
		t.Errorf("the late worker's Commit: %v", err)
	}
	must(t, late.Discard())
	for name, text := range map[string]string{"calls.csv": "curr", "calls.csv.sha256": "sum", "calls.csv.manifest.json": "{}"} {
		s.wantText(name, text)
	}
}

// TestFailedCommitLeavesNothing has a folder where the file should be.
func TestFailedCommitLeavesNothing(t *testing.T) {
	t.Parallel()
	for _, inTheWay := range []string{"calls.csv", "calls.csv.manifest.json", "calls.csv.sha256"} {
		s := folderStore(t, nil)
		if err := os.MkdirAll(filepath.Join(s.spool.Dir, inTheWay, "full"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := s.newPart(1, "text").Commit(t.Context(), nil, nil); err == nil {
			t.Errorf("Commit went through with a folder %s in its way", inTheWay)
		}
		s.want(inTheWay)
	}
}

// A server that takes everything but one of the requests that name a file leaves nothing under its name, and the part as it was.
func TestFailedCommitToABucket(t *testing.T) {
	t.Parallel()
	for what, is := range map[string]func(*http.Request) bool{
		"listing uploads": func(r *http.Request) bool { return r.URL.Query().Has("uploads") && r.Method == http.MethodGet },
		"the end":         func(r *http.Request) bool { return r.URL.Query().Has("uploadId") && r.Method == http.MethodPost },
		"the checksum": func(r *http.Request) bool {
			return strings.HasSuffix(r.URL.Path, checksumSuffix) && r.Method == http.MethodPut
		},
		"the manifest": func(r *http.Request) bool {
			return strings.HasSuffix(r.URL.Path, manifestSuffix) && r.Method == http.MethodPut
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := bucketStore(t, nil)
			f := s.newPart(1, "text")
			refuse := true
			s.proxy.Meddle(func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
				if refuse && is(r) {
					refuse = false // so that what is there can be removed
					http.Error(w, "<Error><Code>AccessDenied</Code></Error>", http.StatusForbidden)
					return
				}
				pass.ServeHTTP(w, r)
			})
			if err := f.Commit(t.Context(), nil, nil); !fault.Is(err, fault.NotWritable) {
				t.Errorf("got %v", err)
			}
			s.want("calls.csv.1.part")
			must(t, f.Leave())
			s.want("calls.csv.1.part")
			if n, err := s.server.Unfinished(t.Context(), s.bucket); err != nil || n != 0 {
				t.Errorf("%d uploads are left, %v", n, err)
			}
			f = s.newPart(2, "text")
			must(t, f.Commit(t.Context(), nil, nil))
			s.want("calls.csv", "calls.csv.manifest.json", "calls.csv.sha256")
		})
	}
}

// An older file's manifest that cannot be removed keeps a newer file from its name.
func TestManifestThatStays(t *testing.T) {
	t.Parallel()
	s := bucketStore(t, nil)
	must(t, s.newPart(1, "old").Commit(t.Context(), []byte("old sum"), []byte("old manifest")))
	s.proxy.Meddle(func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		if strings.HasSuffix(r.URL.Path, manifestSuffix) && r.Method == http.MethodDelete {
			http.Error(w, "<Error><Code>AccessDenied</Code></Error>", http.StatusForbidden)
			return
		}
		pass.ServeHTTP(w, r)
	})
	f := s.newPart(2, "new")
	if err := f.Commit(t.Context(), nil, nil); !fault.Is(err, fault.NotWritable) {
		t.Errorf("got %v", err)
	}
	must(t, f.Discard())
	for name, text := range map[string]string{"calls.csv": "old", "calls.csv.sha256": "old sum", "calls.csv.manifest.json": "old manifest"} {
		s.wantText(name, text)
	}
}

// A file of nothing, which no upload can be.
func TestEmptyFile(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, s *testStore) {
		for attempt := range 2 {
			must(t, s.newPart(attempt+1, "").Commit(t.Context(), nil, nil))
			s.wantText("calls.csv", "")
			s.want("calls.csv", "calls.csv.manifest.json", "calls.csv.sha256")
		}
	})
}

func TestRemoveParts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	all := []string{
		"calls.csv", "calls.csv.manifest.json", "calls.csv.1.part", "calls.csv.2.part", "calls.csv.3.part",
		"calls.csv.x.part", "calls.csv.01.part", "other.csv.1.part", "calls.csv2.1.part", "acalls.csv.1.part", "calls.csv1.part",
	}
	for _, name := range all {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := &testStore{t: t, spool: Folder{Dir: dir}}
	if err := s.spool.removeParts("calls.csv", 3); err != nil {
		t.Fatal(err)
	}
	keep := []string{
		"calls.csv", "calls.csv.manifest.json", "calls.csv.3.part", "calls.csv.x.part", "calls.csv.01.part",
		"other.csv.1.part", "calls.csv2.1.part", "acalls.csv.1.part", "calls.csv1.part",
	}
	s.want(keep...)
	if err := (Folder{Dir: dir}).removeParts("calls.csv", math.MaxInt); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "calls.csv.3.part")); !os.IsNotExist(err) {
		t.Errorf("the last part is still there: %v", err)
	}
	for _, name := range []string{"../calls.csv", "calls.part"} {
		if _, err := (Folder{Dir: dir}).Create(t.Context(), name, 3, nil); err == nil || !strings.Contains(err.Error(), "not allowed") {
			t.Errorf("%s was taken for a name: %v", name, err)
		}
	}
	if _, err := (Folder{Dir: dir + "/none"}).Create(t.Context(), "calls.csv", 1, nil); err == nil || !strings.Contains(err.Error(), "creating the part") {
		t.Errorf("a folder that is not there: %v", err)
	}
}

func TestCheckName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"cdr_2026-11-01.csv": true, "a": true, "": false, ".": false, "..": false, ".hidden": false, "-rf": false, "a/b": false, "../a": false,
		`a\b`: false, "a b": false, "a\x00": false, "a\n": false, "é": false, strings.Repeat("a", 128): true, strings.Repeat("a", 129): false,
		"a.part": false, "a.csv.manifest.json": false, "a.csv.sha256": false,
	} {
		if got := checkName(name) == nil; got != want {
			t.Errorf("name %q allowed: %v, want %v", name, got, want)
		}
	}
}

package cdr

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// newPart makes a part with some text.
func newPart(t testing.TB, dir string, attempt int, text string) Part {
	t.Helper()
	p, err := Folder{Dir: dir}.Create(t.Context(), "calls.csv", attempt, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return p
}

func wantText(t testing.TB, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("%s holds %q (%v), want %q", filepath.Base(path), got, err, want)
	}
}

// wantFiles checks the names in a folder.
func wantFiles(t testing.TB, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the folder has %q, want %q", got, want)
	}
}

func TestCommitReplacesAnOlderFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for attempt, text := range []string{"first", "second"} {
		f := newPart(t, dir, attempt, text)
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
		wantText(t, filepath.Join(dir, "calls.csv"), text)
		wantText(t, filepath.Join(dir, "calls.csv.manifest.json"), manifest)
		wantText(t, filepath.Join(dir, "calls.csv.sha256"), text)
		wantFiles(t, dir, "calls.csv", "calls.csv.manifest.json", "calls.csv.sha256")
		info, err := os.Stat(filepath.Join(dir, "calls.csv"))
		if err != nil || info.Mode().Perm()&0o007 != 0 {
			t.Errorf("the file is everybody's: %v, %v", info.Mode(), err)
		}
	}
}

func TestDiscard(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := newPart(t, dir, 1, "text")
	wantFiles(t, dir, "calls.csv.1.part")
	for range 2 {
		if err := f.Discard(); err != nil {
			t.Error(err)
		}
		wantFiles(t, dir)
	}
	if err := f.Commit(t.Context(), nil, nil); err == nil {
		t.Error("Commit after Discard went through")
	}
}

// TestLateWorkerNeverRenames has another worker begin the same attempt again, or remove its part.
func TestLateWorkerNeverRenames(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	late := newPart(t, dir, 1, "late")
	current := newPart(t, dir, 1, "curr")
	if err := late.Commit(t.Context(), nil, nil); err == nil || !strings.Contains(err.Error(), "another worker") {
		t.Errorf("the late worker's Commit: %v", err)
	}
	wantFiles(t, dir, "calls.csv.1.part")
	if err := current.Commit(t.Context(), nil, nil); err != nil {
		t.Error(err)
	}
	wantText(t, filepath.Join(dir, "calls.csv"), "curr")

	late = newPart(t, dir, 2, "late")
	if err := (Folder{Dir: dir}).removeParts("calls.csv", 3); err != nil {
		t.Fatal(err)
	}
	if err := late.Commit(t.Context(), nil, nil); err == nil || !strings.Contains(err.Error(), "later attempt") {
		t.Errorf("the Commit of a removed part: %v", err)
	}
	wantText(t, filepath.Join(dir, "calls.csv"), "curr")
	wantFiles(t, dir, "calls.csv", "calls.csv.manifest.json", "calls.csv.sha256")
}

// TestFailedCommitLeavesNothing has a folder where the file should be.
func TestFailedCommitLeavesNothing(t *testing.T) {
	t.Parallel()
	for _, inTheWay := range []string{"calls.csv", "calls.csv.manifest.json", "calls.csv.sha256"} {
		dir := t.TempDir()
		if err := os.MkdirAll(filepath.Join(dir, inTheWay, "full"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := newPart(t, dir, 1, "text").Commit(t.Context(), nil, nil); err == nil {
			t.Errorf("Commit went through with a folder %s in its way", inTheWay)
		}
		wantFiles(t, dir, inTheWay)
	}
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
	if err := (Folder{Dir: dir}).removeParts("calls.csv", 3); err != nil {
		t.Fatal(err)
	}
	keep := []string{
		"calls.csv", "calls.csv.manifest.json", "calls.csv.3.part", "calls.csv.x.part", "calls.csv.01.part",
		"other.csv.1.part", "calls.csv2.1.part", "acalls.csv.1.part", "calls.csv1.part",
	}
	wantFiles(t, dir, keep...)
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

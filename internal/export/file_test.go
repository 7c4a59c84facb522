package export

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// newFile makes a File as Write leaves it, without a database.
func newFile(t testing.TB, dir string, attempt int, text string) *File {
	t.Helper()
	f, err := createPart(Options{Dir: dir, Name: "calls.csv", Attempt: attempt})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.open.WriteString(text); err != nil {
		t.Fatal(err)
	}
	f.manifest.Rows = int64(attempt)
	return f
}

func wantText(t testing.TB, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("%s holds %q (%v), want %q", filepath.Base(path), got, err, want)
	}
}

func readManifest(t testing.TB, path string) (m Manifest) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestCommitReplacesAnOlderFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for attempt, text := range []string{"first", "second"} {
		f := newFile(t, dir, attempt, text)
		if _, err := f.Commit(); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Commit(); err == nil {
			t.Error("a second Commit of the same file went through")
		}
		if err := f.Discard(); err != nil {
			t.Errorf("Discard after Commit: %v", err)
		}
		wantText(t, filepath.Join(dir, "calls.csv"), text)
		m := readManifest(t, filepath.Join(dir, "calls.csv.manifest.json"))
		if m.Rows != int64(attempt) || m.File != "calls.csv" {
			t.Errorf("manifest %+v", m)
		}
		wantFiles(t, dir, "calls.csv", "calls.csv.manifest.json")
		info, err := os.Stat(filepath.Join(dir, "calls.csv"))
		if err != nil || info.Mode().Perm()&0o007 != 0 {
			t.Errorf("the file is everybody's: %v, %v", info.Mode(), err)
		}
	}
}

func TestDiscard(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := newFile(t, dir, 1, "text")
	wantFiles(t, dir, "calls.csv.1.part")
	for range 2 {
		if err := f.Discard(); err != nil {
			t.Error(err)
		}
		wantFiles(t, dir)
	}
	if _, err := f.Commit(); err == nil {
		t.Error("Commit after Discard went through")
	}
}

// TestLateWorkerNeverRenames has another worker begin the same attempt again, or remove its part.
func TestLateWorkerNeverRenames(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	late := newFile(t, dir, 1, "late")
	current := newFile(t, dir, 1, "curr")
	if _, err := late.Commit(); err == nil || !strings.Contains(err.Error(), "another worker") {
		t.Errorf("the late worker's Commit: %v", err)
	}
	wantFiles(t, dir, "calls.csv.1.part")
	if _, err := current.Commit(); err != nil {
		t.Error(err)
	}
	wantText(t, filepath.Join(dir, "calls.csv"), "curr")

	late = newFile(t, dir, 2, "late")
	if err := RemoveStaleParts(dir, "calls.csv", 3); err != nil {
		t.Fatal(err)
	}
	if _, err := late.Commit(); err == nil || !strings.Contains(err.Error(), "later attempt") {
		t.Errorf("the Commit of a removed part: %v", err)
	}
	wantText(t, filepath.Join(dir, "calls.csv"), "curr")
	wantFiles(t, dir, "calls.csv", "calls.csv.manifest.json")
}

// TestFailedCommitLeavesNothing has a folder where the file should be.
func TestFailedCommitLeavesNothing(t *testing.T) {
	t.Parallel()
	for _, inTheWay := range []string{"calls.csv", "calls.csv.manifest.json"} {
		dir := t.TempDir()
		if err := os.MkdirAll(filepath.Join(dir, inTheWay, "full"), 0o755); err != nil {
			t.Fatal(err)
		}
		if _, err := newFile(t, dir, 1, "text").Commit(); err == nil {
			t.Errorf("Commit went through with a folder %s in its way", inTheWay)
		}
		wantFiles(t, dir, inTheWay)
	}
}

func TestRemoveStaleParts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	all := []string{
		"calls.csv", "calls.csv.manifest.json", "calls.csv.1.part", "calls.csv.2.part", "calls.csv.3.part", "calls.csv.manifest.json.1.part",
		"calls.csv.manifest.json.3.part", "calls.csv.x.part", "calls.csv.01.part", "other.csv.1.part", "calls.csv2.1.part", "acalls.csv.1.part", "calls.csv1.part",
	}
	for _, name := range all {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := RemoveStaleParts(dir, "calls.csv", 3); err != nil {
		t.Fatal(err)
	}
	keep := []string{
		"calls.csv", "calls.csv.manifest.json", "calls.csv.3.part", "calls.csv.manifest.json.3.part", "calls.csv.x.part", "calls.csv.01.part",
		"other.csv.1.part", "calls.csv2.1.part", "acalls.csv.1.part", "calls.csv1.part",
	}
	wantFiles(t, dir, keep...)
	if err := RemoveStaleParts(dir, "calls.csv", math.MaxInt); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "calls.csv.3.part")); !os.IsNotExist(err) {
		t.Errorf("the last part is still there: %v", err)
	}
	if err := RemoveStaleParts(dir, "../calls.csv", 3); err == nil {
		t.Error("a path was taken for a name")
	}
}

func TestCheckName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"cdr_2026-11-01.csv": true, "a": true, "": false, ".": false, "..": false, ".hidden": false, "-rf": false, "a/b": false, "../a": false,
		`a\b`: false, "a b": false, "a\x00": false, "a\n": false, "é": false, strings.Repeat("a", 128): true, strings.Repeat("a", 129): false,
		"a.part": false, "a.csv.manifest.json": false,
	} {
		if got := checkName(name) == nil; got != want {
			t.Errorf("name %q allowed: %v, want %v", name, got, want)
		}
	}
}

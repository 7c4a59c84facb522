package watch

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"trunkline/internal/pbxtest"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// run watches until the test ends, and passes on what each path holds whenever they change.
func run(t *testing.T, stable time.Duration, paths ...string) <-chan []string {
	t.Helper()
	told := make(chan []string, 1000)
	pbxtest.Start(t, func(ctx context.Context) error {
		Files{Paths: paths, Stable: stable, Log: slog.New(slog.DiscardHandler)}.Run(ctx, func() {
			var contents []string
			for _, path := range paths {
				content, _ := os.ReadFile(path)
				contents = append(contents, string(content))
			}
			told <- contents
		})
		return nil
	})
	<-told // its beginning
	return told
}

// await waits until the paths hold that.
func await(t *testing.T, told <-chan []string, what string, want ...string) {
	t.Helper()
	pbxtest.Eventually(t, what, func() bool {
		select {
		case got := <-told:
			for i := range want {
				if got[i] != want[i] {
					return false
				}
			}
			return true
		default:
			return false
		}
	})
}

func TestEachWayOfChanging(t *testing.T) {
	t.Parallel()
	dir, elsewhere := t.TempDir(), t.TempDir()
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	must(t, os.WriteFile(filepath.Join(elsewhere, "1"), []byte("linked"), 0o600))
	must(t, os.Symlink(filepath.Join(elsewhere, "1"), two))
	told := run(t, 0, one, two)

	must(t, os.WriteFile(one, []byte("made"), 0o600))
	await(t, told, "a file is made", "made", "linked")
	must(t, os.WriteFile(one, []byte("Made"), 0o600))
	await(t, told, "a change of the same size", "Made", "linked")
	must(t, os.WriteFile(one+".new", []byte("replaced"), 0o600))
	must(t, os.Rename(one+".new", one))
	await(t, told, "a file is replaced", "replaced", "linked")
	must(t, os.WriteFile(filepath.Join(elsewhere, "1"), []byte("written through"), 0o600))
	await(t, told, "what a link leads to is written", "replaced", "written through")
	must(t, os.WriteFile(filepath.Join(elsewhere, "2"), []byte("elsewhere"), 0o600))
	must(t, os.Symlink(filepath.Join(elsewhere, "2"), two+".new"))
	must(t, os.Rename(two+".new", two))
	await(t, told, "a link is replaced", "replaced", "elsewhere")
	must(t, os.Rename(dir, dir+".old"))
	await(t, told, "the folder goes", "", "")
	must(t, os.Mkdir(dir, 0o700))
	must(t, os.WriteFile(one, []byte("new folder"), 0o600))
	await(t, told, "another folder comes", "new folder", "")
}

// While files go on changing nobody reads them; then they are read as they are.
func TestWaitsUntilTheyStayTheSame(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	told := run(t, 200*time.Millisecond, path)
	text := ""
	for range 50 {
		text += "x"
		must(t, os.WriteFile(path, []byte(text), 0o600))
	}
	await(t, told, "the whole of it", text)
}

// A folder that is not there, and one that comes later.
func TestNoFolder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "folder", "file")
	told := run(t, 0, path)
	must(t, os.Mkdir(filepath.Dir(path), 0o700))
	must(t, os.WriteFile(path, []byte("there"), 0o600))
	await(t, told, "it is seen", "there")
}

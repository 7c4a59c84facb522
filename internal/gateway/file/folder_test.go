package file

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"trunkline/internal/atomicfile"
	"trunkline/internal/pbxtest"
)

func newFolder(t *testing.T, profiles ...string) *Folder {
	t.Helper()
	f, err := Open(t.TempDir())
	must(t, err)
	for _, profile := range profiles {
		must(t, os.Mkdir(filepath.Join(f.Dir(), profile), 0o770))
	}
	return f
}

var must = pbxtest.Must

// tree is every file of the folder, those with a dot at the beginning too, with what is in it.
func tree(t *testing.T, f *Folder) map[string]string {
	t.Helper()
	files := map[string]string{}
	must(t, filepath.WalkDir(f.Dir(), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		name, _ := filepath.Rel(f.Dir(), path)
		files[name] = string(content)
		return err
	}))
	return files
}

// mode is the permissions of the gateway's file.
func mode(t *testing.T, f *Folder, profile string) fs.FileMode {
	t.Helper()
	info, err := os.Stat(f.path(profile, testUUID))
	must(t, err)
	return info.Mode().Perm()
}

func TestPut(t *testing.T) {
	t.Parallel()
	f := newFolder(t, "external", "internal")
	name := "v_" + testUUID + ".xml"
	want := func(what string, files map[string]string) {
		t.Helper()
		if got := tree(t, f); len(got) != len(files) || got["external/"+name] != files["external/"+name] || got["internal/"+name] != files["internal/"+name] {
			t.Fatalf("%s: got %v, want %v", what, got, files)
		}
	}
	must(t, f.Put(testUUID, []File{{Profile: "external", Content: []byte("one")}}))
	want("new", map[string]string{"external/" + name: "one"})
	if got := mode(t, f, "external"); got != 0o660 {
		t.Errorf("a new file's permissions are %o", got)
	}
	must(t, f.Put(testUUID, []File{{Profile: "external", Content: []byte("two")}}))
	want("changed", map[string]string{"external/" + name: "two"})
	must(t, f.Put(testUUID, []File{{Profile: "internal", Content: []byte("two")}}))
	want("moved", map[string]string{"internal/" + name: "two"})
	files, err := f.Files(testUUID)
	must(t, err)
	if len(files) != 1 || !files[0].Same(File{Profile: "internal", Content: []byte("two")}) {
		t.Fatalf("got %v", files)
	}
	must(t, f.Put(testUUID, nil))
	want("removed", nil)
	must(t, f.Put(testUUID, nil))
	if files, err := f.Files(testUUID); files == nil || len(files) != 0 || err != nil {
		t.Fatalf("got %v, %v, want an empty list", files, err)
	}
}

func TestPutKeepsOthers(t *testing.T) {
	t.Parallel()
	f := newFolder(t, "external")
	other := filepath.Join(f.Dir(), "external", "v_ffffffff-0000-4000-8000-000000000001.xml")
	must(t, os.WriteFile(other, []byte("theirs"), 0o600))
	must(t, os.WriteFile(filepath.Join(f.Dir(), "external.xml"), []byte("the profile"), 0o600))
	must(t, os.Mkdir(filepath.Join(f.Dir(), "no profile"), 0o700))
	must(t, f.Put(testUUID, []File{{Profile: "external", Content: []byte("ours")}}))
	must(t, f.Put(testUUID, nil))
	if got := tree(t, f); len(got) != 2 || got["external.xml"] != "the profile" {
		t.Fatalf("got %v", got)
	}
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ standing, asked, want fs.FileMode }{
		"of FusionPBX's":            {0o644, 0, 0o640},
		"shared":                    {0o660, 0, 0o660},
		"closed":                    {0o600, 0, 0o600},
		"put back":                  {0o660, 0o644, 0o644},
		"everybody may write there": {0o666, 0, 0o660},
	} {
		f := newFolder(t, "external")
		must(t, os.WriteFile(f.path("external", testUUID), []byte("before"), 0o600))
		must(t, os.Chmod(f.path("external", testUUID), c.standing))
		must(t, f.Put(testUUID, []File{{Profile: "external", Content: []byte("after"), Mode: c.asked}}))
		if got := mode(t, f, "external"); got != c.want {
			t.Errorf("%s: got %o, want %o", name, got, c.want)
		}
	}
}

// The file goes to whoever has the folder, since only they can read it otherwise.
func TestOwner(t *testing.T) {
	t.Parallel()
	f := newFolder(t, "external")
	dir := filepath.Join(f.Dir(), "external")
	uid, gid := os.Geteuid(), os.Getegid()
	if uid == 0 {
		uid, gid = 1234, 2345
		must(t, os.Chown(dir, uid, gid))
	}
	must(t, f.Put(testUUID, []File{{Profile: "external", Content: []byte("x")}}))
	info, err := os.Stat(f.path("external", testUUID))
	must(t, err)
	if gotUID, gotGID := owner(info); gotUID != uid || gotGID != gid {
		t.Errorf("got %d:%d, want %d:%d", gotUID, gotGID, uid, gid)
	}
}

func TestTwoProfilesInOneFolder(t *testing.T) {
	t.Parallel()
	f := newFolder(t, "external")
	must(t, os.Symlink("external", filepath.Join(f.Dir(), "external-ipv6")))
	must(t, f.Put(testUUID, []File{{Profile: "external", Content: []byte("x")}}))
	if got := tree(t, f)["external/v_"+testUUID+".xml"]; got != "x" {
		t.Fatalf("the file is %q: it was removed under its other name", got)
	}
}

func TestNamesThatLeadElsewhere(t *testing.T) {
	t.Parallel()
	f := newFolder(t, "external")
	for _, profile := range []string{"..", ".", "", "...", "../external", "external/..", "/etc", "a b", "a\x00b", strings.Repeat("x", 65)} {
		if err := f.Put(testUUID, []File{{Profile: profile, Content: []byte("x")}}); err == nil || !strings.Contains(err.Error(), "no name of a SIP profile") {
			t.Errorf("profile %q: got %v", profile, err)
		}
		if err := f.Writable(profile); err == nil {
			t.Errorf("profile %q may be written", profile)
		}
	}
	for _, uuid := range []string{"", "..", "../" + testUUID, strings.ToUpper(testUUID), testUUID + "/x", "_all_"} {
		if err := f.Put(uuid, nil); err == nil {
			t.Errorf("gateway %q is taken", uuid)
		}
		if _, err := f.Files(uuid); err == nil {
			t.Errorf("gateway %q is looked for", uuid)
		}
	}
	for _, dir := range []string{"", "etc", "/etc/../etc", "/a/..", "/a\x00"} {
		if _, err := Open(dir); err == nil {
			t.Errorf("folder %q is taken", dir)
		}
	}
	if got := tree(t, f); len(got) != 0 {
		t.Fatalf("something was written: %v", got)
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	f := newFolder(t, "blocked")
	must(t, os.WriteFile(filepath.Join(f.Dir(), "file"), nil, 0o600))
	must(t, os.Mkdir(f.path("blocked", testUUID), 0o700)) // a folder where the file should be
	for profile, want := range map[string]string{"missing": "make that folder", "file": "make that folder", "blocked": "look at it there"} {
		err := f.Put(testUUID, []File{{Profile: profile, Content: []byte("s3cret")}})
		var wrong *Error
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), filepath.Join(f.Dir(), profile)) {
			t.Errorf("%s: got %v, want %q", profile, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: what was to be written is in the error", profile)
		}
	}
	entries, err := os.ReadDir(filepath.Join(f.Dir(), "blocked"))
	must(t, err)
	if len(entries) != 1 {
		t.Errorf("a part of a file was left: %v", entries)
	}
	must(t, os.Remove(f.path("blocked", testUUID)))
	must(t, os.WriteFile(f.path("blocked", testUUID), make([]byte, atomicfile.MaxRead+1), 0o600))
	if _, err := f.Files(testUUID); err == nil || !strings.Contains(err.Error(), "larger") {
		t.Errorf("a file that is too large: got %v", err)
	}
	gone, err := Open(filepath.Join(f.Dir(), "gone"))
	must(t, err)
	if err := gone.Readable(); err == nil || !strings.Contains(err.Error(), "make that folder") {
		t.Errorf("a folder that is not there: got %v", err)
	}
}

// killedFolder names, in the process that is to be killed, the folder that it writes into.
const killedFolder = "GATEWAYFILE_KILLED_FOLDER"

// TestKilledBeforeRename has a process of its own killed between writing a file and renaming it.
func TestKilledBeforeRename(t *testing.T) {
	t.Parallel()
	if dir := os.Getenv(killedFolder); dir != "" {
		f, err := Open(dir)
		must(t, err)
		f.beforeRename = func() error {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		must(t, f.Put(testUUID, []File{{Profile: "external", Content: []byte("after")}}))
		return
	}
	f := newFolder(t, "external")
	must(t, f.Put(testUUID, []File{{Profile: "external", Content: []byte("before")}}))
	killed := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledBeforeRename$")
	killed.Env = append(os.Environ(), killedFolder+"="+f.Dir())
	var exit *exec.ExitError
	if output, err := killed.CombinedOutput(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the process ended with %v and not killed: %s", err, output)
	}
	name := "v_" + testUUID + ".xml"
	left := tree(t, f)
	half := ""
	for path, content := range left {
		if strings.HasPrefix(path, "external/"+filepath.Base(f.part("external", testUUID))+"/") {
			half = content
		}
	}
	if left["external/"+name] != "before" || half != "after" || len(left) != 2 {
		t.Fatalf("the killed process left %v", left)
	}
	included, err := filepath.Glob(filepath.Join(f.Dir(), "external", "*.xml"))
	must(t, err)
	if !slices.Equal(included, []string{f.path("external", testUUID)}) {
		t.Fatalf("FreeSWITCH would include %v", included)
	}
	must(t, f.Put(testUUID, []File{{Profile: "external", Content: []byte("before")}}))
	if got := tree(t, f); len(got) != 1 {
		t.Fatalf("the next one left %v", got)
	}
}

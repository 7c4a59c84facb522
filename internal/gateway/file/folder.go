package file

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"trunkline/internal/atomicfile"
	"trunkline/internal/freeswitch"
)

// Error says what could not be done with a file or folder, and how to make it possible. It never holds what
// is in a file.
type Error struct {
	Path  string
	Doing string
	Err   error
}

func (e *Error) Error() string {
	reason := e.Err
	if path, ok := errors.AsType[*fs.PathError](reason); ok {
		reason = path.Err
	}
	return fmt.Sprintf("%s %s: %v; %s", e.Doing, e.Path, reason, e.remedy())
}

func (e *Error) Unwrap() error { return e.Err }

func (e *Error) remedy() string {
	switch {
	case errors.Is(e.Err, fs.ErrPermission):
		return "let the user that runs trunkline write there: put it into the group of that folder, and give the group the right to write (chmod g+rwxs)"
	case errors.Is(e.Err, fs.ErrNotExist), errors.Is(e.Err, syscall.ENOTDIR):
		return "make that folder where the SIP profile includes its gateways from, and give it to the group that FreeSWITCH and trunkline share"
	case errors.Is(e.Err, syscall.ENOSPC), errors.Is(e.Err, syscall.EDQUOT):
		return "make room there"
	case errors.Is(e.Err, syscall.EROFS):
		return "mount it so that it can be written"
	}
	return "look at it there"
}

// File is a gateway's file under one profile.
type File struct {
	Profile string      `json:"profile"`
	Content []byte      `json:"content"` // holds the password
	Mode    fs.FileMode `json:"mode"`    // its permissions; 0: as befits a new file
}

// Same reports whether both say the same in the same place.
func (f File) Same(other File) bool {
	return f.Profile == other.Profile && bytes.Equal(f.Content, other.Content)
}

// Readable returns nil if the folder is there and can be read, else an *Error.
func (f *Folder) Readable() error {
	_, err := f.profiles()
	return err
}

// Writable returns nil if files can be made in a profile's folder, else an *Error. It makes one, of a name
// that FreeSWITCH does not read, and removes it.
func (f *Folder) Writable(profile string) error {
	dir, err := f.profileDir(profile)
	if err != nil {
		return err
	}
	probe, err := os.CreateTemp(dir, ".trunkline-*.part")
	if err == nil {
		err = errors.Join(probe.Close(), os.Remove(probe.Name()))
	}
	if err != nil {
		return &Error{dir, "writing into", err}
	}
	return nil
}

// Files returns a gateway's files under all profiles. There is at most one, unless somebody left another.
func (f *Folder) Files(uuid string) ([]File, error) {
	if err := checkUUID(uuid); err != nil {
		return nil, err
	}
	profiles, err := f.profilesWith(uuid)
	if err != nil {
		return nil, err
	}
	files := []File{}
	for _, profile := range profiles {
		path := f.path(profile, uuid)
		content, mode, err := readFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it went meanwhile
		}
		if err != nil {
			return nil, &Error{path, "reading", err}
		}
		files = append(files, File{Profile: profile, Content: content, Mode: mode})
	}
	return files, nil
}

// Put makes these the gateway's files, and removes any other of that gateway under every profile. Each is
// written beside its place and renamed into it, so that FreeSWITCH sees the one before or this one, whole.
// A file that stands keeps its owner and permissions, but for those of everybody. What fails is an *Error.
func (f *Folder) Put(uuid string, want []File) error {
	if err := checkUUID(uuid); err != nil {
		return err
	}
	for _, file := range want {
		if err := f.write(uuid, file); err != nil {
			return err
		}
	}
	profiles, err := f.profilesWith(uuid)
	if err != nil {
		return err
	}
	for _, profile := range profiles {
		if err := f.remove(uuid, profile, want); err != nil {
			return err
		}
	}
	return nil
}

// profiles names what may be the folder of a profile, sorted.
func (f *Folder) profiles() ([]string, error) {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, &Error{f.dir, "reading", err}
	}
	var profiles []string
	for _, entry := range entries {
		if freeswitch.CheckProfile(entry.Name()) == nil {
			profiles = append(profiles, entry.Name())
		}
	}
	return profiles, nil
}

// profilesWith names the profiles that have a file of the gateway, or a part of one.
func (f *Folder) profilesWith(uuid string) ([]string, error) {
	profiles, err := f.profiles()
	return slices.DeleteFunc(profiles, func(profile string) bool {
		return !exists(f.path(profile, uuid)) && !exists(f.part(profile, uuid))
	}), err
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func readFile(path string) ([]byte, fs.FileMode, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, errors.New("it is not a regular file")
	}
	content, err := atomicfile.Read(path)
	return content, info.Mode().Perm(), err
}

// remove removes the gateway's file under a profile, unless it is one of those wanted, and what a killed
// process left beside it.
func (f *Folder) remove(uuid, profile string, want []File) error {
	dir, path, part := filepath.Join(f.dir, profile), f.path(profile, uuid), f.part(profile, uuid)
	changed := exists(part)
	if changed {
		if err := os.RemoveAll(part); err != nil {
			return &Error{part, "removing", err}
		}
	}
	// Two profiles' names may be links to one folder.
	if !slices.ContainsFunc(want, func(file File) bool { return sameFolder(filepath.Join(f.dir, file.Profile), dir) }) {
		err := os.Remove(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return &Error{path, "removing", err}
		}
		changed = changed || err == nil
	}
	if !changed {
		return nil
	}
	if err := atomicfile.SyncFolder(dir); err != nil {
		return &Error{dir, "writing into", err}
	}
	return nil
}

func sameFolder(a, b string) bool {
	if a == b {
		return true
	}
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// write puts one file into its place, unless it is there already.
func (f *Folder) write(uuid string, file File) error {
	if _, err := f.profileDir(file.Profile); err != nil {
		return err
	}
	path := f.path(file.Profile, uuid)
	content, mode, err := readFile(path)
	if err == nil && bytes.Equal(content, file.Content) && (mode == file.Mode || file.Mode == 0 && mode&everybody == 0) {
		return nil
	}
	if err := f.replace(f.part(file.Profile, uuid), path, file); err != nil {
		return &Error{path, "writing", err}
	}
	return nil
}

// replace writes the file in a folder of its own, for nobody else to read until its owner is right, and
// gives it its place.
func (f *Folder) replace(part, path string, file File) (err error) {
	if err := errors.Join(os.RemoveAll(part), os.Mkdir(part, 0o700)); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(part)) }()
	return atomicfile.Replacement{
		Path:    path,
		Content: file.Content,
		TempDir: part,
		Dress:   func(out *os.File) error { return giveAway(out, path, file.Mode) },
		Last:    f.beforeRename,
	}.Write()
}

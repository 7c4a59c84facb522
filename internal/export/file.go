package export

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

const (
	partSuffix     = ".part"
	manifestSuffix = ".manifest.json"
	// fileMode lets the group read: the front end may run as another user than the worker. Call records
	// are nobody else's business.
	fileMode = 0o640
)

// namePattern is what a file may be called. Without a separator and with a letter or digit first, a
// name cannot lead out of its folder.
var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

func checkName(name string) error {
	if !namePattern.MatchString(name) {
		return fmt.Errorf("the file name %q is not allowed; use up to 128 letters, digits, dots, dashes and underscores, a letter or digit first", name)
	}
	if strings.HasSuffix(name, partSuffix) || strings.HasSuffix(name, manifestSuffix) {
		return fmt.Errorf("the file name %q is not allowed; %s and %s are kept for parts and manifests", name, partSuffix, manifestSuffix)
	}
	return nil
}

// ManifestName is the name of the manifest of a file.
func ManifestName(name string) string { return name + manifestSuffix }

func partName(name string, attempt int) string {
	return name + "." + strconv.Itoa(attempt) + partSuffix
}

// File is a complete, synced part that has not got its name yet. Exactly one of Commit and Discard
// should end it.
type File struct {
	manifest Manifest
	dir      string
	attempt  int
	// part and manifestPart are what Discard removes; the second is "" until it is written.
	part         string
	manifestPart string
	// open keeps the part's inode ours, so that a file which another worker made in its place is told
	// from it.
	open *os.File
}

// createPart makes the part of an attempt. One that is left from a crash of the same attempt goes.
func createPart(o Options) (*File, error) {
	f := &File{
		manifest: Manifest{File: o.Name},
		dir:      o.Dir,
		attempt:  o.Attempt,
		part:     filepath.Join(o.Dir, partName(o.Name, o.Attempt)),
	}
	if err := removeIfThere(f.part); err != nil {
		return nil, err
	}
	open, err := os.OpenFile(f.part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return nil, fmt.Errorf("creating the part: %w", err)
	}
	f.open = open
	return f, nil
}

// Manifest is what Commit will write beside the file.
func (f *File) Manifest() Manifest { return f.manifest }

// Commit gives the file its name, in place of a file of that name, and writes its manifest beside it.
// The manifest is the last to appear: a file without one is not whole, and the manifest of an older
// file never stands beside a newer one. On an error nothing is left of the file.
func (f *File) Commit() (Manifest, error) {
	if f.open == nil {
		return Manifest{}, fmt.Errorf("export %s is already committed or discarded", f.manifest.File)
	}
	if err := f.commit(); err != nil {
		return Manifest{}, errors.Join(fmt.Errorf("export %s: %w", f.manifest.File, err), f.Discard())
	}
	_ = f.open.Close() // synced already, so closing has nothing left to lose
	f.open = nil
	return f.manifest, nil
}

func (f *File) commit() error {
	if err := f.checkOurs(); err != nil {
		return err
	}
	if err := f.writeManifest(); err != nil {
		return err
	}
	file := filepath.Join(f.dir, f.manifest.File)
	manifest := filepath.Join(f.dir, ManifestName(f.manifest.File))
	if err := removeIfThere(manifest); err != nil {
		return err
	}
	if err := os.Rename(f.part, file); err != nil {
		return fmt.Errorf("naming the file: %w", err)
	}
	f.part = file
	if err := os.Rename(f.manifestPart, manifest); err != nil {
		return fmt.Errorf("naming the manifest: %w", err)
	}
	f.manifestPart = manifest
	return syncDir(f.dir)
}

// checkOurs makes sure that the part's name still leads to the file that was written.
func (f *File) checkOurs() error {
	ours, err := f.open.Stat()
	if err != nil {
		return fmt.Errorf("looking at the part: %w", err)
	}
	there, err := os.Lstat(f.part)
	if err != nil {
		return fmt.Errorf("the part is gone, so a later attempt has taken over: %w", err)
	}
	if !os.SameFile(ours, there) {
		return fmt.Errorf("the part is not the one that was written, so another worker has taken over")
	}
	return nil
}

func (f *File) writeManifest() error {
	data, err := json.MarshalIndent(f.manifest, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the manifest: %w", err)
	}
	path := filepath.Join(f.dir, partName(ManifestName(f.manifest.File), f.attempt))
	if err := removeIfThere(path); err != nil {
		return err
	}
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return fmt.Errorf("creating the manifest: %w", err)
	}
	f.manifestPart = path
	_, writeErr := out.Write(append(data, '\n'))
	if err := errors.Join(writeErr, out.Sync(), out.Close()); err != nil {
		return fmt.Errorf("writing the manifest: %w", err)
	}
	return nil
}

// Discard removes what was written. It may follow a Commit or Discard, and then does nothing.
func (f *File) Discard() error {
	if f.open == nil {
		return nil
	}
	ours := f.checkOurs() == nil
	err := f.open.Close()
	f.open = nil
	if ours {
		err = errors.Join(err, removeIfThere(f.part))
	}
	if f.manifestPart != "" {
		err = errors.Join(err, removeIfThere(f.manifestPart))
	}
	if err != nil {
		return fmt.Errorf("discarding export %s: %w", f.manifest.File, err)
	}
	return nil
}

// RemoveStaleParts removes the parts that attempts before the given one have left in dir, after a
// crash, of the file name.
func RemoveStaleParts(dir, name string, attempt int) error {
	if err := checkName(name); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("looking for stale parts: %w", err)
	}
	var errs []error
	for _, entry := range entries {
		rest, isPart := strings.CutSuffix(entry.Name(), partSuffix)
		rest, isOurs := strings.CutPrefix(rest, name)
		number, err := strconv.Atoi(strings.TrimPrefix(strings.TrimPrefix(rest, manifestSuffix), "."))
		if isPart && isOurs && err == nil && number < attempt &&
			(entry.Name() == partName(name, number) || entry.Name() == partName(ManifestName(name), number)) {
			errs = append(errs, removeIfThere(filepath.Join(dir, entry.Name())))
		}
	}
	return errors.Join(errs...)
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing an old file: %w", err)
	}
	return nil
}

// syncDir makes the names in a folder last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("opening the folder: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("syncing the folder: %w", err)
	}
	return nil
}

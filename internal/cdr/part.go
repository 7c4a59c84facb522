package cdr

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"trunkline/internal/atomicfile"
	"trunkline/internal/export"
)

const (
	partSuffix     = ".part"
	manifestSuffix = ".manifest.json"
	checksumSuffix = ".sha256"
	// fileMode lets the group read: the front end may run as another user than the worker. Call records
	// are nobody else's business.
	fileMode   = 0o640
	folderMode = 0o750
)

// namePattern is what a file may be called. Without a separator and with a letter or digit first, a
// name cannot lead out of its folder.
var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

func checkName(name string) error {
	if !namePattern.MatchString(name) {
		return fmt.Errorf("the file name %q is not allowed; use up to 128 letters, digits, dots, dashes and underscores, a letter or digit first", name)
	}
	for _, suffix := range []string{partSuffix, manifestSuffix, checksumSuffix} {
		if strings.HasSuffix(name, suffix) {
			return fmt.Errorf("the file name %q is not allowed; %s is kept for what stands beside a file", name, suffix)
		}
	}
	return nil
}

func partName(name string, attempt int) string {
	return name + "." + strconv.Itoa(attempt) + partSuffix
}

// folderPart is a Part in a folder: name.attempt.part, until it gets its name.
type folderPart struct {
	folder   Folder
	name     string
	attempt  int
	paused   func(paused bool, reason string)
	nextLook int64 // after how many bytes the next look at the free space is due
	written  int64 // bytes, of which so many are on their way to the disk
	underWay int64
	part     string // the path of what was written
	named    bool   // that path is the file's own, and its manifest may be there too

	pastCache pastCache
	// File is what is written to. Open, it keeps the part's inode ours, so that a file which another worker
	// made in its place is told from it. nil once committed or discarded.
	*os.File
}

// Earlier implements Part.
func (p *folderPart) Earlier(attempt int) (export.EarlierPart, error) {
	return os.OpenInRoot(p.folder.Dir, partName(p.name, attempt))
}

// Commit implements Part. The manifest is the last to appear: a file without one is not whole, and the
// manifest of an older file never stands beside a newer one.
func (p *folderPart) Commit(_ context.Context, checksum, manifest []byte) error {
	if p.File == nil {
		return fmt.Errorf("export %s is already committed or discarded", p.name)
	}
	err := p.checkOurs()
	if err == nil {
		last := func() error { return p.takeName(checksum) }
		err = atomicfile.Replacement{Path: p.beside(manifestSuffix), Content: manifest, Mode: fileMode, Last: last}.Write()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("export %s: %w", p.name, p.noRoom(err)), p.Discard())
	}
	_ = p.closeFile() // synced already, so closing has nothing left to lose
	// What they hold is in the file: should it stay, it is deleted when its time is up.
	_ = p.folder.removeParts(p.name, p.attempt)
	return nil
}

// beside is the path of what stands beside the file.
func (p *folderPart) beside(suffix string) string { return filepath.Join(p.folder.Dir, p.name+suffix) }

// takeName gives the part the file's name.
func (p *folderPart) takeName(checksum []byte) error {
	if err := removeIfThere(p.beside(manifestSuffix)); err != nil {
		return err
	}
	file := filepath.Join(p.folder.Dir, p.name)
	if err := os.Rename(p.part, file); err != nil {
		return err
	}
	p.part, p.named = file, true
	return atomicfile.Replacement{Path: p.beside(checksumSuffix), Content: checksum, Mode: fileMode}.Write()
}

// checkOurs makes sure that the part's name still leads to the file that was written.
func (p *folderPart) checkOurs() error {
	ours, err := p.File.Stat()
	if err != nil {
		return fmt.Errorf("looking at the part: %w", err)
	}
	there, err := os.Lstat(p.part)
	if err != nil {
		return fmt.Errorf("the part is gone, so a later attempt has taken over: %w", err)
	}
	if !os.SameFile(ours, there) {
		return fmt.Errorf("the part is not the one that was written, so another worker has taken over")
	}
	return nil
}

// Discard implements Part.
func (p *folderPart) Discard() error {
	if p.File == nil {
		return nil
	}
	ours := p.checkOurs() == nil
	err := p.closeFile()
	if ours {
		err = errors.Join(err, removeIfThere(p.part))
	}
	if p.named {
		err = errors.Join(err, removeIfThere(p.beside(manifestSuffix)), removeIfThere(p.beside(checksumSuffix)))
	}
	if err = errors.Join(err, p.folder.removeParts(p.name, p.attempt)); err != nil {
		return fmt.Errorf("discarding export %s: %w", p.name, err)
	}
	return nil
}

// Leave implements Part.
func (p *folderPart) Leave() error {
	if p.File == nil {
		return nil
	}
	return p.closeFile()
}

func (p *folderPart) closeFile() (err error) {
	if p.pastCache.close != nil {
		err = p.pastCache.close()
	}
	err = errors.Join(err, p.File.Close())
	p.File, p.pastCache = nil, pastCache{}
	return err
}

// RemoveParts implements Store. The first attempt has none before it.
func (f Folder) RemoveParts(_ context.Context, name string, attempt int) error {
	return f.removeParts(name, attempt)
}

// removeParts removes the parts of the attempts before that one.
func (f Folder) removeParts(name string, attempt int) error {
	if attempt <= 1 {
		return nil
	}
	entries, err := os.ReadDir(f.Dir)
	if err != nil {
		return fmt.Errorf("looking for earlier parts: %w", err)
	}
	var errs []error
	for _, entry := range entries {
		rest, isPart := strings.CutSuffix(entry.Name(), partSuffix)
		rest, isOurs := strings.CutPrefix(rest, name)
		number, err := strconv.Atoi(strings.TrimPrefix(rest, "."))
		if isPart && isOurs && err == nil && number < attempt && entry.Name() == partName(name, number) {
			errs = append(errs, removeIfThere(filepath.Join(f.Dir, entry.Name())))
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

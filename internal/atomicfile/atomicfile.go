// Package atomicfile puts files into their place whole and for good: whoever reads one, after a power cut
// too, finds what stood there before or all of the new. It also reads them whole or not at all. It knows
// nothing of what is in them.
package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// ErrNotSynced says that the file is in its place, and that a power cut may undo that.
var ErrNotSynced = errors.New("syncing the folder")

// Replacement is a file that takes the place of what stands at Path.
type Replacement struct {
	Path    string
	Content []byte
	Mode    fs.FileMode // as it is made, less the umask; 0: 0600
	// TempDir is where it is written first, under a hidden name, on the file system of Path; "": beside Path.
	TempDir string
	// Dress gives the file its owner and mode before it is in its place; it may be nil.
	Dress func(*os.File) error
	// Last is called when nothing is left to do but to rename the file, which an error prevents; it may be nil.
	Last func() error
}

// Write puts the file into its place. On an error there is nothing of it, but for ErrNotSynced.
func (r Replacement) Write() (err error) {
	file, err := write(r)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Cleanup()) }() // which does nothing to a file in its place
	if r.Last != nil {
		if err := r.Last(); err != nil {
			return err
		}
	}
	if err := file.CloseAtomicallyReplace(); err != nil {
		return err
	}
	return SyncFolder(filepath.Dir(r.Path))
}

// Create puts a file of mode 0600 at the path, unless there is one by then: a link does not replace.
func Create(path string, content []byte) (err error) {
	file, err := write(Replacement{Path: path, Content: content})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Cleanup()) }()
	if err := os.Link(file.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return SyncFolder(filepath.Dir(path))
}

// write writes and syncs the file under its hidden name.
func write(r Replacement) (*renameio.PendingFile, error) {
	if r.TempDir == "" {
		r.TempDir = filepath.Dir(r.Path)
	}
	if r.Mode == 0 {
		r.Mode = 0o600
	}
	file, err := renameio.NewPendingFile(r.Path, renameio.WithTempDir(r.TempDir), renameio.WithPermissions(r.Mode))
	if err != nil {
		return nil, err
	}
	_, err = file.Write(r.Content)
	if err == nil && r.Dress != nil {
		err = r.Dress(file.File)
	}
	if err == nil {
		err = file.Sync()
	}
	if err != nil {
		return nil, errors.Join(err, file.Cleanup())
	}
	return file, nil
}

// MaxRead bounds what Read returns, in bytes: settings, certificates and a gateway are some kilobytes.
const MaxRead = 1 << 20

// Read returns what is in a file, unless that is more than MaxRead.
func Read(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, MaxRead+1))
	if err == nil && len(content) > MaxRead {
		err = fmt.Errorf("%s is larger than 1MiB", path)
	}
	return content, err
}

// SyncFolder makes the names in a folder outlast a power cut. Its error is ErrNotSynced too.
func SyncFolder(path string) error {
	dir, err := os.Open(path)
	if err == nil {
		err = errors.Join(dir.Sync(), dir.Close())
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotSynced, err)
	}
	return nil
}

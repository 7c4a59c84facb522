// Package folder brings files into a folder of the worker's disk. It never leads out of that folder, through links neither.
package folder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"syscall"
	"time"

	"trunkline/internal/delivery"
	"trunkline/internal/fault"
)

const (
	// Call records are nobody's business but the group's that reads them.
	fileMode   = 0o640
	folderMode = 0o750
)

// Settings are how a destination is reached.
type Settings struct {
	Folder string `json:"folder,omitempty" about:"Below TRUNKLINE_DELIVERY_DIR, for a domain's below the folder there that is called as its uuid; left out: that one."`
}

// Check refuses a folder that lies elsewhere. The error is a fault.InvalidRequest that names the parameter.
func (s Settings) Check() error {
	if err := delivery.CheckFolder(s.Folder); err != nil {
		return fault.Invalid("folder", "%w", err)
	}
	return nil
}

// Reached says where credentials are sent: there are none.
func (s Settings) Reached() string { return "" }

// Limits are what all destinations of one owner share.
type Limits struct {
	Bytes        int64  // how many bytes the files below the owner's folder may have together; 0: any
	MinFreeBytes uint64 // what has to be free on its file system besides
	Free         func(dir string) (uint64, error)
}

// Sender is a folder. It implements delivery.Sender.
type Sender struct {
	owner    *os.Root // the folder that the owner's destinations lie in
	settings Settings
	limits   Limits
}

// Open opens the folder, of which dir is what the owner's destinations lie in. What is missing is made.
func Open(dir string, s Settings, l Limits) (*Sender, error) {
	if err := os.MkdirAll(dir, folderMode); err != nil {
		return nil, refused(err)
	}
	owner, err := os.OpenRoot(dir)
	if err != nil {
		return nil, refused(err)
	}
	return &Sender{owner, s, l}, nil
}

// Close implements delivery.Sender.
func (s *Sender) Close() error { return s.owner.Close() }

// Deliver implements delivery.Sender.
func (s *Sender) Deliver(ctx context.Context, content delivery.Content) (delivery.Receipt, error) {
	if err := delivery.CheckName(content.Name); err != nil {
		return delivery.Receipt{}, fault.Errorf(fault.InvalidRequest, "%w", err)
	}
	name := path.Join(s.settings.Folder, content.Name)
	receipt := delivery.Receipt{Where: name}
	dir := path.Dir(name)
	if err := s.owner.MkdirAll(dir, folderMode); err != nil {
		return delivery.Receipt{}, refused(err)
	}
	folder, err := s.owner.OpenRoot(dir)
	if err != nil {
		return delivery.Receipt{}, refused(err)
	}
	defer folder.Close()
	f := file{folder: folder, name: path.Base(name), content: content}
	if receipt.There, err = f.there(ctx); err != nil || receipt.There {
		return receipt, err
	}
	if err := s.checkRoom(content.Bytes); err != nil {
		return delivery.Receipt{}, err
	}
	if err := f.write(ctx); err != nil {
		return delivery.Receipt{}, err
	}
	if receipt.There, err = f.take(ctx); err != nil {
		return delivery.Receipt{}, err
	}
	return receipt, nil
}

// Test implements delivery.Sender.
func (s *Sender) Test(context.Context) (delivery.Report, error) {
	dir := cmp.Or(s.settings.Folder, ".")
	if err := s.owner.MkdirAll(dir, folderMode); err != nil {
		return delivery.Report{}, refused(err)
	}
	if err := s.checkRoom(0); err != nil {
		return delivery.Report{}, err
	}
	probe := path.Join(dir, fmt.Sprintf(".%d%s", time.Now().UnixNano(), delivery.PartSuffix))
	file, err := s.owner.OpenFile(probe, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return delivery.Report{}, refused(err)
	}
	if err := errors.Join(file.Close(), s.owner.Remove(probe)); err != nil {
		return delivery.Report{}, refused(err)
	}
	return delivery.Report{At: time.Now().UTC(), Message: "a file was made in the folder and removed again"}, nil
}

// checkRoom refuses so many more bytes where they would be too many.
func (s *Sender) checkRoom(more int64) error {
	if s.limits.MinFreeBytes > 0 {
		free, err := s.limits.Free(s.owner.Name())
		if err != nil {
			return refused(err)
		}
		if free < s.limits.MinFreeBytes+uint64(more) {
			return &fault.Error{Code: fault.InsufficientStorage, Passes: true, Message: fmt.Sprintf(
				"the disk of the destination's folder has %d MB free, and with this file it would have less than TRUNKLINE_EXPORT_MIN_FREE_BYTES (%d MB); make room there", free/1e6, s.limits.MinFreeBytes/1e6)}
		}
	}
	if s.limits.Bytes == 0 {
		return nil
	}
	taken, err := s.taken()
	if err != nil {
		return refused(err)
	}
	if taken+more > s.limits.Bytes {
		return &fault.Error{Code: fault.InsufficientStorage, Passes: true, Message: fmt.Sprintf(
			"the files in this domain's folder have %d MB, and with this one they would have more than TRUNKLINE_DELIVERY_DOMAIN_BYTES (%d MB); remove old ones there", taken/1e6, s.limits.Bytes/1e6)}
	}
	return nil
}

// taken is how many bytes the files below the owner's folder have.
func (s *Sender) taken() (bytes int64, err error) {
	err = fs.WalkDir(s.owner.FS(), ".", func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // somebody has taken it away meanwhile
		}
		if err == nil && info.Mode().IsRegular() {
			bytes += info.Size()
		}
		return err
	})
	return bytes, err
}

// file is one that is on its way into a folder.
type file struct {
	folder  *os.Root
	name    string // without folders
	content delivery.Content
}

// there reports whether the file stands there already. Errors: a fault.Conflict if another one does.
func (f file) there(ctx context.Context) (bool, error) {
	info, err := f.folder.Lstat(f.name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, refused(err)
	}
	if !info.Mode().IsRegular() || info.Size() != f.content.Bytes {
		return false, delivery.Taken(f.content.Name)
	}
	standing, err := f.folder.Open(f.name)
	if err != nil {
		return false, refused(err)
	}
	defer standing.Close()
	same, err := f.content.Same(ctx, standing)
	if err != nil {
		return false, refused(err)
	}
	if !same {
		return false, delivery.Taken(f.content.Name)
	}
	if err := f.folder.Remove(f.part()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, refused(err)
	}
	return true, nil
}

func (f file) part() string { return f.content.PartName(f.name) }

// write writes the file under the name of its part. It is never cut, so that another attempt which is at the same part, and
// writes the same bytes, can give it its name at any time.
func (f file) write(ctx context.Context) (err error) {
	if info, err := f.folder.Lstat(f.part()); err == nil && !info.Mode().IsRegular() {
		return delivery.Taken(f.part())
	}
	part, err := f.folder.OpenFile(f.part(), os.O_WRONLY|os.O_CREATE, fileMode)
	if err != nil {
		return refused(err)
	}
	defer func() {
		if err = errors.Join(err, part.Close()); err != nil && ctx.Err() == nil {
			_ = f.folder.Remove(f.part()) // what stays of it is written anew by the next attempt
		}
	}()
	if err := f.content.CopyTo(ctx, part); err != nil {
		return refused(err)
	}
	if err := part.Sync(); err != nil {
		return refused(err)
	}
	return nil
}

// take gives the part the file's name, unless another file has it. It reports whether the same file had it.
func (f file) take(ctx context.Context) (there bool, err error) {
	err = rename(f.folder, f.part(), f.name)
	switch {
	case errors.Is(err, fs.ErrExist), errors.Is(err, fs.ErrNotExist): // by then, or another attempt was at the same part
		there, err = f.there(ctx)
		if err == nil && !there {
			err = &fault.Error{Code: fault.ServerError, Passes: true, Message: "somebody has taken the file away while it was on its way into the folder"}
		}
		return there, err
	case err != nil:
		return false, refused(err)
	}
	return false, nil
}

// rename gives a file of the folder another name that no file has, for good.
func rename(folder *os.Root, from, to string) error {
	dir, err := folder.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := renameNoReplace(folder, dir, from, to); err != nil {
		return err
	}
	return dir.Sync()
}

// link gives a file a second name, and takes the first away.
func link(folder *os.Root, from, to string) error {
	if err := folder.Link(from, to); err != nil {
		return err
	}
	return folder.Remove(from)
}

// refused says what the system does not let be done. What is a fault stays as it is.
func refused(err error) error {
	if _, worded := errors.AsType[*fault.Error](err); worded {
		return err
	}
	f := &fault.Error{Code: fault.Unavailable, Passes: true, Cause: err}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		f.Code, f.Message = fault.InsufficientStorage, "there is no room for the file in the destination's folder; make room there, or raise the quota, or the limit on the size of files (ulimit -f)"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		f.Code, f.Message = fault.DeliveryRefused, "the destination's folder cannot be written to; give it to the user that runs the worker"
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrExist):
		f.Code, f.Passes, f.Message = fault.Conflict, false, "where a folder of the name is to be stands a file; choose another name or folder"
	default:
		f.Message = "the destination's folder cannot be used, and the log has the reason"
	}
	return f
}

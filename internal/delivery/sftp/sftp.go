// Package sftp brings files to servers that speak SFTP. A server shows the key that is pinned, or nothing is sent to it.
package sftp

import (
	"context"
	"errors"
	"os"
	"path"
	"strconv"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"trunkline/internal/delivery"
	"trunkline/internal/delivery/dial"
	"trunkline/internal/fault"
)

// Sender is a server. It implements delivery.Sender.
type Sender struct {
	guard       dial.Guard
	settings    Settings
	credentials Credentials
}

// New returns a sender, which connects when it is used.
func New(guard dial.Guard, s Settings, c Credentials) *Sender { return &Sender{guard, s, c} }

// Close implements delivery.Sender.
func (*Sender) Close() error { return nil }

// Deliver implements delivery.Sender.
func (s *Sender) Deliver(ctx context.Context, content delivery.Content) (delivery.Receipt, error) {
	if err := delivery.CheckName(content.Name); err != nil {
		return delivery.Receipt{}, fault.Errorf(fault.InvalidRequest, "%w", err)
	}
	if s.settings.HostKey == "" {
		return delivery.Receipt{}, fault.Errorf(fault.DeliveryRefused,
			"no key of the server is pinned, so that it cannot be told from another one: test the destination, which pins it, and send this again")
	}
	server, err := connect(ctx, s.guard, s.settings, s.credentials, func(ssh.PublicKey) {})
	if err != nil {
		return delivery.Receipt{}, failed(ctx, s.settings, "logging in", err)
	}
	f := file{server: server, settings: s.settings, content: content, path: s.settings.in(content.Name)}
	there, err := f.bring(ctx)
	closing := server.Close()
	if err != nil {
		return delivery.Receipt{}, errors.Join(err, closing)
	}
	return delivery.Receipt{Where: s.settings.Reached() + ":" + f.path, There: there}, nil
}

// Test implements delivery.Sender. While no key is pinned it finds out that of the server and sends no credentials.
func (s *Sender) Test(ctx context.Context) (delivery.Report, error) {
	var key ssh.PublicKey
	server, err := connect(ctx, s.guard, s.settings, s.credentials, func(k ssh.PublicKey) { key = k })
	if errors.Is(err, errUnpinned) {
		return delivery.Report{
			At: time.Now().UTC(), HostKey: keyText(key),
			Message: "the server was reached and shows the key " + ssh.FingerprintSHA256(key) + "; nothing was sent to it, since no key is pinned: compare this one with what its owner says, and pin it",
		}, nil
	}
	if err != nil {
		return delivery.Report{}, failed(ctx, s.settings, "logging in", err)
	}
	err = s.probe(ctx, server)
	closing := server.Close()
	if err != nil {
		return delivery.Report{}, errors.Join(err, closing)
	}
	return delivery.Report{
		At: time.Now().UTC(), HostKey: keyText(key),
		Message: "the server, whose key is " + ssh.FingerprintSHA256(key) + ", let us log in; a file was made in the folder and taken away again",
	}, nil
}

// probe makes a file and takes it away.
func (s *Sender) probe(ctx context.Context, server *connection) error {
	f := file{server: server, settings: s.settings, path: s.settings.in("." + strconv.FormatInt(time.Now().UnixNano(), 10) + delivery.PartSuffix)}
	if err := f.makeFolder(ctx); err != nil {
		return err
	}
	made, err := server.OpenFile(f.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err == nil {
		err = errors.Join(made.Close(), server.Remove(f.path))
	}
	return failed(ctx, s.settings, "to write into the folder", err)
}

// keyText is a key as settings have it.
func keyText(key ssh.PublicKey) string {
	text := string(ssh.MarshalAuthorizedKey(key))
	return text[:len(text)-1] // without the line's end
}

// file is one on its way to a server.
type file struct {
	server   *connection
	settings Settings
	content  delivery.Content
	path     string // at the server
}

// bring has the file at the server, and reports whether it was there already.
func (f file) bring(ctx context.Context) (there bool, err error) {
	if there, err := f.there(ctx); err != nil || there {
		return there, err
	}
	if err := f.makeFolder(ctx); err != nil {
		return false, err
	}
	if err := f.write(ctx); err != nil {
		return false, err
	}
	return f.take(ctx)
}

func (f file) part() string {
	return path.Join(path.Dir(f.path), f.content.PartName(path.Base(f.path)))
}

// there reports whether the file stands there already. Errors: a fault.Conflict if another one does.
func (f file) there(ctx context.Context) (bool, error) {
	const doing = "to look at the file"
	info, err := f.server.Lstat(f.path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, failed(ctx, f.settings, doing, err)
	}
	if !info.Mode().IsRegular() || info.Size() != f.content.Bytes {
		return false, delivery.Taken(f.content.Name)
	}
	standing, err := f.server.Open(f.path)
	if err != nil {
		return false, failed(ctx, f.settings, doing, err)
	}
	same, err := f.content.Same(ctx, standing)
	if err = errors.Join(err, standing.Close()); err != nil {
		return false, failed(ctx, f.settings, doing, err)
	}
	if !same {
		return false, delivery.Taken(f.content.Name)
	}
	if err := f.server.Remove(f.part()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, failed(ctx, f.settings, "to take away what an earlier attempt has left", err)
	}
	return true, nil
}

// makeFolder makes the folders of the file that are missing: those that its name has, and the destination's own if that is asked
// for, since one that is missing may be a mistake in its name.
func (f file) makeFolder(ctx context.Context) error {
	folder, own := path.Dir(f.path), path.Clean(f.settings.Folder)
	if there, err := f.isFolder(ctx, folder); err != nil || there {
		return err
	}
	if !f.settings.MakeFolders {
		there, err := f.isFolder(ctx, own)
		if err != nil {
			return err
		}
		if !there {
			return fault.Errorf(fault.DeliveryRefused, "there is no folder %s at the server; make it, or set make_folders=true", own)
		}
	}
	return failed(ctx, f.settings, "to make the folder "+folder, f.server.MkdirAll(folder))
}

// isFolder reports whether the server has that folder. Errors: a fault.Conflict if a file stands there.
func (f file) isFolder(ctx context.Context, folder string) (bool, error) {
	if folder == "." || folder == "/" {
		return true, nil
	}
	info, err := f.server.Stat(folder)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return false, nil
	case err != nil:
		return false, failed(ctx, f.settings, "to look at the folder", err)
	case !info.IsDir():
		return false, fault.Errorf(fault.Conflict, "at the server stands a file where the folder %s is to be; choose another name or folder", folder)
	}
	return true, nil
}

// write writes the file under the name of its part, and has it on the server's disk. It is never cut, so that another attempt
// which is at the same part, and writes the same bytes, can give it its name at any time.
func (f file) write(ctx context.Context) error {
	const doing = "to write the file"
	part, err := f.server.OpenFile(f.part(), os.O_WRONLY|os.O_CREATE)
	if err != nil {
		return failed(ctx, f.settings, doing, err)
	}
	err = f.send(ctx, part)
	if _, synced := f.server.HasExtension(fsyncAs); synced && err == nil {
		err = part.Sync()
	}
	if err = errors.Join(err, part.Close()); err != nil {
		return failed(ctx, f.settings, doing, err)
	}
	info, err := f.server.Lstat(f.part())
	if errors.Is(err, os.ErrNotExist) {
		return nil // another attempt has given it its name
	}
	if err != nil {
		return failed(ctx, f.settings, doing, err)
	}
	if info.Size() != f.content.Bytes || !info.Mode().IsRegular() {
		_ = f.server.Remove(f.part())
		return &fault.Error{Code: fault.Unavailable, Passes: true, Message: "the server does not have what was written to it; the file is sent anew"}
	}
	return nil
}

// send sends the content.
func (f file) send(ctx context.Context, part *sftp.File) (err error) {
	reading, err := f.content.Read(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reading.Close()) }()
	if _, err := part.ReadFromWithConcurrency(reading, 0); err != nil {
		return err
	}
	return reading.Check()
}

// take gives the part the file's name, unless another file has it. It reports whether the same file had it.
func (f file) take(ctx context.Context) (there bool, err error) {
	renamed := f.server.Rename(f.part(), f.path)
	if renamed == nil {
		return false, nil
	}
	// Servers say in many ways that the name is taken, by another attempt or by somebody else.
	if there, err := f.there(ctx); err != nil || there {
		return there, err
	}
	if errors.Is(renamed, os.ErrNotExist) {
		return false, &fault.Error{Code: fault.Unavailable, Passes: true, Cause: renamed, Message: "at the server somebody has taken the file away before it had its name; it is sent anew"}
	}
	return false, failed(ctx, f.settings, "to rename the file once it was sent", renamed)
}

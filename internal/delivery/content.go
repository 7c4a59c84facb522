package delivery

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"

	"trunkline/internal/fault"
)

// PartSuffix ends the name of a file that is on its way; a dot begins it.
const PartSuffix = ".part"

// PartName is what a file called so, without folders, is called beside its place while it is on its way. No content of other
// bytes has the same one.
func (c Content) PartName(base string) string { return "." + base + "." + c.SHA256[:16] + PartSuffix }

// Taken says that another file has the name.
func Taken(name string) *fault.Error {
	return fault.Errorf(fault.Conflict, "another file is called %s at the destination already, and nothing replaces it; take it away or deliver under another name, then send this again", name)
}

// Reading is the content being read once. Somebody should close it.
type Reading struct {
	ctx    context.Context
	of     Content
	file   io.ReadSeekCloser
	sum    hash.Hash
	read   int64
	failed error // of our own file: nothing of the destination's
}

// Read opens the content. What it reads is no longer read when ctx ends.
func (c Content) Read(ctx context.Context) (*Reading, error) {
	file, err := c.Open(ctx)
	if _, worded := errors.AsType[*fault.Error](err); err != nil && !worded {
		return nil, &fault.Error{Code: fault.ServerError, Passes: true, Cause: err, Message: "the export's own file cannot be opened, and the log has the reason"}
	}
	if err != nil {
		return nil, err
	}
	return &Reading{ctx: ctx, of: c, file: file, sum: sha256.New()}, nil
}

// Close implements io.Closer.
func (r *Reading) Close() error { return r.file.Close() }

// Read implements io.Reader.
func (r *Reading) Read(into []byte) (int, error) {
	if err := context.Cause(r.ctx); err != nil {
		r.failed = err
		return 0, err
	}
	n, err := r.file.Read(into)
	r.sum.Write(into[:n])
	r.read += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		r.failed = fault.Errorf(fault.ServerError, "the export's own file cannot be read, and the log has the reason: %w", err)
		return n, r.failed
	}
	return n, err
}

// Check says, once all was read, what is wrong with our own file: it is not to get its name at the destination then.
func (r *Reading) Check() error {
	switch {
	case r.failed != nil:
		return r.failed
	case r.read != r.of.Bytes || hex.EncodeToString(r.sum.Sum(nil)) != r.of.SHA256:
		return fault.Errorf(fault.ServerError, "the export's file is not as it was written: it is not delivered; export again")
	}
	return nil
}

// copyBuffer is how many bytes are read at a time.
const copyBuffer = 256 << 10

// CopyTo writes all of the content. An error of our own file is a *fault.Error, and one of w what it was.
func (c Content) CopyTo(ctx context.Context, w io.Writer) (err error) {
	reading, err := c.Read(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reading.Close()) }()
	if _, err := io.CopyBuffer(struct{ io.Writer }{w}, reading, make([]byte, copyBuffer)); err != nil {
		return err
	}
	return reading.Check()
}

// Same reports whether what is read has the content's bytes.
func (c Content) Same(ctx context.Context, standing io.Reader) (bool, error) {
	sum := sha256.New()
	buffer := make([]byte, copyBuffer)
	for n := int64(0); n <= c.Bytes; {
		if err := context.Cause(ctx); err != nil {
			return false, err
		}
		m, err := standing.Read(buffer)
		sum.Write(buffer[:m])
		n += int64(m)
		if errors.Is(err, io.EOF) {
			return n == c.Bytes && hex.EncodeToString(sum.Sum(nil)) == c.SHA256, nil
		}
		if err != nil {
			return false, err
		}
	}
	return false, nil // it is longer
}

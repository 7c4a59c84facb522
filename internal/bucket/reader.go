package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/minio/minio-go/v7"

	"trunkline/internal/fault"
)

const (
	// readTries is how often in a row a file is read on where a connection broke off or stood still, with less than readsOn
	// bytes in between.
	readTries = 3
	readsOn   = 1 << 20
)

// reader reads a file from where it is asked to. Of a file that is replaced meanwhile it reads no byte more.
type reader struct {
	from   func(offset int64) (io.ReadCloser, error)
	size   int64
	offset int64
	body   io.ReadCloser // of what stands from offset on; nil: not asked for yet
	tries  int
	since  int64 // offset of the last failure
}

// Open opens a file for reading, until ctx ends. Nothing but its size is asked for before it is read. Errors: fs.ErrNotExist.
func (b *Bucket) Open(ctx context.Context, name string) (io.ReadSeekCloser, Object, error) {
	object, err := b.Stat(ctx, name)
	if err != nil {
		return nil, Object{}, err
	}
	from := func(offset int64) (io.ReadCloser, error) {
		var o minio.GetObjectOptions
		if offset > 0 {
			if err := o.SetRange(offset, 0); err != nil {
				return nil, err
			}
		}
		if object.ETag != "" {
			if err := o.SetMatchETag(object.ETag); err != nil {
				return nil, err
			}
		}
		body, info, header, err := b.core.GetObject(asking(ctx, &wanted{file: true}), b.location.Bucket, b.location.Prefix+name, o)
		switch {
		case exists(err):
			return nil, fault.Errorf(fault.Gone, "%s was replaced while it was read", b.location.In(name))
		case err != nil:
			return nil, b.explain(ctx, err, rightGet)
		case offset > 0 && header.Get("Content-Range") == "" || info.ETag != object.ETag:
			return nil, errors.Join(fault.Errorf(fault.ServerError, "%s: the server sends another part of the file than it was asked for", b.location.In(name)), body.Close())
		}
		return body, nil
	}
	return &reader{from: from, size: object.Bytes}, object, nil
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	if r.offset >= r.size {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	for {
		if r.body == nil {
			var err error
			if r.body, err = r.from(r.offset); err != nil {
				return 0, err
			}
		}
		n, err := r.body.Read(p[:min(int64(len(p)), r.size-r.offset)])
		if n > 0 {
			if r.offset += int64(n); r.offset-r.since >= readsOn {
				r.tries = 0
			}
			return n, nil // an error comes again, if there is more to read
		}
		if err == nil {
			continue
		}
		if err == io.EOF { // before its end
			err = io.ErrUnexpectedEOF
		}
		_ = r.drop()
		r.since = r.offset
		if r.tries++; r.tries >= readTries {
			return 0, fmt.Errorf("reading at byte %d: %w", r.offset, err)
		}
	}
}

// Seek implements io.Seeker.
func (r *reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.offset
	case io.SeekEnd:
		offset += r.size
	}
	if offset < 0 {
		return 0, errors.New("seeking before the beginning of a file")
	}
	if offset != r.offset {
		_ = r.drop()
		r.offset, r.since = offset, offset
	}
	return offset, nil
}

// Close implements io.Closer.
func (r *reader) Close() error { return r.drop() }

func (r *reader) drop() error {
	body := r.body
	if r.body = nil; body == nil {
		return nil
	}
	if err := body.Close(); err != nil && !errors.Is(err, http.ErrBodyReadAfterClose) {
		return err
	}
	return nil
}

package bucket

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"time"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sync/errgroup"

	"trunkline/internal/fault"
)

const (
	// putPart is how many bytes a part of a file has; one that is not larger is put at once.
	putPart = LeastPart
	// largestPut is what a part of the largest file has.
	largestPut = 64 << 20
	// putsAtOnce is how many parts of one file are sent at a time. So many and one more are in memory, of each file that is put.
	putsAtOnce = 2
	// partUnit is what parts are a multiple of.
	partUnit = 1 << 20
	// abortTimeout bounds the removal of what was sent, after all else has ended.
	abortTimeout = 10 * time.Second
)

// Content is a file that is put.
type Content struct {
	Bytes  int64
	SHA256 string // of all of it, in hex
	Open   func(context.Context) (io.ReadCloser, error)
}

// Put has the file in the bucket under that name, whole, or not at all. It never replaces another: with the same bytes it is
// there already, with others that is a fault.Conflict.
func (b *Bucket) Put(ctx context.Context, name string, c Content) (there bool, err error) {
	if _, err := b.key(name); err != nil {
		return false, err
	}
	if c.Bytes > MaxParts*largestPut {
		return false, refused("%s: a file of more than %d GiB cannot be put; export less, or packed", b.location.In(name), MaxParts*largestPut>>30)
	}
	if there, err = b.putUnlessThere(ctx, name, c); err == nil && c.Bytes > putPart {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
		defer cancel()
		// Those of attempts that crashed. That they are removed is not worth an error of a file that is there.
		_ = b.AbortUploads(ending, name)
	}
	return there, err
}

func (b *Bucket) putUnlessThere(ctx context.Context, name string, c Content) (there bool, err error) {
	if there, err := b.look(ctx, name, c); there || err != nil {
		return there, err
	}
	mark, sure, err := b.put(ctx, name, c)
	switch {
	case exists(err): // since then: by somebody else, or by us, and the answer was lost
		if _, err := b.Stat(ctx, name); denied(err) {
			return false, fault.Errorf(fault.Conflict, "%s: there is a file of that name, and the key may not do %s to compare it; move it away, allow that, or give this one another name", b.location.In(name), rightGet)
		}
		there, err := b.look(ctx, name, c)
		if !there && err == nil {
			err = passing(nil, "%s: the server says that there is such a file, and then that there is none; it is tried again", b.location.In(name))
		}
		return false, err
	case err == nil && !sure:
		err = b.readBack(ctx, name, mark, c)
	}
	return false, err
}

// look reports whether the file is there, with the same bytes. Where the key may not look, Amazon's servers do so as they write.
func (b *Bucket) look(ctx context.Context, name string, c Content) (there bool, err error) {
	object, err := b.Stat(ctx, name)
	switch {
	case errors.Is(err, fs.ErrNotExist), denied(err) && b.location.amazon():
		return false, nil
	case err != nil:
		return false, err
	case object.Bytes == c.Bytes:
		same, err := b.same(ctx, name, c)
		if same || err != nil {
			return same, err
		}
	}
	return false, fault.Errorf(fault.Conflict, "%s: there is a file of that name with other bytes, and it is not replaced; move it away, or give this one another name", b.location.In(name))
}

// same reads the file and compares its hash.
func (b *Bucket) same(ctx context.Context, name string, c Content) (bool, error) {
	file, _, err := b.Open(ctx, name)
	if err != nil {
		return false, err
	}
	defer file.Close()
	of := sha256.New()
	if _, err := io.Copy(of, file); err != nil {
		return false, b.explain(ctx, err, rightGet)
	}
	return hex.EncodeToString(of.Sum(nil)) == c.SHA256, nil
}

// readBack removes what is not what was put, if nobody else has put it since.
func (b *Bucket) readBack(ctx context.Context, name, mark string, c Content) error {
	same, err := b.same(ctx, name, c)
	if same || err != nil {
		return err
	}
	return errors.Join(b.damaged(name), b.deleteOurs(ctx, name, mark))
}

// deleteOurs deletes the file that has that mark.
func (b *Bucket) deleteOurs(ctx context.Context, name, mark string) error {
	object, err := b.Stat(ctx, name)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && object.put != mark:
		return nil
	case err != nil:
		return err
	}
	return b.Delete(ctx, name)
}

// put puts a file that is not there, with that mark; sure as Upload.Complete has it.
func (b *Bucket) put(ctx context.Context, name string, c Content) (mark string, sure bool, err error) {
	file, err := c.Open(ctx)
	if err != nil {
		return "", false, fmt.Errorf("opening what is put: %w", err)
	}
	defer file.Close()
	if c.Bytes <= putPart {
		content := make([]byte, c.Bytes)
		h := &hashed{from: file, hash: sha256.New()}
		if _, err := io.ReadFull(h, content); err != nil {
			return "", false, fmt.Errorf("reading what is put: %w", err)
		}
		if err := h.check(c); err != nil {
			return "", false, err
		}
		mark := rand.Text()
		sure, err := b.putAtOnce(ctx, name, mark, content, true)
		return mark, sure, err
	}
	return b.putParts(ctx, name, &hashed{from: file, hash: sha256.New()}, c)
}

// hashed hashes what is read.
type hashed struct {
	from io.Reader
	hash hash.Hash
}

// Read implements io.Reader.
func (h *hashed) Read(p []byte) (int, error) {
	n, err := h.from.Read(p)
	h.hash.Write(p[:n])
	return n, err
}

// check says if what was read is not what was to be put.
func (h *hashed) check(c Content) error {
	if got := hex.EncodeToString(h.hash.Sum(nil)); got != c.SHA256 {
		return fault.Errorf(fault.ServerError, "the file has another SHA-256 than its record (%s, not %s), and is not put anywhere; export it again", got, c.SHA256)
	}
	return nil
}

// Write has a small file under that name, in place of an older one.
func (b *Bucket) Write(ctx context.Context, name string, content []byte) error {
	mark := rand.Text()
	sure, err := b.putAtOnce(ctx, name, mark, content, false)
	if err != nil || sure {
		return err
	}
	of := sha256.Sum256(content)
	return b.readBack(ctx, name, mark, Content{SHA256: hex.EncodeToString(of[:])})
}

func (b *Bucket) putAtOnce(ctx context.Context, name, mark string, content []byte, anew bool) (sure bool, err error) {
	key, err := b.key(name)
	if err != nil {
		return false, err
	}
	body := bytes.NewReader(content)
	sum, sum256, err := b.sums(body, int64(len(content)))
	if err != nil {
		return false, err
	}
	var answer wanted
	var has bool
	err = b.conditionally(anew, func(o minio.PutObjectOptions) error {
		o.DisableContentSha256, o.UserMetadata = true, map[string]string{putMark: mark}
		made, err := b.core.PutObject(asking(ctx, &answer), b.location.Bucket, key, body, int64(len(content)), base64.StdEncoding.EncodeToString(sum[:]), sum256, o)
		has, sure = received(sum, made.ETag, answer.header)
		return b.explain(ctx, err, rightPut)
	})
	if err == nil && !has {
		return false, errors.Join(b.damaged(name), b.deleteOurs(ctx, name, mark))
	}
	return sure, err
}

// conditionally writes only where no file is, if the server knows how to.
func (b *Bucket) conditionally(anew bool, write func(minio.PutObjectOptions) error) error {
	var o minio.PutObjectOptions
	if !anew || b.unconditional.Load() {
		return write(o)
	}
	o.SetMatchETagExcept("*")
	err := write(o)
	if knowsNoConditions(err) {
		b.unconditional.Store(true)
		return write(minio.PutObjectOptions{})
	}
	return err
}

// putParts puts a file that is too large to be put at once.
func (b *Bucket) putParts(ctx context.Context, name string, from *hashed, c Content) (mark string, sure bool, err error) {
	u, err := b.Begin(ctx, name)
	if err != nil {
		return "", false, err
	}
	if err = u.putAll(ctx, from, c); err == nil {
		err = b.conditionally(true, func(o minio.PutObjectOptions) error {
			sure, err = u.complete(ctx, o)
			return err
		})
	}
	if err != nil {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
		defer cancel()
		_ = u.Abort(ending) // whoever completes the file removes it, or a rule of the bucket
		return "", false, err
	}
	return u.mark, sure, nil
}

// putAll sends all parts.
func (u *Upload) putAll(ctx context.Context, from *hashed, c Content) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	size := max(putPart, (c.Bytes/MaxParts/partUnit+1)*partUnit)
	group, sending := errgroup.WithContext(ctx)
	group.SetLimit(putsAtOnce)
	buffers := make(chan []byte, putsAtOnce+1)
	for range cap(buffers) {
		buffers <- nil
	}
	for number, left := 1, c.Bytes; left > 0 && sending.Err() == nil; number++ {
		buffer := <-buffers
		if buffer == nil {
			buffer = make([]byte, min(size, left))
		}
		part := buffer[:min(size, left)]
		if _, err := io.ReadFull(from, part); err != nil {
			stop()
			_ = group.Wait()
			return fmt.Errorf("reading what is put: %w", err)
		}
		left -= int64(len(part))
		group.Go(func() error {
			defer func() { buffers <- buffer }()
			return u.Put(sending, number, bytes.NewReader(part), int64(len(part)))
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return from.check(c)
}

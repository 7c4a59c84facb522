package cdr

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"trunkline/internal/bucket"
)

const (
	// uploadRetention is how long what an upload has sent is kept that nobody ended: longer than an attempt lasts.
	uploadRetention = 3 * 24 * time.Hour
	// markBytes is more than a mark has.
	markBytes = 1 << 10
)

// Bucket is a Store in a bucket of S3, so that front ends and workers need share no disk. What is written is spooled in a
// folder, which each host has its own of, and sent meanwhile; it gets its name when all of it is there and was compared.
type Bucket struct {
	Files *bucket.Bucket
	Spool Folder
}

// Close implements io.Closer.
func (b Bucket) Close() error {
	b.Files.Close()
	return nil
}

// Create implements Store. What an earlier attempt has left in another host's spool is not there for this one.
func (b Bucket) Create(ctx context.Context, name string, attempt int, paused func(bool, string)) (Part, error) {
	if err := os.MkdirAll(b.Spool.Dir, folderMode); err != nil {
		return nil, fmt.Errorf("TRUNKLINE_EXPORT_DIR: %w; make the folder, and give it to the user that runs trunkline", err)
	}
	part, err := b.Spool.create(name, attempt, paused)
	if err != nil {
		return nil, err
	}
	upload, err := b.Files.Begin(ctx, name)
	if err != nil {
		return nil, errors.Join(err, part.Discard())
	}
	return newBucketPart(ctx, b.Files, part, upload), nil
}

// Open implements Store.
func (b Bucket) Open(ctx context.Context, name string) (io.ReadSeekCloser, int64, error) {
	if err := checkName(name); err != nil {
		return nil, 0, err
	}
	file, object, err := b.Files.Open(ctx, name)
	return file, object.Bytes, err
}

// Manifest implements Store.
func (b Bucket) Manifest(ctx context.Context, name string) ([]byte, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	return readSmall(ctx, b.Files, name+manifestSuffix, manifestBytes)
}

// Link implements Linker.
func (b Bucket) Link(ctx context.Context, name string, life time.Duration, headers map[string]string) (string, error) {
	if err := checkName(name); err != nil {
		return "", err
	}
	return b.Files.Link(ctx, name, life, headers)
}

// RemoveParts implements Store: in this host's spool, and what was sent from any.
func (b Bucket) RemoveParts(ctx context.Context, name string, attempt int) error {
	if attempt <= 1 {
		return nil
	}
	return errors.Join(b.Spool.removeParts(name, attempt), b.Files.AbortUploads(ctx, name))
}

// Prune implements Store, of this host's spool too.
func (b Bucket) Prune(ctx context.Context, before time.Time) error {
	failed := []error{b.Spool.Prune(ctx, before), b.Files.AbortOld(ctx, time.Now().Add(-uploadRetention), isExportFile)}
	for object, err := range b.Files.List(ctx, "") {
		if err != nil {
			failed = append(failed, err)
			break
		}
		if isExportFile(object.Name) && object.Modified.Before(before) {
			failed = append(failed, b.Files.Delete(ctx, object.Name))
		}
	}
	return errors.Join(failed...)
}

// Mark implements Store, and sees whether the spool can be written.
func (b Bucket) Mark(ctx context.Context, mark string) error {
	if err := b.Spool.Mark(ctx, mark); err != nil {
		return err
	}
	if err := b.Files.Write(ctx, markFile, []byte(mark)); err != nil {
		return fmt.Errorf("TRUNKLINE_EXPORT_STORE: %w", err)
	}
	return nil
}

// CheckMark implements Store.
func (b Bucket) CheckMark(ctx context.Context, mark string) error {
	content, err := readSmall(ctx, b.Files, markFile, markBytes)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && string(content) != mark:
		return fmt.Errorf("TRUNKLINE_EXPORT_STORE: %s is not where the worker which started last writes to; give api and workers the same one", b.Files.Location())
	case err != nil:
		return fmt.Errorf("TRUNKLINE_EXPORT_STORE: %w", err)
	}
	return nil
}

// readSmall reads a file, no more than so many bytes of it.
func readSmall(ctx context.Context, files *bucket.Bucket, name string, most int64) ([]byte, error) {
	file, _, err := files.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, most))
}

package bucket

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
)

// Object is a file that is there.
type Object struct {
	Name     string // below the prefix
	Bytes    int64
	ETag     string
	Modified time.Time

	put string // the mark of what put it, if that was one of us and not List says so
}

// putMark is what is written beside a file, by which whoever put it knows it again.
const putMark = "Trunkline-Upload"

func (b *Bucket) object(name string, info minio.ObjectInfo) Object {
	return Object{Name: name, Bytes: info.Size, ETag: info.ETag, Modified: info.LastModified, put: info.UserMetadata[putMark]}
}

// Stat looks at a file. Errors: fs.ErrNotExist.
func (b *Bucket) Stat(ctx context.Context, name string) (Object, error) {
	key, err := b.key(name)
	if err != nil {
		return Object{}, err
	}
	info, err := b.core.StatObject(ctx, b.location.Bucket, key, minio.StatObjectOptions{})
	said, answered := errors.AsType[minio.ErrorResponse](err)
	switch {
	case err == nil:
		return b.object(name, info), nil
	case answered && said.StatusCode != http.StatusNotFound && said.StatusCode != statusStoodStill:
		// An answer to HEAD has no room for the reason.
		body, _, _, reason := b.core.GetObject(ctx, b.location.Bucket, key, minio.GetObjectOptions{})
		if reason != nil {
			err = reason
		} else {
			_ = body.Close()
		}
	}
	return Object{}, b.explain(ctx, err, rightGet)
}

// List is the files whose names begin with a prefix, in folders below too, in the order of their names. It ends with the first
// error.
func (b *Bucket) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		for info := range b.core.ListObjectsIter(ctx, b.location.Bucket, minio.ListObjectsOptions{Prefix: b.location.Prefix + prefix, Recursive: true}) {
			if info.Err != nil {
				yield(Object{}, b.explain(ctx, info.Err, rightList))
				return
			}
			name, below := strings.CutPrefix(info.Key, b.location.Prefix)
			if !below || checkKey(info.Key) != nil {
				continue // a name that we would never have made
			}
			if !yield(b.object(name, info), nil) {
				return
			}
		}
	}
}

// Delete removes a file; one that is not there is none the worse.
func (b *Bucket) Delete(ctx context.Context, name string) error {
	key, err := b.key(name)
	if err != nil {
		return err
	}
	err = b.explain(ctx, b.core.RemoveObject(ctx, b.location.Bucket, key, minio.RemoveObjectOptions{}), rightDelete)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Link is a URL by which anybody gets the file for that long. The answer's headers are as it says, by their names in small
// letters: content-type, content-disposition, cache-control.
func (b *Bucket) Link(ctx context.Context, name string, life time.Duration, headers map[string]string) (string, error) {
	key, err := b.key(name)
	if err != nil {
		return "", err
	}
	query := url.Values{}
	for header, value := range headers {
		query.Set("response-"+header, value)
	}
	link, err := b.core.PresignedGetObject(ctx, b.location.Bucket, key, life, query)
	if err != nil {
		return "", b.explain(ctx, err, rightGet)
	}
	return link.String(), nil
}

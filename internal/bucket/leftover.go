package bucket

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/minio/minio-go/v7"
)

// uploadsAtOnce is how many uploads a server lists at once.
const uploadsAtOnce = 1000

// AbortOthers removes what other uploads of the same file have sent, of attempts that crashed among them: none of them can be
// completed any more.
func (u *Upload) AbortOthers(ctx context.Context) error {
	return u.b.abortUploads(ctx, u.name, func(key string, other minio.ObjectMultipartInfo) bool {
		return other.Key == key && other.UploadID != u.id
	})
}

// AbortUploads removes what uploads of a file have sent.
func (b *Bucket) AbortUploads(ctx context.Context, name string) error {
	return b.abortUploads(ctx, name, func(key string, other minio.ObjectMultipartInfo) bool { return other.Key == key })
}

// AbortOld removes what uploads have sent that were begun before the given time, of all files whose names ours says that it
// may.
func (b *Bucket) AbortOld(ctx context.Context, before time.Time, ours func(name string) bool) error {
	return b.abortUploads(ctx, "", func(prefix string, other minio.ObjectMultipartInfo) bool {
		return len(other.Key) > len(prefix) && ours(other.Key[len(prefix):]) && other.Initiated.Before(before)
	})
}

// abortUploads aborts those of the keys that begin with the name's which meant says are meant.
func (b *Bucket) abortUploads(ctx context.Context, name string, meant func(key string, other minio.ObjectMultipartInfo) bool) error {
	key := b.location.Prefix + name
	var failed []error
	for keyMarker, idMarker := "", ""; ; {
		page, err := b.core.ListMultipartUploads(ctx, b.location.Bucket, key, keyMarker, idMarker, "", uploadsAtOnce)
		if err = b.explain(ctx, err, rightListUploads); errors.Is(err, fs.ErrNotExist) {
			return errors.Join(failed...) // as some say that there is none
		}
		if err != nil {
			return errors.Join(append(failed, err)...)
		}
		for _, other := range page.Uploads {
			if meant(key, other) {
				failed = append(failed, b.abort(ctx, other.Key, other.UploadID))
			}
		}
		if !page.IsTruncated || page.NextKeyMarker == keyMarker && page.NextUploadIDMarker == idMarker {
			return errors.Join(failed...)
		}
		keyMarker, idMarker = page.NextKeyMarker, page.NextUploadIDMarker
	}
}

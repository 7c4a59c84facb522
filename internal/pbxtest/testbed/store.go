package testbed

import (
	"testing"
	"time"

	"trunkline/internal/bucket"
	"trunkline/internal/cdr"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/servers"
)

// ExportPrefix is where the export files of a bucket store are.
const ExportPrefix = "exports/"

// BucketStore is an export store in the bucket of that name, by a server at that URL, with its spool in the folder dir.
func BucketStore(t testing.TB, server, name, dir string) cdr.Bucket {
	t.Helper()
	return BucketStoreWithin(t, server, name, dir, 0)
}

// BucketStoreWithin is BucketStore with a server that may stand still for that long, as [bucket.Options] says.
func BucketStoreWithin(t testing.TB, server, name, dir string, stall time.Duration) cdr.Bucket {
	t.Helper()
	location, err := bucket.Parse(pbxtest.BucketURL(server, name, ExportPrefix))
	pbxtest.Must(t, err)
	files, err := bucket.Open(location, bucket.Options{AccessKey: servers.S3AccessKey, SecretKey: servers.S3SecretKey, Stall: stall})
	pbxtest.Must(t, err)
	t.Cleanup(files.Close)
	return cdr.Bucket{Files: files, Spool: cdr.Folder{Dir: dir}}
}

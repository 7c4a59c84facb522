package testbed

import (
	"testing"

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
	location, err := bucket.Parse(pbxtest.BucketURL(server, name, ExportPrefix))
	pbxtest.Must(t, err)
	files, err := bucket.Open(location, bucket.Options{AccessKey: servers.S3AccessKey, SecretKey: servers.S3SecretKey})
	pbxtest.Must(t, err)
	t.Cleanup(files.Close)
	return cdr.Bucket{Files: files, Spool: cdr.Folder{Dir: dir}}
}

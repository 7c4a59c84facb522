package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"

	"trunkline/internal/pbxtest/servers"
)

// benchBucket is where the exports of a worker with a bucket are.
const benchBucket = "calls"

// bucketStore compares exports whose store is a bucket of S3 with those whose store is the folder, with the index. The server
// of S3 is on the same machine and takes its part of the processors.
func (b *bench) bucketStore(ctx context.Context) (err error) {
	if err := b.withIndex(ctx); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(b.Dir, "s3-")
	if err != nil {
		return err
	}
	s, err := servers.StartS3(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.MakeBucket(ctx, benchBucket); err != nil {
		return err
	}
	settings := []string{
		"TRUNKLINE_EXPORT_STORE=s3://" + benchBucket + "/?region=" + servers.S3Region + "&endpoint=" + url.QueryEscape(s.URL()),
		"TRUNKLINE_EXPORT_STORE_ACCESS_KEY=" + servers.S3AccessKey, "TRUNKLINE_EXPORT_STORE_SECRET_KEY=" + servers.S3SecretKey,
	}
	var f figures
	for range pairs {
		folder, err := b.exportOnce(ctx, b.removeExport)
		if err != nil {
			return err
		}
		bucket, err := b.exportOnce(ctx, func(id string) error { return s.Remove(benchBucket, id+".*") }, settings...)
		if err != nil {
			return err
		}
		if bucket.rows != folder.rows || bucket.bytes != folder.bytes {
			return fmt.Errorf("the export to the bucket has %d rows and %d bytes, and that to the folder %d and %d", bucket.rows, bucket.bytes, folder.rows, folder.bytes)
		}
		fmt.Printf("# %d rows, %.1f MB: to the bucket %.2f s, %.2f s of the worker's and Postgres's processors; to the folder %.2f s, %.2f s\n",
			bucket.rows, megabytes(bucket.bytes), bucket.work, bucket.cpu, folder.work, folder.cpu)
		f.add("s3_store_vs_folder", folder.work/bucket.work, "ratio")
	}
	f.print()
	return nil
}

// exportOnce makes one export to CSV by a front end and a worker with these settings besides the usual ones: two workers at a
// time would take each other's jobs.
func (b *bench) exportOnce(ctx context.Context, remove func(id string) error, settings ...string) (made exported, err error) {
	e, err := b.startBoth(ctx, settings, settings)
	if err != nil {
		return made, err
	}
	defer func() { err = errors.Join(err, e.stop()) }()
	return e.exportAndRemove(ctx, exportOf("CSV"), remove)
}

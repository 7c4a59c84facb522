package bucket

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
)

// checkName begins the names of the files that Check leaves for a moment.
const checkName = ".trunkline-check-"

// Check writes a file, reads it back and removes it. Its error says what is not possible.
func (b *Bucket) Check(ctx context.Context) (err error) {
	name, content := checkName+rand.Text(), []byte("written by trunkline, to see whether it can\n")
	if _, err := b.putAtOnce(ctx, name, rand.Text(), content, true); err != nil {
		return err
	}
	defer func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
		defer cancel()
		err = errors.Join(err, b.Delete(ending, name))
	}()
	file, _, err := b.Open(ctx, name)
	if err != nil {
		return err
	}
	defer file.Close()
	got, err := io.ReadAll(io.LimitReader(file, int64(len(content))+1)) // a server that means ill sends for as long as it is listened to
	if err != nil {
		return b.explain(ctx, err, rightGet)
	}
	if !bytes.Equal(got, content) {
		return refused("%s: a file is not read back as it was written; see that the endpoint is one of S3", b.location.In(name))
	}
	return nil
}

// CheckStore is Check, and sees whether files and uploads are listed, as whoever keeps files there has to.
func (b *Bucket) CheckStore(ctx context.Context) error {
	if err := b.Check(ctx); err != nil {
		return err
	}
	for _, err := range b.List(ctx, checkName) {
		if err != nil {
			return err
		}
	}
	if err := b.AbortUploads(ctx, checkName); err != nil {
		return fmt.Errorf("looking for uploads that crashed: %w", err)
	}
	return nil
}

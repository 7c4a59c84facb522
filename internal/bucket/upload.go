package bucket

import (
	"cmp"
	"context"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/minio/minio-go/v7"
)

const (
	// MaxParts is how many parts a file may have.
	MaxParts = 10_000
	// LeastPart is how many bytes a part has at least, but the last.
	LeastPart = 5 << 20
)

// Upload is a file that is put part by part. It is not there under its name until Complete, and never if that is not called:
// then Abort should be. All parts but the last have as many bytes as each other, LeastPart or more.
type Upload struct {
	b    *Bucket
	name string
	id   string
	mark string // as putMark

	mu     sync.Mutex
	parts  map[int]sentPart
	unsure bool // the server does not say of a part what it has received
}

// sentPart is a part that the server has.
type sentPart struct {
	md5   [md5.Size]byte
	etag  string
	bytes int64
}

// Begin begins to put a file.
func (b *Bucket) Begin(ctx context.Context, name string) (*Upload, error) {
	key, err := b.key(name)
	if err != nil {
		return nil, err
	}
	mark := rand.Text()
	id, err := b.core.NewMultipartUpload(ctx, b.location.Bucket, key, minio.PutObjectOptions{UserMetadata: map[string]string{putMark: mark}})
	if err != nil {
		return nil, b.explain(ctx, err, rightPut)
	}
	if id == "" {
		return nil, b.explain(ctx, minio.ErrorResponse{}, rightPut)
	}
	return &Upload{b: b, name: name, id: id, mark: mark, parts: map[int]sentPart{}}, nil
}

// Put sends a part, the first of which is 1, from the content's beginning on. Several may be sent at a time. The part's MD5 goes
// with it, by which the server refuses what has been changed on its way; and what the server says that it has is compared.
func (u *Upload) Put(ctx context.Context, number int, content io.ReadSeeker, bytes int64) error {
	sum, sum256, err := u.b.sums(content, bytes)
	if err != nil {
		return err
	}
	var answer wanted
	part, err := u.b.core.PutObjectPart(asking(ctx, &answer), u.b.location.Bucket, u.b.location.Prefix+u.name, u.id, number, content, bytes, minio.PutObjectPartOptions{
		Md5Base64: base64.StdEncoding.EncodeToString(sum[:]), Sha256Hex: sum256, DisableContentSha256: true,
	})
	if err != nil {
		return u.explain(ctx, err)
	}
	has, sure := received(sum, part.ETag, answer.header)
	if !has {
		return u.b.damaged(u.name)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.parts[number], u.unsure = sentPart{sum, part.ETag, bytes}, u.unsure || !sure
	return nil
}

// ErrSuperseded is beneath the fault that says that an upload was ended by somebody else.
var ErrSuperseded = errors.New("the upload is not there any more")

// explain is the bucket's, of an upload that somebody may have ended: another of the same name that was completed before, or a
// rule of the bucket's.
func (u *Upload) explain(ctx context.Context, err error) error {
	explained := u.b.explain(ctx, err, rightPut)
	if errors.Is(explained, fs.ErrNotExist) {
		return u.superseded(err)
	}
	return explained
}

func (u *Upload) superseded(err error) error {
	return passing(errors.Join(ErrSuperseded, err), "%s: its upload was ended by another of the same file, or by a rule of the bucket; it is tried again", u.b.location.In(u.name))
}

func (b *Bucket) damaged(name string) error {
	return passing(nil, "%s: the server has received other bytes than were sent, and they are not kept; it is tried again", b.location.In(name))
}

// sums are the MD5 of the content, and its SHA-256 in hex where no TLS sees to it that a stranger changes nothing; the content is at its beginning
// again.
func (b *Bucket) sums(content io.ReadSeeker, bytes int64) (sum [md5.Size]byte, sum256 string, err error) {
	of := md5.New()
	all, signed := io.Writer(of), hash.Hash(nil)
	if !b.secure {
		signed = sha256.New()
		all = io.MultiWriter(of, signed)
	}
	n, err := io.Copy(all, content)
	if err == nil && n != bytes {
		err = fmt.Errorf("a file of which %d bytes are sent had %d", bytes, n)
	}
	if err == nil {
		_, err = content.Seek(0, io.SeekStart)
	}
	if err != nil {
		return sum, "", fmt.Errorf("reading what is sent: %w", err)
	}
	of.Sum(sum[:0])
	if signed != nil {
		sum256 = hex.EncodeToString(signed.Sum(nil))
	}
	return sum, sum256, nil
}

// digest matches an ETag that may be an MD5.
var digest = regexp.MustCompile(`^[0-9a-f]{32}$`)

// received reports whether a server has what was sent, by the ETag that it gives it, and whether that is sure. Where it
// encrypts with keys of a key service's or the customer's, the ETag is none of the content; then it has compared the MD5 that
// came with it, as it must.
func received(sum [md5.Size]byte, etag string, answer http.Header) (has, sure bool) {
	etag = strings.ToLower(etag)
	if etag == hex.EncodeToString(sum[:]) {
		return true, true
	}
	if encrypted(answer) {
		return true, true
	}
	return !digest.MatchString(etag), false
}

func encrypted(answer http.Header) bool {
	return strings.HasPrefix(answer.Get("X-Amz-Server-Side-Encryption"), "aws:kms") || answer.Get("X-Amz-Server-Side-Encryption-Customer-Algorithm") != ""
}

// Complete gives the file its name, in place of a file of that name; of several parts that were sent, all have to be. sure is
// false if the server does not say that it has what was sent: then read it back.
//
// An error may mean that the answer was lost: look whether the file is there. Errors: one that wraps ErrSuperseded.
func (u *Upload) Complete(ctx context.Context) (sure bool, err error) {
	return u.complete(ctx, minio.PutObjectOptions{})
}

// CompleteEmpty is Complete of a file of no bytes, which no upload may have: it is put in its place.
func (u *Upload) CompleteEmpty(ctx context.Context) error {
	_, err := u.b.putAtOnce(ctx, u.name, u.mark, nil, false)
	return errors.Join(err, u.Abort(ctx))
}

// Stands reports whether the file of that name is the one that this upload has put. Errors: fs.ErrNotExist.
func (u *Upload) Stands(ctx context.Context) (bool, error) {
	object, err := u.b.Stat(ctx, u.name)
	return err == nil && object.put == u.mark, err
}

func (u *Upload) complete(ctx context.Context, o minio.PutObjectOptions) (sure bool, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	parts := make([]minio.CompletePart, 0, len(u.parts))
	all, bytes := md5.New(), int64(0)
	for number, part := range u.parts {
		bytes += part.bytes
		parts = append(parts, minio.CompletePart{PartNumber: number, ETag: part.etag})
	}
	slices.SortFunc(parts, func(a, b minio.CompletePart) int { return cmp.Compare(a.PartNumber, b.PartNumber) })
	for i, part := range parts {
		if part.PartNumber != i+1 {
			return false, fmt.Errorf("part %d of %s was not sent", i+1, u.name)
		}
		sum := u.parts[part.PartNumber].md5
		all.Write(sum[:])
	}
	var answer wanted
	made, err := u.b.core.CompleteMultipartUpload(asking(ctx, &answer), u.b.location.Bucket, u.b.location.Prefix+u.name, u.id, parts, o)
	if err != nil {
		return false, u.explain(ctx, err)
	}
	if err := u.isThere(ctx, bytes); err != nil {
		return false, err
	}
	asUsual := fmt.Sprintf("%x-%d", all.Sum(nil), len(parts))
	return !u.unsure && (strings.EqualFold(made.ETag, asUsual) || encrypted(answer.header)), nil
}

// isThere sees whether it is this upload's file that is there now: some servers have no objection to the end of an upload that
// was aborted, if there is a file of that name.
func (u *Upload) isThere(ctx context.Context, bytes int64) error {
	object, err := u.b.Stat(ctx, u.name)
	switch {
	case denied(err) && u.b.location.amazon():
		return nil
	case errors.Is(err, fs.ErrNotExist), err == nil && (object.Bytes != bytes || object.put != u.mark):
		return u.superseded(err)
	}
	return err
}

// ReadBack reads the file that Complete was not sure of, and removes it if it has another SHA-256, in hex.
func (u *Upload) ReadBack(ctx context.Context, sha256 string) error {
	return u.b.readBack(ctx, u.name, u.mark, Content{SHA256: sha256})
}

// Abort removes what was sent. One that was completed or aborted is none the worse.
func (u *Upload) Abort(ctx context.Context) error {
	return u.b.abort(ctx, u.b.location.Prefix+u.name, u.id)
}

func (b *Bucket) abort(ctx context.Context, key, id string) error {
	err := b.explain(ctx, b.core.AbortMultipartUpload(ctx, b.location.Bucket, key, id), rightAbort)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

package bucket

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/servers"
)

func TestMain(m *testing.M) { os.Exit(pbxtest.Main(m)) }

var must = pbxtest.Must

// quick has a server that hangs be given up soon.
const quick = time.Second

// open opens a bucket, below a prefix, as its owner.
func open(t testing.TB, server, name string) *Bucket {
	t.Helper()
	return openAs(t, pbxtest.BucketURL(server, name, "exports/"), Options{AccessKey: servers.S3AccessKey, SecretKey: servers.S3SecretKey})
}

func openAs(t testing.TB, url string, o Options) *Bucket {
	t.Helper()
	l, err := Parse(url)
	must(t, err)
	b, err := Open(l, o)
	must(t, err)
	t.Cleanup(b.Close)
	return b
}

// onEveryServer runs a test with a bucket of its own on each server of S3 that there is.
func onEveryServer(t *testing.T, test func(t *testing.T, server, bucket string)) {
	t.Helper()
	t.Run("versitygw", func(t *testing.T) {
		t.Parallel()
		s := pbxtest.S3(t)
		test(t, s.URL(), pbxtest.NewBucket(t, s))
	})
	t.Run("gofakes3", func(t *testing.T) {
		t.Parallel()
		test(t, pbxtest.FakeS3(t), "calls")
	})
}

// text is content of so many bytes, the same for the same seed.
func text(bytes int, seed uint64) []byte {
	content := make([]byte, bytes)
	chance := rand.NewChaCha8([32]byte{byte(seed)})
	_, _ = chance.Read(content) // which never fails
	return content
}

func contentOf(text []byte) Content {
	sum := sha256.Sum256(text)
	return Content{Bytes: int64(len(text)), SHA256: hex.EncodeToString(sum[:]), Open: func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(text)), nil
	}}
}

// wantFile checks what is under a name.
func wantFile(t testing.TB, b *Bucket, name string, want []byte) {
	t.Helper()
	file, object, err := b.Open(t.Context(), name)
	must(t, err)
	defer file.Close()
	got, err := io.ReadAll(file)
	must(t, err)
	if !bytes.Equal(got, want) || object.Bytes != int64(len(want)) || object.Name != name {
		t.Errorf("%s has %d bytes (and says %d), want %d others", name, len(got), object.Bytes, len(want))
	}
}

// wantNames checks which files there are.
func wantNames(t testing.TB, b *Bucket, want ...string) {
	t.Helper()
	var got []string
	for object, err := range b.List(t.Context(), "") {
		must(t, err)
		got = append(got, object.Name)
	}
	if len(got) != len(want) {
		t.Errorf("the bucket has %q, want %q", got, want)
		return
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("the bucket has %q, want %q", got, want)
			return
		}
	}
}

// uploads is how many uploads of a file the server has that are not completed.
func uploads(t testing.TB, b *Bucket, name string) (n int) {
	t.Helper()
	page, err := b.core.ListMultipartUploads(t.Context(), b.location.Bucket, b.location.Prefix+name, "", "", "", uploadsAtOnce)
	if err != nil && !strings.Contains(err.Error(), "NoSuchUpload") { // which is none
		t.Fatal(err)
	}
	for _, upload := range page.Uploads {
		if upload.Key == b.location.Prefix+name {
			n++
		}
	}
	return n
}

package pbxtest

import (
	"context"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"trunkline/internal/pbxtest/servers"
)

// S3 returns the server of S3 that the tests of this binary share.
func S3(t testing.TB) *servers.S3 {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if !shared.main {
		t.Fatal("pbxtest: the package has no func TestMain(m *testing.M) { os.Exit(pbxtest.Main(m)) }")
	}
	if shared.s3 == nil && shared.s3Err == nil {
		if shared.s3Folder, shared.s3Err = servers.NewFolder("", "trunkline-s3-"); shared.s3Err == nil {
			// Not the test's context: the server outlives the test.
			shared.s3, shared.s3Err = servers.StartS3(context.Background(), shared.s3Folder.Path)
		}
	}
	if shared.s3Err != nil {
		t.Fatal(shared.s3Err)
	}
	return shared.s3
}

// StartS3 starts a private server of S3 for this test alone: see [servers.StartS3].
func StartS3(t testing.TB) *servers.S3 {
	t.Helper()
	s, err := servers.StartS3(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the server of S3 said: %s", s.Log())
		}
	})
	return s
}

// NewBucket makes a bucket of its own, in which the guest has these rights, and returns its name.
func NewBucket(t testing.TB, s *servers.S3, rights ...string) string {
	t.Helper()
	name := "calls-" + uuid.NewString()
	Must(t, s.MakeBucket(t.Context(), name, rights...))
	return name
}

// BucketURL is s3://bucket/prefix of a server at that URL.
func BucketURL(server, bucket, prefix string) string {
	return fmt.Sprintf("s3://%s/%s?region=%s&endpoint=%s", bucket, prefix, servers.S3Region, url.QueryEscape(server))
}

// FakeS3 is a server of S3 in this process, with one bucket that is called calls. It looks at no signature and no condition, and takes
// every key.
func FakeS3(t testing.TB) (serverURL string) {
	t.Helper()
	backend := s3mem.New()
	Must(t, backend.CreateBucket("calls"))
	s := httptest.NewServer(gofakes3.New(backend, gofakes3.WithLogger(gofakes3.DiscardLog())).Server())
	t.Cleanup(s.Close)
	return strings.TrimSuffix(s.URL, "/")
}

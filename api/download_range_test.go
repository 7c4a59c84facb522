package api_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"trunkline/internal/pbxtest"
)

// A part of a file, and whether it is still the same one, are asked for as HTTP has it, over either of its versions.
func TestDownloadOfARange(t *testing.T) {
	t.Parallel()
	roots := x509.NewCertPool()
	for name, c := range map[string]struct {
		set     setUp
		scheme  string
		version int
	}{
		"from a bucket":  {setUp{cdrs: 2000, now: newest, noWorker: true, bucket: pbxtest.NewBucket(t, pbxtest.S3(t))}, "http", 1},
		"HTTP/1.1":       {setUp{cdrs: 2000, now: newest, noWorker: true}, "http", 1},
		"HTTP/2 and TLS": {setUp{cdrs: 2000, now: newest, noWorker: true, settings: certified(t, t.TempDir(), roots)}, "https", 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, c.set)
			_, path, fields := b.exported(t, b.asAdmin(call{}))
			whole := b.do(t, call{path: path}).want(t, http.StatusOK, "").body
			etag := `"` + fields["sha256"].(string) + `"`
			if len(whole) < 100<<10 {
				t.Fatalf("the file has %d bytes, too few for this", len(whole))
			}
			base, _ := b.serve(t)
			base = c.scheme + strings.TrimPrefix(base, "http")
			client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}}
			t.Cleanup(client.CloseIdleConnections)
			size := len(whole)
			of := func(from, to int) string { return fmt.Sprintf("bytes %d-%d/%d", from, to, size) }
			for name, c := range map[string]struct {
				method  string
				headers map[string]string
				status  int
				body    string
				part    string // Content-Range
			}{
				"all of it":              {http.MethodGet, nil, 200, whole, ""},
				"its rest":               {http.MethodGet, map[string]string{"Range": "bytes=70000-"}, 206, whole[70000:], of(70000, size-1)},
				"its middle":             {http.MethodGet, map[string]string{"Range": "bytes=10-69999"}, 206, whole[10:70000], of(10, 69999)},
				"its end":                {http.MethodGet, map[string]string{"Range": "bytes=-5"}, 206, whole[size-5:], of(size-5, size-1)},
				"beyond its end":         {http.MethodGet, map[string]string{"Range": fmt.Sprintf("bytes=%d-", size)}, 416, "", fmt.Sprintf("bytes */%d", size)},
				"the rest of this one":   {http.MethodGet, map[string]string{"Range": "bytes=70000-", "If-Range": etag}, 206, whole[70000:], of(70000, size-1)},
				"the rest of another":    {http.MethodGet, map[string]string{"Range": "bytes=70000-", "If-Range": `"0123"`}, 200, whole, ""},
				"if it is another":       {http.MethodGet, map[string]string{"If-None-Match": etag}, 304, "", ""},
				"if it is none of two":   {http.MethodGet, map[string]string{"If-None-Match": `"0123", ` + etag}, 304, "", ""},
				"since it is another":    {http.MethodGet, map[string]string{"If-None-Match": `"0123"`}, 200, whole, ""},
				"its head":               {http.MethodHead, nil, 200, "", ""},
				"the head of its rest":   {http.MethodHead, map[string]string{"Range": "bytes=70000-"}, 206, "", of(70000, size-1)},
				"its head if another":    {http.MethodHead, map[string]string{"If-None-Match": etag}, 304, "", ""},
				"what is no range":       {http.MethodGet, map[string]string{"Range": "bytes=9-5"}, 416, "", ""},
				"ranges that HTTP lacks": {http.MethodGet, map[string]string{"Range": "rows=1-2"}, 416, "", ""},
			} {
				got, body := downloaded(t, client, c.method, base+path, c.headers)
				if got.StatusCode != c.status || got.Header.Get("Content-Range") != c.part || c.status != 416 && body != c.body {
					t.Errorf("%s: got %d, %d bytes, %q", name, got.StatusCode, len(body), got.Header.Get("Content-Range"))
				}
				if c.status < 400 && got.Header.Get("ETag") != etag {
					t.Errorf("%s: the ETag is %s", name, got.Header.Get("ETag"))
				}
				if c.method == http.MethodHead && c.headers == nil && got.ContentLength != int64(size) {
					t.Errorf("%s: %d bytes, of %d", name, got.ContentLength, size)
				}
			}
			got, body := downloaded(t, client, http.MethodGet, base+path, map[string]string{"Range": "bytes=0-9,50000-99999"})
			if _, params, err := mime.ParseMediaType(got.Header.Get("Content-Type")); err != nil || got.ProtoMajor != c.version {
				t.Errorf("two ranges: %v, HTTP/%d", err, got.ProtoMajor)
			} else {
				parts := multipart.NewReader(strings.NewReader(body), params["boundary"])
				for _, want := range []string{whole[:10], whole[50000:100000]} {
					part, err := parts.NextPart()
					must(t, err)
					if content, err := io.ReadAll(part); err != nil || string(content) != want {
						t.Errorf("of two ranges one has %d bytes of %d: %v", len(content), len(want), err)
					}
				}
			}
		})
	}
}

// downloaded asks over the network and reads the answer.
func downloaded(t *testing.T, client *http.Client, method, url string, headers map[string]string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	must(t, err)
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	resp, err := client.Do(req)
	must(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	return resp, string(body)
}

package api_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"trunkline/internal/config"
	"trunkline/internal/pbxtest"
)

// toTheBucket has downloads be sent to the bucket.
func toTheBucket(s *config.Settings) { s.ExportStoreRedirect = true }

// Whoever asks for a file by our link or with credentials is sent to the bucket, by a link that lives a minute; nobody else
// gets one, and parts of a file come from here, where its ETag is known.
func TestDownloadIsRedirected(t *testing.T) {
	t.Parallel()
	name := pbxtest.NewBucket(t, pbxtest.S3(t))
	b := newBundle(t, setUp{cdrs: 50, now: newest, noWorker: true, bucket: name, settings: toTheBucket})
	job, path, fields := b.exported(t, b.asAdmin(call{}))
	plain := "/v1/exports/" + job + "/file"
	part := b.do(t, withHeader(call{path: path}, "Range", "bytes=0-")).want(t, http.StatusPartialContent, "")
	for what, c := range map[string]call{"a link": {path: path}, "its owner": b.asAdmin(call{path: plain}), "a superadmin": b.asSuperadmin(call{path: plain})} {
		got := b.do(t, c).want(t, http.StatusFound, "")
		link, err := url.Parse(got.header.Get("Location"))
		must(t, err)
		if got.body != "" || got.header.Get("Cache-Control") != "private, no-store" || link.Query().Get("X-Amz-Expires") != "60" {
			t.Errorf("%s: got %q, %v", what, got.body, got.header)
		}
		answer, content := fetched(t, link.String())
		if answer.StatusCode != http.StatusOK || content != part.body || answer.Header.Get("Content-Type") != "text/csv; charset=utf-8; header=present" ||
			answer.Header.Get("Content-Disposition") != `attachment; filename="cdr-`+job+`.csv"` {
			t.Errorf("%s: the bucket answers %d, %d bytes, %v", what, answer.StatusCode, len(content), answer.Header)
		}
		for how, other := range map[string]string{
			"for another file": strings.Replace(link.String(), ".csv?", ".csv.sha256?", 1),
			"for longer":       strings.Replace(link.String(), "X-Amz-Expires=60", "X-Amz-Expires=600", 1),
		} {
			if answer, _ := fetched(t, other); answer.StatusCode != http.StatusForbidden {
				t.Errorf("%s: %s it answers %d", what, how, answer.StatusCode)
			}
		}
	}
	etag := `"` + fields["sha256"].(string) + `"`
	b.do(t, withHeader(call{path: path}, "If-None-Match", etag)).want(t, http.StatusNotModified, "")
	b.do(t, withHeader(call{path: path}, "If-Range", etag)).want(t, http.StatusOK, "")
	if got := b.do(t, call{method: http.MethodHead, path: path}).want(t, http.StatusOK, ""); got.header.Get("ETag") != etag {
		t.Errorf("HEAD has %v", got.header)
	}
	for what, c := range map[string]struct {
		call   call
		status int
		code   string
	}{
		"another signature": {call{path: strings.Replace(path, "signature=", "signature=0", 1)}, 403, "invalid_link"},
		"no credentials":    {call{path: plain}, 401, "authentication_failed"},
		"not whitelisted":   {call{path: path, from: stranger + ":1"}, 403, "not_whitelisted"},
	} {
		if got := b.do(t, c.call).want(t, c.status, c.code); got.header.Get("Location") != "" {
			t.Errorf("%s: got %v", what, got.header)
		}
	}
	// The answer of the call itself is no download.
	c := withHeader(b.asAdmin(call{path: exportPath, form: everything("format", "CSV")}), "Accept", "text/csv")
	if got := b.do(t, c).want(t, http.StatusOK, ""); got.body != part.body {
		t.Errorf("the export itself has %d bytes, want %d", len(got.body), len(part.body))
	}
	store := b.options.Exporter.Store
	must(t, store.Prune(t.Context(), time.Now().Add(time.Hour)))
	b.do(t, call{path: path}).want(t, http.StatusGone, "gone")
}

// A store in a folder has nothing to send anybody to.
func TestDownloadOfAFolderIsNotRedirected(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 5, now: newest, noWorker: true, settings: toTheBucket})
	_, path, _ := b.exported(t, b.asAdmin(call{}))
	b.do(t, call{path: path}).want(t, http.StatusOK, "")
}

// A bucket that is away: a small export becomes a job, which waits for it; a download says so and leaks nothing; readiness
// shows it and is not lost.
func TestBucketThatIsAway(t *testing.T) {
	t.Parallel()
	name := pbxtest.NewBucket(t, pbxtest.S3(t))
	proxy := pbxtest.NewProxy(t, pbxtest.S3(t).URL())
	b := newBundle(t, setUp{cdrs: 50, now: newest, bucket: name, server: proxy.URL, noWorker: true, settings: func(s *config.Settings) { s.ExportStore = "s3://x" }})
	must(t, b.options.Exporter.MarkStore(t.Context()))
	_, path, _ := b.exported(t, b.asSuperadmin(call{}))
	away := func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		http.Error(w, "<Error><Code>SlowDown</Code></Error>", http.StatusServiceUnavailable)
	}
	proxy.Meddle(away)
	b.do(t, call{path: path}).want(t, http.StatusServiceUnavailable, "unavailable").says(t, "s3://"+name)
	ready := b.do(t, call{path: "/readyz", from: "127.0.0.1:1"}).want(t, http.StatusOK, "").decode(t)
	if said, _ := ready["parts"].(map[string]any)["export store"].(string); said == "ok" || said == "" {
		t.Errorf("readiness says %v", ready)
	}
	made := b.do(t, b.asSuperadmin(call{path: exportPath, form: everything("format", "CSV", "wait", "0")})).want(t, http.StatusAccepted, "")
	proxy.Meddle(func(w http.ResponseWriter, r *http.Request, _ http.Handler) { <-r.Context().Done() })
	b.do(t, call{path: "/readyz", from: "127.0.0.1:1"}).want(t, http.StatusOK, "").says(t, "TRUNKLINE_EXPORT_STORE: it does not answer within 2s")
	proxy.Meddle(nil)
	b.startWorker(t)
	pbxtest.Eventually(t, "the job has exported", func() bool {
		job := b.do(t, b.asSuperadmin(call{path: "/v1/jobs/" + made.text(t, "job_id")})).decode(t)
		return job["state"] == "succeeded"
	})
	ready = b.do(t, call{path: "/readyz", from: "127.0.0.1:1"}).want(t, http.StatusOK, "").decode(t)
	if said := ready["parts"].(map[string]any)["export store"]; said != "ok" {
		t.Errorf("readiness says %v", said)
	}
}

// A bucket that hangs: a download says so in time, or breaks off where it had begun, and a small export becomes a job at
// whatever request the bucket hangs. Nobody waits for long.
func TestBucketThatHangs(t *testing.T) {
	t.Parallel()
	s := pbxtest.S3(t)
	name := pbxtest.NewBucket(t, s)
	proxy := pbxtest.NewProxy(t, s.URL())
	b := newBundle(t, setUp{cdrs: 50, now: newest, bucket: name, server: proxy.URL, stall: 3 * time.Second, noWorker: true, settings: func(s *config.Settings) { s.ExportStore = "s3://x" }})
	must(t, b.options.Exporter.MarkStore(t.Context()))
	_, path, _ := b.exported(t, b.asSuperadmin(call{}))
	whole := b.do(t, call{path: path}).want(t, http.StatusOK, "")
	hangAt := func(which func(*http.Request) bool) {
		proxy.Meddle(func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
			if !which(r) {
				pass.ServeHTTP(w, r)
				return
			}
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		})
	}
	began := time.Now()
	hangAt(func(*http.Request) bool { return true })
	b.do(t, call{path: path}).want(t, http.StatusServiceUnavailable, "unavailable").says(t, "stands still")
	b.do(t, call{path: "/readyz", from: "127.0.0.1:1"}).want(t, http.StatusOK, "").says(t, "TRUNKLINE_EXPORT_STORE: ", "stands still")
	proxy.Meddle(func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		if r.Method != http.MethodGet {
			pass.ServeHTTP(w, r)
			return
		}
		pass.ServeHTTP(&halfAnswered{w, r}, r)
	})
	if got := b.do(t, call{path: path}); len(got.body) == 0 || len(got.body) >= len(whole.body) || !strings.HasPrefix(whole.body, got.body) {
		t.Errorf("of a file of %d bytes, %d are sent: %q", len(whole.body), len(got.body), got.body)
	}
	for what, which := range map[string]func(*http.Request) bool{
		"the beginning": func(r *http.Request) bool { return r.URL.Query().Has("uploads") },
		"a part":        func(r *http.Request) bool { return r.URL.Query().Has("partNumber") },
		"the end":       func(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Query().Has("uploadId") },
		"the manifest": func(r *http.Request) bool {
			return r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, ".json")
		},
		"everything after all": func(*http.Request) bool { return true },
	} {
		hangAt(which)
		if got := b.do(t, b.asSuperadmin(call{path: exportPath, form: everything("format", "CSV", "wait", "0")})); got.status != http.StatusAccepted {
			t.Errorf("%s: got %d %s", what, got.status, got.body)
		}
	}
	if took := time.Since(began); took > 2*time.Minute {
		t.Errorf("it took %v", took)
	}
}

// halfAnswered is an answer of which half goes out before it stands still.
type halfAnswered struct {
	http.ResponseWriter
	r *http.Request
}

func (h *halfAnswered) Write(p []byte) (int, error) {
	n, err := h.ResponseWriter.Write(p[:len(p)/2])
	if err != nil {
		return n, err
	}
	if err := http.NewResponseController(h.ResponseWriter).Flush(); err != nil {
		return n, err
	}
	<-h.r.Context().Done()
	return n, h.r.Context().Err()
}

// fetched asks another server than ours.
func fetched(t *testing.T, link string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, link, nil)
	must(t, err)
	answer, err := http.DefaultClient.Do(req)
	must(t, err)
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	must(t, err)
	return answer, string(content)
}

package api_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trunkline/api"
	"trunkline/api/web"
	"trunkline/internal/config"
	"trunkline/internal/pbxtest"
)

// exported makes an export of all the caller's CDRs and returns its answer.
func (b *bundle) exported(t *testing.T, c call) (job, path string, fields map[string]any) {
	t.Helper()
	c.path, c.form = exportPath, everything("format", "CSV")
	fields = b.do(t, c).want(t, http.StatusOK, "").decode(t)
	return fields["job_id"].(string), strings.TrimPrefix(fields["download_url"].(string), b.options.Settings.PublicURL), fields
}

func TestDownload(t *testing.T) {
	t.Parallel()
	t.Run("from a folder", func(t *testing.T) {
		t.Parallel()
		downloads(t, newBundle(t, setUp{cdrs: 50, now: newest, noWorker: true}))
	})
	t.Run("from a bucket", func(t *testing.T) {
		t.Parallel()
		downloads(t, newBundle(t, setUp{cdrs: 50, now: newest, noWorker: true, bucket: pbxtest.NewBucket(t, pbxtest.S3(t))}))
	})
}

func downloads(t *testing.T, b *bundle) {
	t.Helper()
	job, path, fields := b.exported(t, b.asAdmin(call{}))
	sum, err := hex.DecodeString(fields["sha256"].(string))
	must(t, err)
	whole := b.do(t, call{path: path}).want(t, http.StatusOK, "")
	for name, want := range map[string]string{
		"Content-Type": "text/csv; charset=utf-8; header=present", "ETag": `"` + fields["sha256"].(string) + `"`, "X-Content-Type-Options": "nosniff",
		"Digest": "sha-256=" + base64.StdEncoding.EncodeToString(sum), "Content-Disposition": `attachment; filename="cdr-` + job + `.csv"`,
		"Content-Length": fmt.Sprint(len(whole.body)),
	} {
		if got := whole.header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if got := b.do(t, withHeader(call{path: path}, "Range", "bytes=5-9")).want(t, http.StatusPartialContent, ""); got.body != whole.body[5:10] {
		t.Errorf("a range is %q", got.body)
	}
	b.do(t, withHeader(call{path: path}, "If-None-Match", whole.header.Get("ETag"))).want(t, http.StatusNotModified, "")
	if got := b.do(t, call{method: http.MethodHead, path: path}).want(t, http.StatusOK, ""); got.body != "" {
		t.Error("HEAD has a body")
	}
	plain := "/v1/exports/" + job + "/file"
	for name, c := range map[string]call{"its owner": b.asAdmin(call{path: plain}), "a superadmin": b.asSuperadmin(call{path: plain})} {
		if got := b.do(t, c).want(t, http.StatusOK, ""); got.body != whole.body {
			t.Errorf("%s got another file", name)
		}
	}
}

func TestDownloadErrors(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 50, now: newest, noWorker: true})
	job, path, _ := b.exported(t, b.asSuperadmin(call{}))
	link, err := url.Parse(path)
	must(t, err)
	with := func(name, value string) string {
		query := link.Query()
		query.Set(name, value)
		return link.Path + "?" + query.Encode()
	}
	by := link.Query().Get("by")
	past := time.Now().Add(-time.Minute).Unix()
	keys := b.tasks.Keys()
	provision := b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier("x", "wait", "0")})).text(t, "job_id")
	queued := b.do(t, withHeader(b.asSuperadmin(call{path: exportPath, form: everything("wait", "0")}), "Idempotency-Key", "1")).text(t, "job_id")
	later := fmt.Sprint(time.Now().Add(time.Hour).Unix())
	for name, c := range map[string]struct {
		call   call
		status int
		code   string
	}{
		"another signature":   {call{path: with("signature", strings.Repeat("0", 64))}, 403, "invalid_link"},
		"an empty signature":  {call{path: with("signature", "")}, 403, "invalid_link"},
		"a longer life":       {call{path: with("expires", later)}, 403, "invalid_link"},
		"somebody else":       {call{path: with("by", b.sample.AdminUUID)}, 403, "invalid_link"},
		"no expiry":           {call{path: with("expires", "never")}, 403, "invalid_link"},
		"another job":         {call{path: strings.Replace(path, job, queued, 1)}, 403, "invalid_link"},
		"no such job":         {call{path: strings.Replace(path, job, "0190b5a0-0000-7000-8000-000000000000", 1)}, 403, "invalid_link"},
		"another tenant's":    {call{path: link.Path + fmt.Sprintf("?by=%s&expires=%s&signature=%s", by, later, keys.DownloadSignature(job, b.sample.Domains[1].UUID+"|"+by, 0))}, 403, "invalid_link"},
		"expired":             {call{path: link.Path + fmt.Sprintf("?by=%s&expires=%d&signature=%s", by, past, keys.DownloadSignature(job, "|"+by, past))}, 403, "link_expired"},
		"not whitelisted":     {call{path: path, from: stranger + ":1"}, 403, "not_whitelisted"},
		"no credentials":      {call{path: link.Path}, 401, "authentication_failed"},
		"another's":           {b.asAdmin(call{path: link.Path}), 404, "not_found"},
		"not an id":           {b.asSuperadmin(call{path: "/v1/exports/..%2f..%2fetc%2fpasswd/file"}), 404, "not_found"},
		"a braced id":         {b.asSuperadmin(call{path: "/v1/exports/%7B" + job + "%7D/file"}), 404, "not_found"},
		"a gateway's job":     {b.asSuperadmin(call{path: "/v1/exports/" + provision + "/file"}), 404, "not_found"},
		"not finished":        {b.asSuperadmin(call{path: "/v1/exports/" + queued + "/file"}), 409, "job_state"},
		"a method too many":   {b.asSuperadmin(call{method: http.MethodPost, path: link.Path}), 405, "method_not_allowed"},
		"an unknown location": {b.asSuperadmin(call{path: link.Path + "/more"}), 404, "not_found"},
	} {
		t.Run(name, func(t *testing.T) {
			wantForm(t, b.do(t, c.call).want(t, c.status, c.code), "/v1/")
		})
	}
}

func TestDownloadOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 50, now: newest, noWorker: true})
	outside := filepath.Join(t.TempDir(), "outside.csv")
	must(t, os.WriteFile(outside, []byte("secret of the host"), 0o600))
	for name, c := range map[string]struct {
		arrange func(job, file string)
		status  int
		code    string
	}{
		"deleted":          {func(_, file string) { must(t, os.Remove(file)) }, 410, "gone"},
		"past its time":    {func(job, _ string) { b.setResult(t, job, "expires_at", "2020-01-01T00:00:00Z") }, 410, "gone"},
		"cut short":        {func(_, file string) { must(t, os.Truncate(file, 10)) }, 500, "server_error"},
		"another file":     {func(job, _ string) { b.setResult(t, job, "file", "../"+filepath.Base(outside)) }, 500, "server_error"},
		"another format":   {func(job, _ string) { b.setResult(t, job, "export_format", "EXE") }, 500, "server_error"},
		"a link to a file": {func(_, file string) { must(t, os.Remove(file)); must(t, os.Symlink(outside, file)) }, 500, "server_error"},
	} {
		t.Run(name, func(t *testing.T) {
			job, path, _ := b.exported(t, b.asSuperadmin(call{}))
			c.arrange(job, filepath.Join(b.exports, job+".csv"))
			got := b.do(t, call{path: path}).want(t, c.status, c.code)
			if strings.Contains(got.body, "secret of the host") || strings.Contains(got.body, b.exports) {
				t.Errorf("got %s", got.body)
			}
		})
	}
}

func (b *bundle) setResult(t *testing.T, job, field, value string) {
	t.Helper()
	b.exec(t, "update trunkline.jobs set result = jsonb_set(result::jsonb, array[$2], to_jsonb($3::text))::json where id = $1", job, field, value)
}

func TestDownloadLinksOutliveNoFile(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 5, now: newest, noWorker: true, settings: func(s *config.Settings) { s.DownloadTTL = 1000 * time.Hour }})
	job, _, fields := b.exported(t, b.asSuperadmin(call{}))
	until, err := time.Parse(time.RFC3339, fields["download_expires"].(string))
	must(t, err)
	if left := time.Until(until); left > b.options.Exporter.Retention {
		t.Errorf("the link is good for %v and the file for %v", left, b.options.Exporter.Retention)
	}
	b.setResult(t, job, "expires_at", "2020-01-01T00:00:00Z")
	view := b.do(t, b.asSuperadmin(call{path: "/v1/jobs/" + job})).want(t, http.StatusOK, "").decode(t)["result"].(map[string]any)
	if view["download_url"] != nil {
		t.Errorf("there is a link to a file that is gone: %v", view)
	}
}

// deadlines is an answer whose deadline can be seen.
type deadlines struct {
	*httptest.ResponseRecorder
	last time.Time
}

func (d *deadlines) SetWriteDeadline(t time.Time) error {
	d.last = t
	return nil
}

// A download has to keep pace from its first byte, and there is a bound on how many there are.
func TestDownloadsAreBounded(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 50, now: newest, noWorker: true})
	_, path, _ := b.exported(t, b.asAdmin(call{}))
	answer := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	b.server.Handler().ServeHTTP(answer, call{path: path}.request())
	if answer.Code != http.StatusOK || answer.last.IsZero() || time.Until(answer.last) > web.AnswerTimeout/2 {
		t.Errorf("got %d, which may take until %v", answer.Code, answer.last)
	}
	b.options.Settings.Downloads = 0
	var err error
	b.server, err = api.New(b.options)
	must(t, err)
	b.do(t, call{path: path}).want(t, http.StatusServiceUnavailable, "unavailable").says(t, "TRUNKLINE_DOWNLOADS")
}

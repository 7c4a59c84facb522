package worker_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"trunkline/internal/cdr"
	"trunkline/internal/export"
	"trunkline/internal/fault"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/servers"
	"trunkline/internal/pbxtest/testbed"
	"trunkline/internal/tenant"
	"trunkline/tasks"
)

// bucketBundle is a bundle whose exports are kept in a bucket, behind a proxy.
type bucketBundle struct {
	*bundle
	server *servers.S3
	bucket string
	proxy  *pbxtest.Proxy
}

// bucketCDRs make a file of more than one part.
const bucketCDRs = 45_000

// newBucketBundle has the server stand still for as long; 0: as usual.
func newBucketBundle(t *testing.T, o setUp, stall time.Duration) *bucketBundle {
	t.Helper()
	o.stopped = true
	b := &bucketBundle{bundle: newBundle(t, o), server: pbxtest.S3(t)}
	b.bucket = pbxtest.NewBucket(t, b.server)
	b.proxy = pbxtest.NewProxy(t, b.server.URL())
	b.options.Exporter.Store = testbed.BucketStoreWithin(t, b.proxy.URL, b.bucket, b.dir, stall)
	b.options.Exporter.SliceRows = 5000
	b.sweeping(t)
	return b
}

// wantNothing checks that no file has its name, and no upload is left.
func (b *bucketBundle) wantNothing(t *testing.T, what string) {
	t.Helper()
	store := testbed.BucketStore(t, b.server.URL(), b.bucket, t.TempDir())
	for object, err := range store.Files.List(t.Context(), "") {
		must(t, err)
		t.Errorf("%s: there is %s", what, object.Name)
	}
	if n, err := b.server.Unfinished(t.Context(), b.bucket); err != nil || n != 0 {
		t.Errorf("%s: %d uploads are left, %v", what, n, err)
	}
}

// A bucket's server that fails in any way is waited for. Nothing has a name meanwhile, and the file is then what an undisturbed
// one is.
func TestExportToABucketThatFails(t *testing.T) {
	t.Parallel()
	b := newBucketBundle(t, setUp{cdrs: bucketCDRs}, 0)
	b.start(t)
	whole := b.exported(t, b.submitted(t))
	sends := func(r *http.Request) bool { return r.Method == http.MethodPut && r.URL.Query().Has("partNumber") }
	completes := func(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Query().Has("uploadId") }
	for what, fails := range map[string]func(w http.ResponseWriter, r *http.Request, pass http.Handler){
		"it is busy": func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			http.Error(w, "<Error><Code>SlowDown</Code></Error>", http.StatusServiceUnavailable)
		},
		"uploads break off": func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
			if sends(r) {
				_, _ = io.CopyN(io.Discard, r.Body, r.ContentLength/2)
				panic(http.ErrAbortHandler)
			}
			pass.ServeHTTP(w, r)
		},
		"bytes are changed": func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
			if sends(r) {
				content, err := io.ReadAll(r.Body)
				if err != nil {
					panic(http.ErrAbortHandler)
				}
				content[len(content)/2] ^= 1
				r.Body = io.NopCloser(bytes.NewReader(content))
			}
			pass.ServeHTTP(w, r)
		},
		"files are not completed": func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
			if completes(r) {
				http.Error(w, "<Error><Code>InternalError</Code></Error>", http.StatusInternalServerError)
				return
			}
			pass.ServeHTTP(w, r)
		},
	} {
		b.proxy.Meddle(fails)
		job := b.submitted(t)
		if note := b.asleep(t, job); !strings.Contains(note, "s3://"+b.bucket) {
			t.Errorf("%s: the note is %q", what, note)
		}
		if what != "it is busy" {
			b.wantOnly(t, what, whole)
		}
		b.proxy.Meddle(nil)
		if got := b.exported(t, job); got.SHA256 != whole.SHA256 {
			t.Errorf("%s: the file has the SHA-256 %s, want %s", what, got.SHA256, whole.SHA256)
		}
	}
}

// wantOnly checks that there are no files but that of one export and those of earlier tries of the test, which are whole, and
// that no upload is left.
func (b *bucketBundle) wantOnly(t *testing.T, what string, whole cdr.Result) {
	t.Helper()
	store := testbed.BucketStore(t, b.server.URL(), b.bucket, t.TempDir())
	for object, err := range store.Files.List(t.Context(), "") {
		must(t, err)
		if strings.HasSuffix(object.Name, ".csv") && object.Bytes != whole.Bytes {
			t.Errorf("%s: %s has %d bytes", what, object.Name, object.Bytes)
		}
	}
	if n, err := b.server.Unfinished(t.Context(), b.bucket); err != nil || n != 0 {
		t.Errorf("%s: %d uploads are left, %v", what, n, err)
	}
}

func (b *bucketBundle) submitted(t *testing.T) tasks.Job {
	t.Helper()
	job, err := b.Submit(t.Context(), b.cdrs("", export.CSV))
	must(t, err)
	return job
}

// exported waits for the job, which has to succeed.
func (b *bucketBundle) exported(t *testing.T, job tasks.Job) (result cdr.Result) {
	t.Helper()
	if job = b.ended(t, job); job.State != tasks.StateSucceeded {
		t.Fatalf("the job is %s: %v\n%s", job.State, job.Error, b.log)
	}
	must(t, json.Unmarshal(job.Result, &result))
	return result
}

// What a bucket's server refuses for good fails the export, and says so. Nothing is left, and what somebody cancels leaves
// nothing either.
func TestExportThatABucketRefuses(t *testing.T) {
	t.Parallel()
	b := newBucketBundle(t, setUp{cdrs: bucketCDRs}, 0)
	b.start(t)
	refuse := func(r *http.Request) bool { return r.Method == http.MethodPut }
	b.proxy.Meddle(func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		if refuse(r) {
			_, _ = io.Copy(io.Discard, r.Body)
			http.Error(w, "<Error><Code>AccessDenied</Code></Error>", http.StatusForbidden)
			return
		}
		pass.ServeHTTP(w, r)
	})
	if job := b.ended(t, b.submitted(t)); job.State != tasks.StateFailed || job.Error.Code != fault.NotWritable || !strings.Contains(job.Error.Message, "s3:PutObject") {
		t.Errorf("the job is %s: %v", job.State, job.Error)
	}
	b.wantNothing(t, "refused")

	held := make(chan struct{})
	hold := sync.OnceFunc(func() { close(held) })
	b.proxy.Meddle(func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		// All of them: a server may take a part that is on its way after it has removed the upload, and brings that back then.
		if r.Method == http.MethodPut && r.URL.Query().Has("partNumber") {
			_, _ = io.Copy(io.Discard, r.Body)
			hold()
			<-r.Context().Done()
			return
		}
		pass.ServeHTTP(w, r)
	})
	job := b.submitted(t)
	<-held
	_, err := b.Cancel(t.Context(), job.ID, tenant.All)
	must(t, err)
	if job = b.ended(t, job); job.State != tasks.StateCancelled {
		t.Errorf("the job is %s: %v", job.State, job.Error)
	}
	b.wantNothing(t, "cancelled")
}

// A bucket's server that hangs in the middle is given up, and the export waits for it without a worker. Meanwhile it is
// cancelled as ever; while its file gets its name, whoever cancels is told to ask again.
func TestExportToABucketThatHangs(t *testing.T) {
	t.Parallel()
	b := newBucketBundle(t, setUp{cdrs: bucketCDRs}, 2*time.Second)
	b.start(t)
	whole := b.exported(t, b.submitted(t))
	held := make(chan struct{}, 1)
	for what, hangs := range map[string]func(r *http.Request) bool{
		"it takes a part and does not answer": func(r *http.Request) bool { return r.URL.Query().Get("partNumber") == "2" },
		"it does not complete the file":       func(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Query().Has("uploadId") },
	} {
		b.proxy.Meddle(func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
			if !hangs(r) {
				pass.ServeHTTP(w, r)
				return
			}
			_, _ = io.Copy(io.Discard, r.Body)
			select {
			case held <- struct{}{}:
			default:
			}
			<-r.Context().Done()
		})
		again, cancelled := b.submitted(t), b.submitted(t)
		<-held
		for _, job := range []tasks.Job{again, cancelled} {
			if note := b.asleep(t, job); !strings.Contains(note, "stands still") {
				t.Errorf("%s: the note is %q", what, note)
			}
		}
		pbxtest.Eventually(t, "it can be cancelled", func() bool {
			_, err := b.Cancel(t.Context(), cancelled.ID, tenant.All)
			if err != nil && !fault.Is(err, fault.Unavailable) {
				t.Fatalf("%s: it is not cancelled: %v", what, err)
			}
			return err == nil
		})
		if job := b.ended(t, cancelled); job.State != tasks.StateCancelled {
			t.Errorf("%s: the job is %s: %v", what, job.State, job.Error)
		}
		b.proxy.Meddle(nil)
		if got := b.exported(t, again); got.SHA256 != whole.SHA256 {
			t.Errorf("%s: the file has the SHA-256 %s, want %s", what, got.SHA256, whole.SHA256)
		}
		b.wantOnly(t, what, whole)
	}
}

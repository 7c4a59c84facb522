package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"trunkline/internal/cdr"
	"trunkline/internal/export"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/servers"
	"trunkline/internal/postgres/postgrestest"
	"trunkline/internal/tenant"
	"trunkline/tasks"
)

const (
	// bucketKills is how often a worker is killed that writes one export into a bucket.
	bucketKills = 20
	// bucketCDRs make a file of more than one part.
	bucketCDRs = 45_000
	// bucketRequests is how many requests an attempt makes: it begins, sends two parts, looks for other uploads, removes an older
	// manifest, completes the file, looks at it, and writes checksum and manifest.
	bucketRequests = 9
)

// bucketSettings have exports be kept in a bucket of the server at that URL.
func bucketSettings(server, bucket string) []string {
	return []string{
		"TRUNKLINE_EXPORT_STORE=s3://" + bucket + "/exports?region=" + servers.S3Region + "&endpoint=" + url.QueryEscape(server),
		"TRUNKLINE_EXPORT_STORE_ACCESS_KEY=" + servers.S3AccessKey, "TRUNKLINE_EXPORT_STORE_SECRET_KEY=" + servers.S3SecretKey,
	}
}

// A worker that is killed while it sends an export to a bucket, before or after any of its requests has arrived, leaves it to
// another, of the same host or another one: in the end there is one whole file, and nothing of what was sent before.
func TestWorkerKilledWhileItExportsToABucket(t *testing.T) {
	t.Parallel()
	database, loaded := loadSample(t, bucketCDRs, postgrestest.Tables)
	for what, hosts := range map[string]int{"one host": 1, "two hosts": 2} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			killedWithBucket(t, samplePBXOn(t, pbxtest.Copy(t, database), loaded), hosts)
		})
	}
}

func killedWithBucket(t *testing.T, p *samplePBX, hosts int) {
	p.open(t)
	s := pbxtest.S3(t)
	bucket := pbxtest.NewBucket(t, s)
	proxy := pbxtest.NewProxy(t, s.URL())
	k := &killAt{at: -1, reached: make(chan struct{}, 1)}
	proxy.Meddle(k.meddle)
	starts := 0
	start := func() *pbxtest.Process {
		starts++
		spool := filepath.Join(p.dir, "spool", string(rune('a'+starts%hosts)))
		return p.start(t, "worker", append(append(sliceSettings("1"), bucketSettings(proxy.URL, bucket)...), "TRUNKLINE_EXPORT_DIR="+spool)...)
	}
	worker := start()
	job := p.exportAll(t, exportedFormat{format: export.CSV, compression: export.None})
	for kill := range bucketKills {
		k.arm(kill%bucketRequests, kill/bucketRequests == 1)
		if !k.awaits(t, func() bool { return p.ended(t, job) }) {
			t.Fatalf("the job has ended before the worker was killed %d times", bucketKills)
		}
		worker.Kill()
		worker = start()
	}
	k.arm(-1, false)
	ended, err := p.client.Wait(t.Context(), job.ID, patience)
	must(t, err)
	if ended.State != tasks.StateSucceeded {
		t.Fatalf("the job is %s: %v\n%s", ended.State, ended.Error, worker.Log)
	}
	var result cdr.Result
	must(t, json.Unmarshal(ended.Result, &result))
	content, err := s.Read(bucket, "exports/"+result.File)
	must(t, err)
	sum := sha256.Sum256(content)
	if got := hex.EncodeToString(sum[:]); got != result.SHA256 || result.TotalRecords != bucketCDRs {
		t.Errorf("the file has the SHA-256 %s, and the result says %s and %d rows", got, result.SHA256, result.TotalRecords)
	}
	for _, beside := range []string{".sha256", ".manifest.json"} {
		if text, err := s.Read(bucket, "exports/"+result.File+beside); err != nil || !strings.Contains(string(text), result.SHA256) {
			t.Errorf("%s is %q, %v", beside, text, err)
		}
	}
	if n, err := s.Unfinished(t.Context(), bucket); err != nil || n != 0 {
		t.Errorf("%d uploads are left, %v", n, err)
	}
	if parts, err := filepath.Glob(filepath.Join(p.dir, "spool", string(rune('a'+starts%hosts)), "*.part")); err != nil || len(parts) != 0 && hosts == 1 {
		t.Errorf("the spool has %v, %v", parts, err)
	}
}

// ended reports whether a job has.
func (p *samplePBX) ended(t *testing.T, job tasks.Job) bool {
	t.Helper()
	now, err := p.client.Get(t.Context(), job.ID, tenant.All)
	must(t, err)
	return now.State.Done()
}

// killAt holds a request that a worker is killed at.
type killAt struct {
	mu      sync.Mutex
	at      int  // how many requests are to pass before; below 0: all
	arrives bool // the request arrives, and its answer does not
	reached chan struct{}
}

// arm has the worker be killed at another request, of an export's file.
func (k *killAt) arm(at int, arrives bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.at, k.arrives = at, arrives
}

// awaits waits until a request is held; false: the condition holds before.
func (k *killAt) awaits(t *testing.T, or func() bool) (held bool) {
	t.Helper()
	pbxtest.Eventually(t, "a request is held", func() bool {
		select {
		case <-k.reached:
			held = true
		default:
		}
		return held || or()
	})
	return held
}

func (k *killAt) meddle(w http.ResponseWriter, r *http.Request, pass http.Handler) {
	if ofOld := r.URL.Query().Get("prefix") == "exports/"; ofOld || strings.HasSuffix(r.URL.Path, ".trunkline-worker") {
		pass.ServeHTTP(w, r) // a worker that starts
		return
	}
	k.mu.Lock()
	held, arrives := k.at == 0, k.arrives
	if k.at >= 0 {
		k.at--
	}
	k.mu.Unlock()
	if !held {
		pass.ServeHTTP(w, r)
		return
	}
	if arrives {
		pass.ServeHTTP(httptest.NewRecorder(), r)
	}
	_, _ = io.Copy(io.Discard, r.Body) // else nobody sees that the worker is gone
	k.reached <- struct{}{}
	<-r.Context().Done()
}

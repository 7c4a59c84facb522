package main

import (
	"bytes"
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
	// bucketRequests is how many requests an attempt makes: it begins, sends two parts, looks for other uploads and for an older
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
	k := newKillAt(func(r *http.Request) bool { // those of a worker that starts
		return r.URL.Query().Get("prefix") == "exports/" || strings.HasSuffix(r.URL.Path, ".trunkline-worker")
	})
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
		k.arm(kill%bucketRequests, arrivals[kill/bucketRequests])
		if !k.awaits(t, func() bool { return p.ended(t, job) }) {
			now, err := p.client.Get(t.Context(), job.ID, tenant.All)
			t.Fatalf("the job is %s (%v, %v) after %d kills, want it to run\n%s", now.State, now.Error, err, kill, worker.Log)
		}
		worker.Kill()
		worker = start()
	}
	k.disarm()
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

// arrival is how much of a request arrives whose sender is killed.
type arrival int

const (
	arrivesNot arrival = iota
	arrivesHalf
	arrives // and its answer does not
)

// arrivals are all of them.
var arrivals = []arrival{arrivesNot, arrives, arrivesHalf}

// killAt holds a request that a worker is killed at.
type killAt struct {
	spared  func(*http.Request) bool // what it lets pass and does not count
	reached chan struct{}

	mu      sync.Mutex
	at      int // how many requests are to pass before; below 0: all
	arrival arrival
}

func newKillAt(spared func(*http.Request) bool) *killAt {
	return &killAt{spared: spared, at: -1, reached: make(chan struct{}, 1)}
}

// arm has the worker be killed once so many more requests have passed.
func (k *killAt) arm(at int, much arrival) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.at, k.arrival = at, much
}

// disarm has all requests pass, one that was held meanwhile and that nobody was killed at excepted.
func (k *killAt) disarm() { k.arm(-1, arrivesNot) }

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
	if k.spared(r) {
		pass.ServeHTTP(w, r)
		return
	}
	k.mu.Lock()
	held, much := k.at == 0, k.arrival
	if k.at >= 0 {
		k.at--
	}
	k.mu.Unlock()
	if !held {
		pass.ServeHTTP(w, r)
		return
	}
	content, err := io.ReadAll(r.Body) // else nobody sees that the worker is gone
	if err != nil {
		return
	}
	switch {
	case much == arrives:
		r.Body = io.NopCloser(bytes.NewReader(content))
		pass.ServeHTTP(httptest.NewRecorder(), r)
	case much == arrivesHalf && len(content) > 0:
		half := &cutOff{content: bytes.NewReader(content[:len(content)/2]), read: func() { k.reached <- struct{}{} }, gone: r.Context().Done()}
		r.Body = io.NopCloser(half)
		pass.ServeHTTP(httptest.NewRecorder(), r)
		return
	}
	k.reached <- struct{}{}
	<-r.Context().Done()
}

// cutOff is what is sent of a request until its sender is gone.
type cutOff struct {
	content *bytes.Reader
	read    func() // all that there is has been
	gone    <-chan struct{}
	once    sync.Once
}

// Read implements io.Reader.
func (c *cutOff) Read(p []byte) (int, error) {
	n, err := c.content.Read(p)
	if err == nil {
		return n, nil
	}
	c.once.Do(c.read)
	<-c.gone
	return 0, io.ErrUnexpectedEOF
}

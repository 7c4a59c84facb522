package main

import (
	"bytes"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/servers"
	"trunkline/internal/pbxtest/tour"
)

// Rooms that share no disk share a bucket: the demo's tour goes through, check sees it, and the keys are nowhere.
func TestRoomsApartShareABucket(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 8000)
	s := pbxtest.S3(t)
	bucket := pbxtest.NewBucket(t, s)
	outside := newOutside(t)
	on := func(host string) []string {
		return append(slices.Concat(bucketSettings(s.URL(), bucket), outside.Settings()), "TRUNKLINE_EXPORT_STORE_REDIRECT=true", "TRUNKLINE_LOG_LEVEL=debug", "TRUNKLINE_EXPORT_DIR="+filepath.Join(p.dir, host))
	}
	runHere(t, append(p.env, on("a")...), "migrate").wants(t, 0)
	worker := p.start(t, "worker", on("a")...)
	p.start(t, "scheduler", on("b")...)
	base, front := p.serve(t, "api", on("c")...)
	var printed bytes.Buffer
	tour := &tour.Tour{Out: &printed, Base: base, Sample: p.sample, Registered: sampleRegistered, Verbose: true, Console: p.sw.Console, Outside: outside}
	if err := tour.Run(t.Context()); err != nil {
		t.Fatalf("%v\n%s\n%s\n%s", err, &printed, worker.Log, front.Log)
	}
	checked := runHere(t, append(p.env, on("d")...), "check")
	checked.wants(t, 1, "export folder          NOT RIGHT", "export store           ok: s3://"+bucket+"/exports/ at ", "is written and read", "what the worker wrote is read here")
	if n, err := s.Unfinished(t.Context(), bucket); err != nil || n != 0 {
		t.Errorf("%d uploads are left, %v", n, err)
	}
	p.open(t)
	var rows string
	must(t, p.pool.QueryRow(t.Context(), "select string_agg(j::text, '') from trunkline.jobs j").Scan(&rows))
	for place, content := range map[string]string{"the worker's log": worker.Log.String(), "the front end's log": front.Log.String(), "the job rows": rows, "Redis": redisContents(t, p.redis), "the answers": printed.String()} {
		if strings.Contains(content, servers.S3SecretKey) {
			t.Errorf("%s holds the secret key", place)
		}
	}
	shown := runHere(t, append(p.env, on("d")...), "config")
	shown.wants(t, 0, "s3://"+bucket+"/exports")
	if strings.Contains(shown.out, servers.S3SecretKey) || strings.Contains(shown.out, servers.S3AccessKey) {
		t.Errorf("config shows a key: %s", shown)
	}
}

// What is wrong about the bucket is said with the remedy, by check and by a worker that starts. One whose server is away keeps
// no worker from its other jobs: it starts, and marks the bucket later.
func TestBucketThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 0)
	runHere(t, p.env, "migrate").wants(t, 0)
	s := pbxtest.S3(t)
	bucket := pbxtest.NewBucket(t, s)
	for what, c := range map[string]struct {
		env  []string
		says string
	}{
		"no bucket":   {bucketSettings(s.URL(), "nowhere"), "there is no such bucket"},
		"a wrong key": {append(bucketSettings(s.URL(), bucket), "TRUNKLINE_EXPORT_STORE_SECRET_KEY=Geheim77"), "the secret key is not the access key's"},
		"no rights":   {append(bucketSettings(s.URL(), bucket), "TRUNKLINE_EXPORT_STORE_ACCESS_KEY="+servers.S3GuestKey, "TRUNKLINE_EXPORT_STORE_SECRET_KEY="+servers.S3GuestSecret), "s3:PutObject"},
		"a wrong CA":  {append(bucketSettings(s.URL(), bucket), "TRUNKLINE_EXPORT_STORE_CA=/nowhere.pem"), "TRUNKLINE_EXPORT_STORE_CA"},
	} {
		for _, command := range []string{"check", "worker"} {
			got := runHere(t, append(p.env, c.env...), command)
			if got.status != 1 || !strings.Contains(got.out+got.err, c.says) || !strings.Contains(got.out+got.err, "TRUNKLINE_EXPORT_STORE") || strings.Contains(got.out+got.err, "Geheim77") {
				t.Errorf("%s: %s says %s", what, command, got)
			}
		}
	}
	proxy := pbxtest.NewProxy(t, s.URL())
	proxy.Meddle(func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		http.Error(w, "<Error><Code>SlowDown</Code></Error>", http.StatusServiceUnavailable)
	})
	env := bucketSettings(proxy.URL, bucket)
	worker := p.start(t, "worker", env...)
	pbxtest.Eventually(t, "the worker starts", func() bool { return strings.Contains(worker.Log.String(), "worker started") })
	if !strings.Contains(worker.Log.String(), "exports wait for it") {
		t.Errorf("it does not say that the bucket is away: %s", worker.Log)
	}
	runHere(t, append(p.env, env...), "check").wants(t, 1, "export store           NOT RIGHT: TRUNKLINE_EXPORT_STORE: s3://"+bucket)
	proxy.Meddle(nil)
	pbxtest.Eventually(t, "the worker marks the bucket", func() bool {
		return strings.Contains(runHere(t, append(p.env, env...), "check").out, "export store shared    ok: what the worker wrote is read here")
	})
}

package worker_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"trunkline/internal/cdr"
	"trunkline/internal/delivery"
	"trunkline/internal/delivery/destinations"
	"trunkline/internal/delivery/outbox"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/servers"
	"trunkline/internal/tenant"
	"trunkline/tasks"
)

// A server of S3 that takes a file at a trickle, or hangs in the middle, holds a worker for as long as one try may take. What
// has gone out shows meanwhile; between the tries others are delivered to, and in the end the file is there whole.
func TestDeliveryToASlowServer(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: bucketCDRs, stopped: true})
	s := pbxtest.S3(t)
	bucket := pbxtest.NewBucket(t, s)
	proxy, ca := pbxtest.NewSecureProxy(t, s.URL())
	settings := &b.options.Settings
	settings.DeliveryDir, settings.DeliveryCA, settings.DeliveryNetworks = t.TempDir(), ca, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	settings.DeliverConcurrency, settings.DeliverTimeout = 1, 4*time.Second
	settings.DeliverRetryFirst, settings.DeliverRetryMost = 10*time.Minute, 10*time.Minute
	b.sweeping(t)
	b.start(t)
	slow, err := b.destinations().Create(t.Context(), destinations.Given{Name: "slow", Kind: "s3", Enabled: true, CreatedBy: "superadmin", Values: destinations.Values{
		"bucket": bucket, "region": servers.S3Region, "endpoint": proxy.URL, "access_key": servers.S3AccessKey, "secret_key": servers.S3SecretKey,
	}})
	must(t, err)
	other := b.destination(t, "", "other")
	box := outbox.NewBox(b.pool, b.Client)
	for what, meddle := range map[string]func(r *http.Request, pass func()){
		"trickle.csv": func(r *http.Request, pass func()) {
			r.Body = io.NopCloser(&trickle{r.Body})
			pass()
		},
		"hang.csv": func(r *http.Request, _ func()) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		},
	} {
		proxy.Meddle(func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
			if r.URL.Query().Get("partNumber") != "2" {
				pass.ServeHTTP(w, r)
				return
			}
			meddle(r, func() { pass.ServeHTTP(w, r) })
		})
		export := b.exportTo(t, "", delivery.Order{DestinationID: slow.ID, Name: what})
		made, err := box.OfExport(t.Context(), export.ID)
		must(t, err)
		job := tasks.Job{ID: made[0].JobID}
		pbxtest.Eventually(t, "it shows how far it is", func() bool {
			job, err = b.Get(t.Context(), job.ID, tenant.All)
			must(t, err)
			p := job.Progress
			return p.Done > 0 && p.Done <= p.Total && p.Unit == "bytes" && p.Note == "try 1"
		})
		if note := b.asleep(t, job); !strings.Contains(note, "TRUNKLINE_DELIVER_TIMEOUT") || !strings.Contains(note, "tried 1 times") {
			t.Errorf("%s: the note is %q", what, note)
		}
		if ended := b.deliveries(t, b.exportTo(t, "", delivery.Order{DestinationID: other.ID, Name: what})); ended[0].State != tasks.StateSucceeded {
			t.Errorf("%s: the other delivery %s", what, ended[0].State)
		}
		proxy.Meddle(nil)
		_, err = box.SendAgain(t.Context(), made[0].ID, tenant.All, b.sample.SuperadminUUID, "superadmin")
		must(t, err)
		var result cdr.Result
		must(t, json.Unmarshal(export.Result, &result))
		if job = b.ended(t, job); job.State != tasks.StateSucceeded || job.Progress.Done != result.Bytes || job.Progress.Total != result.Bytes {
			t.Errorf("%s: got %s %v, %+v", what, job.State, job.Error, job.Progress)
		}
		content, err := s.Read(bucket, what)
		must(t, err)
		if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != result.SHA256 {
			t.Errorf("%s: what is there is not the export", what)
		}
		if n, err := s.Unfinished(t.Context(), bucket); err != nil || n != 0 {
			t.Errorf("%s: %d uploads are left, %v", what, n, err)
		}
	}
	var rows string
	must(t, b.pool.QueryRow(t.Context(), `select concat((select string_agg(x::text, '') from trunkline.jobs x), (select string_agg(x::text, '') from trunkline.deliveries x),
		(select string_agg(x::text, '') from trunkline.delivery_attempts x), (select string_agg(x::text, '') from trunkline.destinations x))`).Scan(&rows))
	for place, text := range map[string]string{"the log": b.log.String(), "a row": rows} {
		if strings.Contains(text, servers.S3SecretKey) || strings.Contains(text, "Signature=") {
			t.Errorf("%s holds a secret", place)
		}
	}
}

// trickle is read a few bytes at a time.
type trickle struct{ io.Reader }

// Read implements io.Reader.
func (r *trickle) Read(p []byte) (int, error) {
	<-time.After(50 * time.Millisecond)
	return r.Reader.Read(p[:min(len(p), 1000)])
}

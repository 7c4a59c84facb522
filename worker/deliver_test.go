package worker_test

import (
	"encoding/json"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trunkline/internal/cdr"
	"trunkline/internal/delivery"
	"trunkline/internal/delivery/destinations"
	"trunkline/internal/delivery/outbox"
	"trunkline/internal/fault"
	"trunkline/internal/pbxtest"
	"trunkline/internal/tenant"
	"trunkline/tasks"
)

// destination makes a destination in a folder of the test's own.
func (b *bundle) destination(t *testing.T, domain, name string) destinations.Destination {
	t.Helper()
	d, err := b.destinations().Create(t.Context(), destinations.Given{
		DomainUUID: domain, Name: name, Kind: "folder", Values: destinations.Values{"folder": name}, Enabled: true, CreatedBy: "superadmin",
	})
	must(t, err)
	return d
}

func (b *bundle) destinations() *destinations.Store {
	return destinations.New(b.pool, b.Keys(), b.options.Settings)
}

// exportTo runs an export whose file is brought to these, and returns its job.
func (b *bundle) exportTo(t *testing.T, domain string, orders ...delivery.Order) tasks.Job {
	t.Helper()
	n := b.cdrs(domain, "CSV")
	n.Params = outbox.ExportParams{Request: n.Params.(cdr.Request), Deliver: orders}
	job := b.run(t, n)
	if job.State != tasks.StateSucceeded {
		t.Fatalf("the export %s: %v", job.State, job.Error)
	}
	return job
}

// deliveries are those of an export, once they have ended.
func (b *bundle) deliveries(t *testing.T, export tasks.Job) (all []tasks.Job) {
	t.Helper()
	rows, err := b.pool.Query(t.Context(), "select job_id::text from trunkline.deliveries where export_job_id = $1 order by id", export.ID)
	must(t, err)
	defer rows.Close()
	for rows.Next() {
		var id string
		must(t, rows.Scan(&id))
		all = append(all, b.ended(t, tasks.Job{ID: id}))
	}
	must(t, rows.Err())
	return all
}

// deliveryRow is a delivery as its row has it: state and code of the error.
func (b *bundle) deliveryRow(t *testing.T, job tasks.Job) (state, code string, tries int) {
	t.Helper()
	must(t, b.pool.QueryRow(t.Context(), `
		select state, coalesce(error_code, ''), (select count(*) from trunkline.delivery_attempts where delivery_id = deliveries.id)
		from trunkline.deliveries where job_id = $1`, job.ID).Scan(&state, &code, &tries))
	return state, code, tries
}

func TestAnExportIsDelivered(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 1000, stopped: true})
	b.options.Settings.DeliveryDir = t.TempDir()
	b.start(t)
	domain := b.sample.Domains[1].UUID
	own, others := b.destination(t, domain, "own"), b.destination(t, b.sample.Domains[2].UUID, "others")
	export := b.exportTo(t, domain, delivery.Order{DestinationID: own.ID, Name: "nightly/calls.csv"}, delivery.Order{DestinationID: others.ID, Name: "calls.csv"})
	ended := b.deliveries(t, export)
	if len(ended) != 2 || ended[0].State != tasks.StateSucceeded || ended[1].State != tasks.StateFailed || ended[1].Error.Code != fault.Forbidden {
		t.Fatalf("got %+v", ended)
	}
	var result cdr.Result
	must(t, json.Unmarshal(export.Result, &result))
	want, err := os.ReadFile(filepath.Join(b.dir, result.File))
	must(t, err)
	got, err := os.ReadFile(filepath.Join(b.options.Settings.DeliveryDir, domain, "own/nightly/calls.csv"))
	must(t, err)
	if string(got) != string(want) {
		t.Error("what was delivered is not the export")
	}
	if state, code, tries := b.deliveryRow(t, ended[0]); state != string(outbox.StateDelivered) || code != "" || tries != 1 {
		t.Errorf("got %s %s after %d tries", state, code, tries)
	}
	if state, code, _ := b.deliveryRow(t, ended[1]); state != string(outbox.StateFailed) || code != fault.Forbidden {
		t.Errorf("got %s %s", state, code)
	}
}

// What may pass is tried again, without a worker in between, and given up when its time is over.
func TestADeliveryIsTriedAgain(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 10, stopped: true})
	b.options.Settings.DeliveryDir, b.options.Settings.DeliveryDomainBytes = t.TempDir(), 1<<20
	b.start(t)
	domain := b.sample.Domains[1].UUID
	own := b.destination(t, domain, "own")
	full := filepath.Join(b.options.Settings.DeliveryDir, domain, "old.csv")
	must(t, os.MkdirAll(filepath.Dir(full), 0o700))
	must(t, os.WriteFile(full, make([]byte, 1<<20), 0o600))
	export := b.exportTo(t, domain, delivery.Order{DestinationID: own.ID, Name: "calls.csv"})
	var job tasks.Job
	pbxtest.Eventually(t, "it was tried twice", func() bool {
		must(t, b.pool.QueryRow(t.Context(), "select job_id::text from trunkline.deliveries where export_job_id = $1", export.ID).Scan(&job.ID))
		_, err := b.Sweep(t.Context())
		must(t, err)
		state, _, tries := b.deliveryRow(t, job)
		return tries >= 2 && state == string(outbox.StatePending)
	})
	must(t, os.Remove(full))
	pbxtest.Eventually(t, "it is delivered", func() bool {
		_, err := b.Sweep(t.Context())
		must(t, err)
		state, _, _ := b.deliveryRow(t, job)
		return state == string(outbox.StateDelivered)
	})
}

func TestADeliveryIsGivenUp(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 10, stopped: true})
	b.options.Settings.DeliveryDir = t.TempDir()
	b.options.Settings.DeliverRetryFor = time.Millisecond
	b.options.Settings.ExportMinFreeBytes = 1 << 60
	b.start(t)
	own := b.destination(t, "", "own")
	ended := b.deliveries(t, b.exportTo(t, "", delivery.Order{DestinationID: own.ID, Name: "calls.csv"}))
	if job := ended[0]; job.State != tasks.StateFailed || job.Error.Code != fault.InsufficientStorage || !strings.Contains(job.Error.Message, "TRUNKLINE_DELIVER_RETRY_FOR") {
		t.Errorf("got %s %v", job.State, job.Error)
	}
}

// parkedDelivery is one that waits for its next try, which comes much later.
func (b *bundle) parkedDelivery(t *testing.T) (tasks.Job, outbox.Delivery, string) {
	t.Helper()
	b.options.Settings.DeliveryDir, b.options.Settings.DeliveryDomainBytes = t.TempDir(), 1<<20
	b.options.Settings.DeliverRetryFirst, b.options.Settings.DeliverRetryMost = 10*time.Minute, 10*time.Minute
	b.start(t)
	domain := b.sample.Domains[1].UUID
	own := b.destination(t, domain, "own")
	full := filepath.Join(b.options.Settings.DeliveryDir, domain, "old.csv")
	must(t, os.MkdirAll(filepath.Dir(full), 0o700))
	must(t, os.WriteFile(full, make([]byte, 1<<20), 0o600))
	export := b.exportTo(t, domain, delivery.Order{DestinationID: own.ID, Name: "calls.csv"})
	box := outbox.NewBox(b.pool, b.Client)
	var made outbox.Delivery
	pbxtest.Eventually(t, "it waits for its next try", func() bool {
		_, err := b.Sweep(t.Context())
		must(t, err)
		all, err := box.OfExport(t.Context(), export.ID)
		must(t, err)
		made = all[0]
		next, err := box.NextTry(t.Context(), made)
		must(t, err)
		return next != nil && time.Until(*next) > time.Minute
	})
	job, err := b.Get(t.Context(), made.JobID, tenant.All)
	must(t, err)
	if made.State != outbox.StatePending || job.State != tasks.StateRunning || !strings.Contains(job.Progress.Note, "tried 1 times") {
		t.Errorf("got %+v, %+v", made, job)
	}
	return job, made, full
}

// One that waits is cancelled, and can be sent again, by a new job.
func TestADeliveryIsCancelled(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 10, stopped: true})
	job, made, full := b.parkedDelivery(t)
	_, err := b.Cancel(t.Context(), job.ID, tenant.All)
	must(t, err)
	_, err = b.Sweep(t.Context())
	must(t, err)
	if job = b.ended(t, job); job.State != tasks.StateCancelled {
		t.Fatalf("got %s %v", job.State, job.Error)
	}
	if state, code, _ := b.deliveryRow(t, job); state != string(outbox.StateFailed) || code != fault.Cancelled {
		t.Errorf("got %s %s", state, code)
	}
	must(t, os.Remove(full))
	again, err := outbox.NewBox(b.pool, b.Client).SendAgain(t.Context(), made.ID, tenant.All, b.sample.SuperadminUUID, "superadmin")
	must(t, err)
	if again.JobID == job.ID || again.State != outbox.StatePending || again.Error != nil {
		t.Errorf("got %+v", again)
	}
	if ended := b.ended(t, tasks.Job{ID: again.JobID}); ended.State != tasks.StateSucceeded {
		t.Errorf("got %s %v", ended.State, ended.Error)
	}
	// The job that was cancelled delivers nothing any more.
	_, err = b.Retry(t.Context(), job.ID, tenant.All)
	must(t, err)
	if job = b.ended(t, job); job.State != tasks.StateFailed || job.Error.Code != fault.Superseded {
		t.Errorf("got %s %v", job.State, job.Error)
	}
}

// One that waits is tried at once when somebody says so.
func TestAWaitingDeliveryIsSentAgain(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 10, stopped: true})
	job, made, full := b.parkedDelivery(t)
	must(t, os.Remove(full))
	again, err := outbox.NewBox(b.pool, b.Client).SendAgain(t.Context(), made.ID, tenant.All, b.sample.SuperadminUUID, "superadmin")
	must(t, err)
	if again.JobID != job.ID {
		t.Errorf("got %+v", again)
	}
	if ended := b.ended(t, job); ended.State != tasks.StateSucceeded {
		t.Errorf("got %s %v", ended.State, ended.Error)
	}
}

// A worker that shuts down hands a delivery back that a silent server holds up.
func TestShutdownHandsADeliveryBack(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { must(t, silent.Close()) })
	b := newBundle(t, setUp{cdrs: 10, stopped: true})
	b.options.Settings.ShutdownTimeout = 50 * time.Millisecond
	b.options.Settings.DeliveryNetworks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	stop := b.start(t)
	host, port, err := net.SplitHostPort(silent.Addr().String())
	must(t, err)
	d, err := b.destinations().Create(t.Context(), destinations.Given{Name: "silent", Kind: "sftp", Enabled: true, Values: destinations.Values{
		"host": host, "port": port, "login": "billing", "login_password": "hunter2", "host_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1l2aBtlrMDIh+lFzo4XI7kD4mRBVgQ4qCnUCxdcTAL",
	}})
	must(t, err)
	export := b.exportTo(t, "", delivery.Order{DestinationID: d.ID, Name: "calls.csv"})
	var job tasks.Job
	pbxtest.Eventually(t, "it is under way", func() bool {
		must(t, b.pool.QueryRow(t.Context(), "select job_id::text from trunkline.deliveries where export_job_id = $1", export.ID).Scan(&job.ID))
		_, _, tries := b.deliveryRow(t, job)
		return tries == 1
	})
	stop()
	if job, err = b.Get(t.Context(), job.ID, tenant.All); err != nil || job.State != tasks.StateQueued {
		t.Errorf("got %s, %v", job.State, err)
	}
	if state, code, _ := b.deliveryRow(t, job); state != string(outbox.StatePending) || code != "" {
		t.Errorf("got %s %s", state, code)
	}
	if strings.Contains(b.log.String(), "hunter2") || strings.Contains(string(job.Params), "hunter2") {
		t.Error("the password is in the log or in the job")
	}
}

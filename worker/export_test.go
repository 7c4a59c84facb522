package worker_test

import (
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"trunkline/internal/cdr"
	"trunkline/internal/export"
	"trunkline/internal/fault"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/pbxtest/servers"
	"trunkline/internal/tenant"
	"trunkline/tasks"
)

// cdrs is an export request of everything that a domain has, "" for all domains.
func (b *bundle) cdrs(domain string, format export.Format) tasks.NewJob {
	now := time.Now().UTC()
	return tasks.NewJob{
		Kind: tasks.KindExport, DomainUUID: domain, CreatedBy: b.sample.SuperadminUUID, CreatedByName: "superadmin",
		Subject: "export:" + domain, BodyHash: []byte(uuid.NewString()),
		Params: cdr.Request{
			DomainUUID: domain, Format: format,
			Window: cdr.Window{Start: now.AddDate(-1, 0, 0), End: now.AddDate(0, 0, 1), DateStart: "a year ago", DateEnd: "tomorrow", TimeZone: "UTC"},
		},
	}
}

func TestExportOnEveryVersion(t *testing.T) {
	t.Parallel()
	for _, version := range sample.Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{version: version, cdrs: 3000})
			for _, domain := range []string{"", b.sample.Domains[1].UUID} {
				job := b.run(t, b.cdrs(domain, "CSV"))
				if job.State != tasks.StateSucceeded {
					t.Fatalf("got %s %v", job.State, job.Error)
				}
				var result cdr.Result
				must(t, json.Unmarshal(job.Result, &result))
				var want int64
				must(t, b.pool.QueryRow(t.Context(), `select count(*) from v_xml_cdr where $1 = '' or domain_uuid::text = $1`, domain).Scan(&want))
				content, err := os.ReadFile(filepath.Join(b.dir, result.File))
				must(t, err)
				rows, err := csv.NewReader(strings.NewReader(string(content))).ReadAll()
				must(t, err)
				sum := sha256.Sum256(content)
				if int64(len(rows)-1) != want || result.TotalRecords != want || result.SHA256 != hex.EncodeToString(sum[:]) || result.Bytes != int64(len(content)) {
					t.Fatalf("got %d rows in the file and %+v, want %d rows", len(rows)-1, result, want)
				}
			}
		})
	}
}

// Such a database holds caller names that are no UTF-8, and Postgres would refuse to send them.
func TestSQLASCIIDatabase(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 3000, database: []servers.DatabaseOption{servers.WithEncoding("SQL_ASCII")}})
	b.provisioned(t, b.gateway("", "Müller <Büro>", carrier("description", "für \u2028 alle")))
	for _, format := range export.Formats() {
		job := b.run(t, b.cdrs("", format))
		if job.State != tasks.StateSucceeded {
			t.Fatalf("%s: got %s %v", format, job.State, job.Error)
		}
		var result cdr.Result
		must(t, json.Unmarshal(job.Result, &result))
		content, err := os.ReadFile(filepath.Join(b.dir, result.File))
		must(t, err)
		if kept := !utf8.Valid(content); result.TotalRecords != 3000 || kept != (format == "CSV") && format != "PARQUET" { // which is no text
			t.Errorf("%s: %d records, invalid bytes kept %t", format, result.TotalRecords, kept)
		}
	}
}

func TestExportBelowTheFloor(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 10, stopped: true})
	b.options.Exporter.Store = cdr.Folder{Dir: b.dir, MinFreeBytes: 1 << 60}
	b.start(t)
	job := b.run(t, b.cdrs("", "CSV"))
	if job.State != tasks.StateFailed || job.Error.Code != fault.InsufficientStorage {
		t.Fatalf("got %s %v, want it refused", job.State, job.Error)
	}
	left, err := filepath.Glob(filepath.Join(b.dir, "*"))
	must(t, err)
	if len(left) != 0 {
		t.Fatalf("left behind: %v", left)
	}
}

// holdExport makes exports wait in the middle, on a lock on the table.
func (b *bundle) holdExport(t *testing.T) (release func()) {
	t.Helper()
	tx, err := b.pool.Begin(t.Context())
	must(t, err)
	_, err = tx.Exec(t.Context(), "lock table v_xml_cdr in access exclusive mode")
	must(t, err)
	var released atomic.Bool
	release = func() {
		if released.CompareAndSwap(false, true) {
			must(t, tx.Rollback(context.Background()))
		}
	}
	t.Cleanup(release)
	return release
}

func (b *bundle) running(t *testing.T, job tasks.Job) func() bool {
	return func() bool {
		now, err := b.Get(t.Context(), job.ID, tenant.All)
		must(t, err)
		return now.State == tasks.StateRunning
	}
}

func TestCancelReachesARunningExport(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 10})
	b.holdExport(t)
	job, err := b.Submit(t.Context(), b.cdrs("", "CSV"))
	must(t, err)
	pbxtest.Eventually(t, "the export runs", b.running(t, job))
	_, err = b.Cancel(t.Context(), job.ID, tenant.All)
	must(t, err)
	if job = b.ended(t, job); job.State != tasks.StateCancelled {
		t.Fatalf("got %s %v, want cancelled", job.State, job.Error)
	}
}

func TestShutdownHandsBack(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 10, stopped: true})
	b.options.Settings.ShutdownTimeout = 50 * time.Millisecond
	stop := b.start(t)
	release := b.holdExport(t)
	job, err := b.Submit(t.Context(), b.cdrs("", "CSV"))
	must(t, err)
	pbxtest.Eventually(t, "the export runs", b.running(t, job))
	stop()
	handed, err := b.Get(t.Context(), job.ID, tenant.All)
	must(t, err)
	if handed.State != tasks.StateQueued || handed.Dispatch <= job.Dispatch {
		t.Fatalf("got %s, dispatch %d; want it handed back", handed.State, handed.Dispatch)
	}
	release()
	b.start(t)
	if job = b.ended(t, job); job.State != tasks.StateSucceeded {
		t.Fatalf("the next worker: got %s %v", job.State, job.Error)
	}
}

// A heartbeat that waits for the row of a job that ends itself finds it ended: the next one gets its slot all the same.
func TestAnExportEndsWhileItsHeartbeatWaits(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 10, stopped: true})
	b.options.Settings.HeartbeatInterval = time.Millisecond
	b.start(t)
	_, err := b.pool.Exec(t.Context(), `
		create function trunkline.commits_slowly() returns trigger language plpgsql as 'begin perform pg_sleep(0.02); return null; end';
		create constraint trigger commits_slowly after update of state on trunkline.jobs deferrable initially deferred
			for each row when (new.state = 'succeeded') execute procedure trunkline.commits_slowly()`)
	must(t, err)
	var jobs []tasks.Job
	for range 20 { // of two slots, without a sweep
		job, err := b.Submit(t.Context(), b.cdrs("", "CSV"))
		must(t, err)
		jobs = append(jobs, job)
	}
	for _, job := range jobs {
		if job = b.ended(t, job); job.State != tasks.StateSucceeded {
			t.Errorf("got %s %v", job.State, job.Error)
		}
	}
	if strings.Contains(b.log.String(), "given up for lost") {
		t.Errorf("an export was given up for lost:\n%s", b.log)
	}
}

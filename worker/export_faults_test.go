package worker_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trunkline/internal/cdr"
	"trunkline/internal/config"
	"trunkline/internal/export"
	"trunkline/internal/fault"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/pbxtest/servers"
	"trunkline/internal/postgres"
	"trunkline/internal/postgres/postgrestest"
	"trunkline/internal/sealing"
	"trunkline/internal/tenant"
	"trunkline/tasks"
)

const (
	// slowCDRs are read at slowPace, in bytes a second, in some four seconds. When the first slices are finished, after a
	// second, the server still has rows to send: up to 3 MB are on their way.
	slowCDRs = 18_000
	slowPace = 1500 << 10
)

// slowExports is a bundle whose export jobs read through connections of their own, as the program's do, so slowly that an
// attempt lasts: each second something is finished.
type slowExports struct {
	*bundle
	link  *pbxtest.Link
	url   string // of the database itself
	want  cdr.Result
	whole int64 // bytes that the server sends for all rows
}

// newSlowExports has the database on servers of the test's own, if there are any, and the rows read from there, if they are
// of a standby. No worker runs.
func newSlowExports(t *testing.T, own *servers.Pair, change func(*config.Settings)) *slowExports {
	t.Helper()
	var url string
	if own != nil {
		var err error
		url, err = own.CreateDatabase(t.Context(), "calls", sample.V55, postgrestest.Tables)
		must(t, err)
	}
	b := &slowExports{bundle: newBundle(t, setUp{cdrs: slowCDRs, stopped: true, databaseURL: url})}
	b.url = b.pool.Config().ConnString()
	settings := &b.options.Settings
	settings.HeartbeatTimeout, settings.ShutdownTimeout = time.Second, 50*time.Millisecond
	if change != nil {
		change(settings)
	}
	keys, err := sealing.NewKeys(make([]byte, 32))
	must(t, err)
	b.Client = tasks.NewClient(b.pool, keys, b.options.Redis, *settings, b.options.Log)
	b.options.Tasks = b.Client
	b.sweeping(t)
	return b
}

// read has exports read that database, by as many connections, over the slow link or without one.
func (b *slowExports) read(t *testing.T, url string, connections int, slow bool) {
	t.Helper()
	if slow {
		b.link = pbxtest.NewLink(t, url, slowPace)
		url = b.link.Through(url)
	}
	rows, err := postgres.OpenBulk(t.Context(), cdr.ConnectionsName, url, 4*connections)
	must(t, err)
	t.Cleanup(rows.Close)
	b.options.Exporter.Rows, b.options.Exporter.Connections, b.options.Exporter.Share = rows, connections, 25
}

// readSlowly has exports read the database over the slow link, after one that nobody disturbs.
func (b *slowExports) readSlowly(t *testing.T) {
	t.Helper()
	fast := pbxtest.NewLink(t, b.url, 0)
	b.read(t, fast.Through(b.url), 1, false)
	stop := b.start(t)
	b.want = b.wantExport(t, b.submit(t))
	stop()
	b.whole = fast.Received()
	b.read(t, b.url, 1, true)
}

func (b *slowExports) submit(t *testing.T) tasks.Job {
	t.Helper()
	request := b.cdrs("", export.CSV)
	params := request.Params.(cdr.Request)
	params.Compression = export.Gzip
	request.Params = params
	job, err := b.Submit(t.Context(), request)
	must(t, err)
	return job
}

// finishing waits until an attempt has finished some slices of the job.
func (b *slowExports) finishing(t *testing.T, job tasks.Job) {
	t.Helper()
	pbxtest.Eventually(t, "slices are finished", func() bool {
		var slices int
		err := b.pool.QueryRow(t.Context(), "select count(*) from trunkline.steps where job_id = $1", job.ID).Scan(&slices)
		return err == nil && slices > 0
	})
}

// ended waits for the job's end; the database may be away meanwhile.
func (b *slowExports) ended(t *testing.T, job tasks.Job) tasks.Job {
	t.Helper()
	pbxtest.Eventually(t, "the job has ended", func() bool {
		now, err := b.Get(t.Context(), job.ID, tenant.All)
		if err == nil {
			job = now
		}
		return job.State.Done()
	})
	return job
}

// wantExport waits for the job, which has to succeed and leave its file and no part.
func (b *slowExports) wantExport(t *testing.T, job tasks.Job) (result cdr.Result) {
	t.Helper()
	job = b.ended(t, job)
	if job.State != tasks.StateSucceeded {
		t.Fatalf("the job is %s: %v\n%s", job.State, job.Error, b.log)
	}
	must(t, json.Unmarshal(job.Result, &result))
	if b.want.SHA256 != "" && result.SHA256 != b.want.SHA256 {
		t.Errorf("the file has %d rows, %d bytes and the SHA-256 %s; undisturbed it has %d, %d and %s",
			result.TotalRecords, result.Bytes, result.SHA256, b.want.TotalRecords, b.want.Bytes, b.want.SHA256)
	}
	b.wantNoParts(t)
	return result
}

// wantNoParts checks that no attempt has left anything, also not in the database.
func (b *slowExports) wantNoParts(t *testing.T) {
	t.Helper()
	parts, err := filepath.Glob(filepath.Join(b.dir, "*.part"))
	must(t, err)
	var steps int
	must(t, b.pool.QueryRow(t.Context(), "select count(*) from trunkline.steps").Scan(&steps))
	if len(parts) > 0 || steps > 0 {
		t.Errorf("left behind: %v, and %d steps", parts, steps)
	}
}

// parts waits until an attempt has left a part for the next one.
func (b *slowExports) wantParts(t *testing.T) {
	t.Helper()
	if parts, err := filepath.Glob(filepath.Join(b.dir, "*.part")); err != nil || len(parts) == 0 {
		t.Fatalf("no part is there (%v)", err)
	}
}

func (b *slowExports) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	_, err := b.pool.Exec(t.Context(), sql, args...)
	must(t, err)
}

const endBackends = "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = '" + cdr.ConnectionsName + "'"

// A database that restarts, or ends the connection, and a network that breaks, have the next attempt go on.
func TestExportGoesOnAfterItsConnectionBroke(t *testing.T) {
	t.Parallel()
	own := pbxtest.NewServers(t)
	b := newSlowExports(t, own, nil)
	b.readSlowly(t)
	b.start(t)
	for name, breaks := range map[string]func(){
		"Postgres restarts":     func() { must(t, own.RestartPostgres(t.Context())) },
		"its backend is ended":  func() { b.exec(t, endBackends) },
		"the connection breaks": func() { b.link.Cut() },
	} {
		job := b.submit(t)
		b.finishing(t, job)
		breaks()
		b.wantExport(t, job)
		if job = b.ended(t, job); job.Attempt < 2 {
			t.Errorf("%s: it ended in attempt %d", name, job.Attempt)
		}
	}
}

// A worker that is told to stop hands the export back, and another goes on.
func TestExportGoesOnAfterAShutdown(t *testing.T) {
	t.Parallel()
	b := newSlowExports(t, nil, nil)
	b.readSlowly(t)
	stop := b.start(t)
	job := b.submit(t)
	b.finishing(t, job)
	stop()
	b.wantParts(t)
	var kept int64
	must(t, b.pool.QueryRow(t.Context(), "select sum((content->'slice'->>'rows')::bigint) from trunkline.steps where job_id = $1", job.ID).Scan(&kept))
	b.link.Cut() // with what was on its way
	before := b.link.Received()
	b.start(t)
	b.wantExport(t, job)
	if job = b.ended(t, job); job.Attempt != 2 {
		t.Errorf("it ended in attempt %d", job.Attempt)
	}
	if read, most := b.link.Received()-before, b.whole*(slowCDRs-kept)/slowCDRs+b.whole/20; read > most {
		t.Errorf("the second attempt read %d bytes of %d, with %d of %d rows finished before it; want %d at most", read, b.whole, kept, slowCDRs, most)
	}
}

// The database ends the connection when all is written and the job is to be ended: nothing of that is lost.
func TestExportKeepsWhatIsWrittenIfItsEndFails(t *testing.T) {
	t.Parallel()
	b := newSlowExports(t, nil, func(s *config.Settings) { s.HeartbeatInterval, s.HeartbeatTimeout = 20*time.Millisecond, 3*time.Second })
	b.readSlowly(t)
	b.start(t)
	job := b.submit(t)
	b.finishing(t, job)
	// Whoever forgets the slices, when all is written, waits for whoever holds the lock.
	b.exec(t, `
		create function held() returns trigger language plpgsql as $$ begin perform pg_advisory_xact_lock(1); return null; end $$;
		create trigger held before delete on trunkline.steps for each statement execute function held()`)
	tx, err := b.pool.Begin(t.Context())
	must(t, err)
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }() // again, unless the test has failed
	_, err = tx.Exec(t.Context(), "select pg_advisory_xact_lock(1)")
	must(t, err)
	const ending = "from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like 'delete from trunkline.steps%'"
	pbxtest.Eventually(t, "the file is written", func() bool {
		var waiting int
		must(t, b.pool.QueryRow(t.Context(), "select count(*) "+ending).Scan(&waiting))
		return waiting > 0
	})
	b.exec(t, "select pg_terminate_backend(pid) "+ending)
	must(t, tx.Rollback(t.Context()))
	b.wantExport(t, job)
	if strings.Contains(b.log.String(), export.ErrDamaged.Error()) || b.ended(t, job).Attempt != 2 {
		t.Errorf("the second attempt did not find the part\n%s", b.log)
	}
}

// What attempts have written is removed when an export is cancelled: while it runs, or while it waits for another attempt.
func TestCancelledExportLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, waits := range map[string]bool{"while it runs": false, "between two attempts": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newSlowExports(t, nil, nil)
			b.readSlowly(t)
			stop := b.start(t)
			job := b.submit(t)
			b.finishing(t, job)
			if waits {
				stop()
			}
			b.wantParts(t)
			_, err := b.Cancel(t.Context(), job.ID, tenant.All)
			must(t, err)
			if waits {
				b.start(t)
			}
			if job = b.ended(t, job); job.State != tasks.StateCancelled {
				t.Fatalf("it is %s: %v", job.State, job.Error)
			}
			b.wantNoParts(t)
		})
	}
}

// A statement_timeout of the database's role ends an export, which says so and leaves nothing. A retry succeeds.
func TestExportEndedByStatementTimeout(t *testing.T) {
	t.Parallel()
	b := newSlowExports(t, nil, nil)
	b.readSlowly(t)
	b.start(t)
	set := func(to string) {
		b.exec(t, `do $$ begin execute format('alter role %I in database %I `+to+`', current_user, current_database()); end $$`)
		b.exec(t, endBackends)
	}
	set("set statement_timeout = 300")
	job := b.ended(t, b.submit(t))
	if job.State != tasks.StateFailed || job.Error.Code != fault.Timeout || !strings.Contains(job.Error.Message, "statement_timeout ended the export; raise it for Trunkline's role") {
		t.Fatalf("it is %s: %v", job.State, job.Error)
	}
	b.wantNoParts(t)
	set("reset statement_timeout")
	job, err := b.Retry(t.Context(), job.ID, tenant.All)
	must(t, err)
	b.wantExport(t, job)
}

// An export that takes longer than a snapshot may be kept goes on with another as often as it has to, for longer than one
// attempt may take: no attempt is lost by that.
func TestExportGoesOnWithNewSnapshots(t *testing.T) {
	t.Parallel()
	const mostAttempt = 8 * time.Second
	b := newSlowExports(t, nil, func(s *config.Settings) {
		s.JobMaxAttempts, s.ExportSnapshotAge, s.ExportTimeout = 2, 2500*time.Millisecond, mostAttempt
		s.HeartbeatTimeout = 10 * time.Second
	})
	b.readSlowly(t)
	b.start(t)
	job := b.submit(t)
	b.wantExport(t, job)
	if job = b.ended(t, job); job.Attempt < 3 || job.FinishedAt.Sub(*job.StartedAt) < mostAttempt {
		t.Errorf("it ended in attempt %d, %v after it began; want more snapshots, and longer than one attempt may take", job.Attempt, job.FinishedAt.Sub(*job.StartedAt))
	}
}

// One of which nothing is finished while a snapshot lasts is given up, and says what to do.
func TestExportWithoutHeadwayIsGivenUp(t *testing.T) {
	t.Parallel()
	b := newSlowExports(t, nil, func(s *config.Settings) { s.ExportSnapshotAge, s.ExportTimeout = 100*time.Millisecond, 6*time.Second })
	b.read(t, b.url, 1, true)
	b.start(t)
	job := b.ended(t, b.submit(t))
	if job.State != tasks.StateFailed || job.Attempt < 2 || !strings.Contains(job.Error.Message, "made no headway for 6s") || !strings.Contains(job.Error.Message, "TRUNKLINE_EXPORT_SLICE_ROWS") {
		t.Fatalf("it is %s in attempt %d: %v", job.State, job.Attempt, job.Error)
	}
	b.wantNoParts(t)
}

// Forty exports of one domain do not hold up the one of another.
func TestExportsOfADomainLeaveRoomForAnothers(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 3000, stopped: true})
	b.sweeping(t)
	const many = 40
	var jobs []tasks.Job
	submit := func(domain string) tasks.Job {
		job, err := b.Submit(t.Context(), b.cdrs(domain, export.CSV))
		must(t, err)
		return job
	}
	for range many {
		jobs = append(jobs, submit(b.sample.Domains[0].UUID))
	}
	one := submit(b.sample.Domains[1].UUID)
	b.start(t)
	if one = b.ended(t, one); one.State != tasks.StateSucceeded {
		t.Fatalf("it is %s: %v", one.State, one.Error)
	}
	before := 0
	for _, job := range jobs {
		if job = b.ended(t, job); job.State != tasks.StateSucceeded {
			t.Fatalf("it is %s: %v", job.State, job.Error)
		}
		if job.FinishedAt.Before(*one.FinishedAt) {
			before++
		}
	}
	if before > many/4 {
		t.Errorf("%d of %d exports of another domain, which were asked for before, ended before it", before, many)
	}
}

package worker_test

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trunkline/internal/cdr"
	"trunkline/internal/config"
	"trunkline/internal/export"
	"trunkline/internal/fault"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/servers"
	"trunkline/internal/tenant"
	"trunkline/tasks"
)

// standbyExports are exports that read a standby.
type standbyExports struct {
	*slowExports
	standby *servers.Standby
}

// newStandbyExports has exports read a standby through as many connections, and wait for it for that long.
func newStandbyExports(t *testing.T, connections int, slow bool, wait time.Duration, change func(*config.Settings)) *standbyExports {
	t.Helper()
	own := pbxtest.NewServers(t)
	b := &standbyExports{slowExports: newSlowExports(t, own, change)}
	if connections > 1 {
		b.exec(t, "create index on v_xml_cdr (start_stamp, xml_cdr_uuid)")
	}
	var err error
	b.standby, err = own.NewStandby(t.Context())
	must(t, err)
	b.read(t, b.standby.URL("calls"), connections, slow)
	b.options.Exporter.Replica, b.options.Exporter.ReplicaWait = true, wait
	return b
}

// onStandby carries out a statement as the standby's administrator.
func (b *standbyExports) onStandby(t *testing.T, sql string) {
	t.Helper()
	conn := pbxtest.Connect(t, b.standby.AdminURL())
	defer conn.Close(t.Context())
	_, err := conn.Exec(t.Context(), sql)
	must(t, err)
}

// notes waits until the job says so.
func (b *standbyExports) notes(t *testing.T, job tasks.Job, what string) {
	t.Helper()
	pbxtest.Eventually(t, "the job says: "+what, func() bool {
		now, err := b.Get(t.Context(), job.ID, tenant.All)
		must(t, err)
		if now.State.Done() {
			t.Fatalf("the job is %s: %v", now.State, now.Error)
		}
		return strings.Contains(now.Progress.Note, what)
	})
}

// written writes one more CDR on the primary.
func (b *standbyExports) written(t *testing.T) {
	t.Helper()
	b.exec(t, "insert into v_xml_cdr (xml_cdr_uuid, caller_id_name, start_stamp) values (gen_random_uuid(), 'the last one', now())")
}

// An export waits for a standby that is behind, says so, and has what was written last. Several connections share a
// snapshot there, and nothing is written.
func TestExportWaitsForTheStandby(t *testing.T) {
	t.Parallel()
	b := newStandbyExports(t, 3, true, time.Minute, nil)
	b.start(t)
	job := b.submit(t)
	standby := pbxtest.Connect(t, b.standby.AdminURL())
	pbxtest.Eventually(t, "several connections read", func() bool {
		const reading = "select count(*) from pg_stat_activity where application_name = $1 and xact_start is not null"
		return pbxtest.One[int](t, standby, reading, cdr.ConnectionsName) > 1
	})
	b.wantExport(t, job)
	b.onStandby(t, "select pg_wal_replay_pause()")
	b.written(t)
	job, err := b.Submit(t.Context(), b.cdrs("", export.CSV))
	must(t, err)
	b.notes(t, job, "waits for the replica, which is ")
	b.onStandby(t, "select pg_wal_replay_resume()")
	result := b.wantExport(t, job)
	content, err := os.ReadFile(filepath.Join(b.dir, result.File))
	must(t, err)
	rows, err := csv.NewReader(strings.NewReader(string(content))).ReadAll()
	must(t, err)
	if len(rows) != slowCDRs+2 || !strings.Contains(strings.Join(rows[len(rows)-1], ","), "the last one") {
		t.Errorf("the file has %d lines, the last of which is %q", len(rows), rows[len(rows)-1])
	}
	if note := b.ended(t, job).Progress.Note; note != "" {
		t.Errorf("it still says %q", note)
	}
}

// What a server that does not wait for its log has acknowledged is waited for too.
func TestExportFromAStandbyHasWhatWasAcknowledged(t *testing.T) {
	t.Parallel()
	b := newStandbyExports(t, 1, false, time.Minute, nil)
	b.start(t)
	for more := range 5 {
		b.written(t)
		if result := b.wantExport(t, b.submit(t)); result.TotalRecords != int64(slowCDRs+more+1) {
			t.Errorf("the export has %d rows, want %d", result.TotalRecords, slowCDRs+more+1)
		}
	}
}

// An export is put off while the standby stays behind or is down, also when the worker starts, and does not fail.
func TestExportIsPutOffWithoutItsStandby(t *testing.T) {
	t.Parallel()
	b := newStandbyExports(t, 1, false, 300*time.Millisecond, nil)
	must(t, b.standby.Stop())
	b.start(t)
	job := b.submit(t)
	b.notes(t, job, "the replica does not answer; the export waits for it (TRUNKLINE_EXPORT_DATABASE_URL)")
	must(t, b.standby.Restart(t.Context()))
	b.wantExport(t, job)
	b.onStandby(t, "select pg_wal_replay_pause()")
	b.written(t)
	job = b.submit(t)
	b.notes(t, job, "the replica has been behind the primary for 300ms, by ")
	b.onStandby(t, "select pg_wal_replay_resume()")
	if result := b.wantExport(t, job); result.TotalRecords != slowCDRs+1 {
		t.Errorf("the export has %d rows, want %d", result.TotalRecords, slowCDRs+1)
	}
}

// A standby that ends an export's query in favour of what the primary has done has it go on from its slices.
func TestExportGoesOnAfterARecoveryConflict(t *testing.T) {
	t.Parallel()
	b := newStandbyExports(t, 1, true, time.Minute, func(s *config.Settings) { s.JobMaxAttempts = 1 })
	b.onStandby(t, "alter system set max_standby_streaming_delay to 0")
	b.onStandby(t, "select pg_reload_conf()")
	b.start(t)
	job := b.submit(t)
	b.finishing(t, job)
	// What the export's snapshot sees is removed for good.
	b.exec(t, "create table trunkline.passing as select n from generate_series(1, 1000) as n")
	b.exec(t, "delete from trunkline.passing")
	b.exec(t, "vacuum trunkline.passing")
	b.notes(t, job, "the replica ended the export in favour of what the primary did; it goes on")
	b.wantExport(t, job)
	if job = b.ended(t, job); job.Attempt < 2 || !strings.Contains(b.log.String(), "SQLSTATE 40001") {
		t.Errorf("it ended in attempt %d", job.Attempt)
	}
}

// A server that is no standby, or one of another server, is refused with what to do.
func TestExportRefusesWhatIsNoStandby(t *testing.T) {
	t.Parallel()
	b := newStandbyExports(t, 1, false, time.Minute, nil)
	another := newStandbyExports(t, 1, false, time.Minute, nil)
	for name, url := range map[string]string{"the primary": b.url, "a standby of another server": another.standby.URL("calls")} {
		b.read(t, url, 1, false)
		stop := b.start(t)
		job := b.ended(t, b.submit(t))
		stop()
		if job.State != tasks.StateFailed || job.Error.Code != fault.ServerError || !strings.Contains(job.Error.Message, "no standby of TRUNKLINE_DATABASE_URL's") {
			t.Errorf("%s: it is %s: %v", name, job.State, job.Error)
		}
		b.wantNoParts(t)
	}
}

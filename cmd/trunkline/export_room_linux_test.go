package main

import (
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"trunkline/internal/export"
	"trunkline/internal/fault"
	"trunkline/internal/postgres/postgrestest"
	"trunkline/internal/tenant"
	"trunkline/tasks"
)

// An export for which there is no room in the middle of it fails and says so, and leaves nothing. A retry succeeds when
// there is: here, once the worker may write larger files.
func TestExportWithoutRoom(t *testing.T) {
	t.Parallel()
	database, loaded := loadSample(t, 20_000, postgrestest.Tables)
	p := samplePBXOn(t, database, loaded)
	p.open(t)
	worker := p.start(t, "worker", sliceSettings("1")...)
	limit := func(bytes uint64) {
		var now unix.Rlimit
		must(t, unix.Prlimit(worker.Process.Pid, unix.RLIMIT_FSIZE, nil, &now))
		now.Cur = min(bytes, now.Max)
		must(t, unix.Prlimit(worker.Process.Pid, unix.RLIMIT_FSIZE, &now, nil))
	}
	limit(1 << 20)
	job := p.exportAll(t, exportedFormat{format: export.CSV})
	job, err := p.client.Wait(t.Context(), job.ID, patience)
	must(t, err)
	if job.State != tasks.StateFailed || job.Error.Code != fault.InsufficientStorage || !strings.Contains(job.Error.Message, "raise the limit on the size of files (ulimit -f)") {
		t.Fatalf("the job is %s: %v\n%s", job.State, job.Error, worker.Log)
	}
	entries, err := filepath.Glob(filepath.Join(p.exports(), "[0-9a-f]*"))
	must(t, err)
	if len(entries) > 0 {
		t.Errorf("left behind: %v", entries)
	}
	limit(unix.RLIM_INFINITY)
	_, err = p.client.Retry(t.Context(), job.ID, tenant.All)
	must(t, err)
	p.exported(t, job)
	p.wantOnlyWholeFiles(t, 1)
}

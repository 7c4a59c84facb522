package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"trunkline/internal/cdr"
	"trunkline/internal/export"
	"trunkline/internal/pbxtest"
	"trunkline/internal/postgres/postgrestest"
	"trunkline/internal/tenant"
	"trunkline/tasks"
)

const (
	// exportKills is how often a worker is killed that writes an export of one format, and exportKillWithin how long after
	// the attempt began that comes at most.
	exportKills      = 5
	exportKillWithin = 2 * time.Second
	// exportPace is how fast rows come, in bytes a second on each connection: an undisturbed attempt takes some seconds.
	exportPace = 6 << 20
	// killedCDRs is how many rows such an export has.
	killedCDRs = 60_000
)

// exportedFormat is a way in which exports are written and read.
type exportedFormat struct {
	format      export.Format
	compression export.Compression
	connections string
}

// sliceSettings has slices be small, and a lost worker be noticed soon. A job is killed as often as the test wants.
func sliceSettings(connections string) []string {
	return []string{
		"TRUNKLINE_EXPORT_SLICE_ROWS=500", "TRUNKLINE_EXPORT_CONNECTIONS=" + connections, "TRUNKLINE_EXPORT_POLL=20ms",
		"TRUNKLINE_HEARTBEAT_INTERVAL=100ms", "TRUNKLINE_HEARTBEAT_TIMEOUT=1500ms", "TRUNKLINE_SWEEP_INTERVAL=200ms",
		"TRUNKLINE_JOB_MAX_ATTEMPTS=1000",
	}
}

// exportAll asks for all CDRs of all domains, in columns that take some room on their way.
func (p *samplePBX) exportAll(t *testing.T, f exportedFormat) tasks.Job {
	t.Helper()
	end := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, 1)
	job, err := p.client.Submit(t.Context(), tasks.NewJob{
		Kind: tasks.KindExport, CreatedBy: p.sample.SuperadminUUID, CreatedByName: "superadmin", Subject: "export:", BodyHash: []byte(uuid.NewString()),
		Params: cdr.Request{Window: cdr.Window{Start: end.AddDate(-1, 0, 0), End: end, TimeZone: "UTC"}, Format: f.format, Compression: f.compression},
	})
	must(t, err)
	return job
}

// exported waits for the job, which has to succeed, and returns its result. The file is what the result says.
func (p *samplePBX) exported(t *testing.T, job tasks.Job) cdr.Result {
	t.Helper()
	job, err := p.client.Wait(t.Context(), job.ID, patience)
	must(t, err)
	if job.State != tasks.StateSucceeded {
		t.Fatalf("the job is %s: %v", job.State, job.Error)
	}
	var result cdr.Result
	must(t, json.Unmarshal(job.Result, &result))
	content, err := os.ReadFile(filepath.Join(p.exports(), result.File))
	must(t, err)
	sum := sha256.Sum256(content)
	if got := hex.EncodeToString(sum[:]); got != result.SHA256 {
		t.Fatalf("the file's SHA-256 is %s, and the result says %s", got, result.SHA256)
	}
	return result
}

// keptRows is how many rows are in the slices that a job's attempts have finished.
func (p *samplePBX) keptRows(t *testing.T, job tasks.Job) (rows int64) {
	t.Helper()
	must(t, p.pool.QueryRow(t.Context(), `select coalesce(sum((content->'slice'->>'rows')::bigint), 0) from trunkline.steps where job_id = $1`, job.ID).Scan(&rows))
	return rows
}

// wantOnlyWholeFiles checks that no part is left, and that each file has its checksum and its manifest.
func (p *samplePBX) wantOnlyWholeFiles(t *testing.T, files int) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(p.exports(), "[0-9a-f]*"))
	must(t, err)
	parts, err := filepath.Glob(filepath.Join(p.exports(), "*.part"))
	must(t, err)
	if len(found) != 3*files || len(parts) != 0 {
		t.Errorf("the folder holds %v, want %d files, each with its checksum and its manifest", found, files)
	}
}

// A worker that is killed at any moment of an export leaves it to another, which reads what is not written yet and no more:
// the file is the one that nobody disturbed.
func TestWorkerKilledWhileItExports(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	database, loaded := loadSample(t, killedCDRs, postgrestest.Tables)
	var group sync.WaitGroup // all at once: each waits for a lost heartbeat or for rows most of the time
	for name, f := range map[string]exportedFormat{
		"CSV": {export.CSV, export.None, "1"}, "CSV packed with gzip": {export.CSV, export.Gzip, "3"},
		"JSON packed with zstd": {export.JSON, export.Zstd, "1"}, "PARQUET": {export.Parquet, export.None, "2"},
	} {
		group.Go(func() {
			t.Run(name, func(t *testing.T) {
				killedExports(t, rand.New(rand.NewPCG(seed, uint64(len(name)))), f, samplePBXOn(t, pbxtest.Copy(t, database), loaded))
			})
		})
	}
	group.Wait()
}

// killedExports kills workers that write exports, until it has done so as often as the test wants.
func killedExports(t *testing.T, chance *rand.Rand, f exportedFormat, p *samplePBX) {
	p.open(t)
	if f.connections != "1" {
		_, err := p.pool.Exec(t.Context(), "create index on v_xml_cdr (start_stamp, xml_cdr_uuid)")
		must(t, err)
	}
	fast, slow := pbxtest.NewLink(t, p.database, 0), pbxtest.NewLink(t, p.database, exportPace)
	start := func(l *pbxtest.Link) *pbxtest.Process {
		return p.start(t, "worker", append(sliceSettings(f.connections), "TRUNKLINE_DATABASE_URL="+l.Through(p.database))...)
	}
	undisturbed := start(fast)
	want := p.exported(t, p.exportAll(t, f))
	undisturbed.Kill()
	whole := fast.Received()
	if want.TotalRecords != killedCDRs {
		t.Fatalf("the export has %d rows, want %d", want.TotalRecords, killedCDRs)
	}
	worker := start(slow)
	jobs := 0
	for kills := 0; kills < exportKills; jobs++ {
		job, kept, began := p.exportAll(t, f), int64(0), int64(0)
		attempt := 0
		for {
			pbxtest.Eventually(t, "the next attempt runs", func() bool {
				now, err := p.client.Get(t.Context(), job.ID, tenant.All)
				must(t, err)
				next := now.Attempt > attempt
				attempt = now.Attempt
				return next || now.State.Done()
			})
			began = slow.Received()
			if kills == exportKills {
				break
			}
			ended, err := p.client.Wait(t.Context(), job.ID, time.Duration(chance.Int64N(int64(exportKillWithin))))
			must(t, err)
			if ended.State.Done() {
				break
			}
			worker.Kill()
			kills++
			if now := p.keptRows(t, job); now < kept {
				t.Errorf("%d rows were finished, and %d are after one more kill", kept, now)
			} else {
				kept = now
			}
			t.Logf("killed in attempt %d, with %d of %d rows finished", attempt, kept, killedCDRs)
			worker = start(slow)
		}
		if got := p.exported(t, job); got.SHA256 != want.SHA256 || got.Bytes != want.Bytes {
			t.Errorf("the file has %d bytes and the SHA-256 %s, want %d and %s", got.Bytes, got.SHA256, want.Bytes, want.SHA256)
		}
		if now, err := p.client.Get(t.Context(), job.ID, tenant.All); err != nil || now.Attempt != attempt {
			continue // a machine that is slow has lost a heartbeat more
		}
		const other = 1 << 20 // what else a worker asks the database
		if read, most := slow.Received()-began, whole*(killedCDRs-kept)/killedCDRs+whole/20+other; read > most {
			t.Errorf("the last attempt read %d bytes, with %d of %d rows finished before it; want %d at most", read, kept, killedCDRs, most)
		}
	}
	p.wantOnlyWholeFiles(t, 1+jobs)
}

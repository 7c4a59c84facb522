package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/fusionpbx"
)

const (
	// exportPatience bounds one export.
	exportPatience = 5 * time.Minute
	exportPoll     = 20 * time.Millisecond
)

// export compares the rows a second of an export job with psql's \copy of the same columns in the same
// order, followed by sha256sum and sync, and measures the worker's memory in a fresh process.
func (b *bench) export(ctx context.Context) error {
	front, err := b.start(ctx, "api")
	if err != nil {
		return err
	}
	defer front.stop()
	pool, err := pgxpool.New(ctx, b.Database)
	if err != nil {
		return err
	}
	defer pool.Close()
	var ratios, peaks []float64
	for range pairs {
		ours, peak, err := b.exportByJob(ctx, front, pool)
		if err != nil {
			return err
		}
		theirs, err := b.exportByPsql(ctx)
		if err != nil {
			return err
		}
		fmt.Printf("# %d rows: trunkline %.2f s, psql %.2f s\n", b.rows, ours, theirs)
		ratios, peaks = append(ratios, theirs/ours), append(peaks, peak)
	}
	figure("csv_vs_psql_copy_plain", median(ratios), "ratio")
	figure("export_peak_memory_mb", median(peaks), "MB")
	return nil
}

// exportByJob returns the seconds from the job's start to its end, file, hash and manifest included.
func (b *bench) exportByJob(ctx context.Context, front *process, pool *pgxpool.Pool) (seconds, peakMB float64, err error) {
	worker, err := b.start(ctx, "worker")
	if err != nil {
		return 0, 0, err
	}
	defer worker.stop()
	var job struct {
		JobID   string `json:"job_id"`
		Message string `json:"message"`
	}
	now := time.Now().UTC()
	status, err := b.post(ctx, front, "/app/xml_cdr/export_cdr.php", url.Values{
		"date_start": {now.AddDate(-1, 0, 0).Format(time.DateOnly)}, "date_end": {now.AddDate(0, 0, 1).Format(time.DateOnly)},
		"format": {"CSV"}, "time_zone": {"UTC"}, "wait": {"0"},
	}, &job)
	if err != nil {
		return 0, 0, err
	}
	if status != http.StatusAccepted {
		return 0, 0, fmt.Errorf("the export answered %d: %s", status, job.Message)
	}
	ctx, cancel := context.WithTimeout(ctx, exportPatience)
	defer cancel()
	for {
		var state, message string
		var rows int
		err := pool.QueryRow(ctx, `
			select state, coalesce(error_message, ''), coalesce((result->>'total_records')::int, 0),
				coalesce(extract(epoch from finished_at - started_at), 0)::float8
			from trunkline.jobs where id = $1`, job.JobID).Scan(&state, &message, &rows, &seconds)
		if err != nil {
			return 0, 0, err
		}
		switch state {
		case "succeeded":
			if rows != b.rows {
				return 0, 0, fmt.Errorf("the export has %d rows and the PBX %d", rows, b.rows)
			}
			peakMB, err = worker.peakMemory()
			return seconds, peakMB, err
		case "failed", "cancelled":
			return 0, 0, fmt.Errorf("the export %s: %s", state, message)
		}
		if err := wait(ctx, exportPoll); err != nil {
			return 0, 0, err
		}
	}
}

func (b *bench) exportByPsql(ctx context.Context) (seconds float64, err error) {
	file := filepath.Join(b.Dir, "psql.csv")
	copyOut := fmt.Sprintf(`\copy (select %s from v_xml_cdr where start_stamp is not null order by start_stamp, xml_cdr_uuid) to '%s' csv header`,
		strings.Join(fusionpbx.CDRColumns, ", "), file)
	began := time.Now()
	for _, step := range [][]string{
		{"psql", "--quiet", "--no-psqlrc", "--command", copyOut, b.Database},
		{"sha256sum", file},
		{"sync", file},
	} {
		if output, err := exec.CommandContext(ctx, step[0], step[1:]...).CombinedOutput(); err != nil {
			return 0, fmt.Errorf("%s: %w: %s", step[0], err, output)
		}
	}
	seconds = time.Since(began).Seconds()
	return seconds, os.Remove(file)
}

package tasks

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Ended counts the jobs of one kind that have ever ended in one state for one reason: Reason is the
// error's code, "" where there was none. A job that is retried and ends again has ended twice. Rows and
// Bytes are those of export files, Seconds the time from a job's start to its end.
type Ended struct {
	Kind        Kind
	State       State
	Reason      string
	Jobs        int64
	Rows, Bytes int64
	Seconds     float64
}

// ending is a statement that changes jobs' rows together with the count of those that it ends: one
// statement, so that an end is counted if and only if it happened. What follows may read the changed
// rows from the table ended. rows and bytes are SQL for the export file of the one job that ends.
func ending(change, rows, bytes string) string {
	return `
		with ended as (` + change + ` returning *), counted as (
			insert into trunkline.job_totals as t (kind, state, reason, shard, jobs, rows, bytes, seconds)
			select kind, state, coalesce(error_code, ''), pg_backend_pid() % ` + totalShards + `, count(*), ` + rows + `, ` + bytes + `,
				sum(extract(epoch from finished_at - coalesce(started_at, finished_at)))
			from ended where finished_at is not null
			group by kind, state, coalesce(error_code, '')
			on conflict (kind, state, reason, shard) do update set
				jobs = t.jobs + excluded.jobs, rows = t.rows + excluded.rows, bytes = t.bytes + excluded.bytes, seconds = t.seconds + excluded.seconds)
		`
}

const (
	// totalShards is over how many rows a count is spread. Jobs that end at once would else wait for
	// each other's commit.
	totalShards = "8"
	// noExport are the rows and bytes of what is no export file.
	noExport = "0"
)

// exportSize is what counts of a job's result: rows and bytes, if it has them.
func exportSize(result any) (rows, bytes int64) {
	if r, ok := result.(interface{ Size() (rows, bytes int64) }); ok {
		return r.Size()
	}
	return 0, 0
}

// Ended returns the totals since the database was set up, whichever process ran the jobs and whether
// or not their rows are still there.
func (s *Store) Ended(ctx context.Context) ([]Ended, error) {
	rows, err := s.pool.Query(ctx, `
		select kind, state, reason, sum(jobs)::bigint, sum(rows)::bigint, sum(bytes)::bigint, sum(seconds)
		from trunkline.job_totals group by kind, state, reason order by kind, state, reason`)
	if err != nil {
		return nil, fmt.Errorf("reading the totals of jobs: %w", err)
	}
	totals, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Ended])
	if err != nil {
		return nil, fmt.Errorf("reading the totals of jobs: %w", err)
	}
	return totals, nil
}

package tasks

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// callbackFor says for what a callback URL is sealed; package sealing knows that too.
func callbackFor(jobID string) string { return "callback/" + jobID }

// insertCallbacks keeps who is to be told of the ends of jobs that were just made.
func (c *Client) insertCallbacks(ctx context.Context, tx pgx.Tx, rows []newRow) error {
	for _, row := range rows {
		if row.Callback == "" {
			continue
		}
		sealed, err := c.keys.Seal(callbackFor(row.id), row.Callback)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "insert into trunkline.callbacks (job_id, sealed) values ($1, $2)", row.id, sealed); err != nil {
			return fmt.Errorf("keeping the callback URL of job %s: %w", row.id, err)
		}
	}
	return nil
}

// CalledBack is a job that has ended and whose end is to be told.
type CalledBack struct {
	Job
	URL    string            // "": it cannot be opened with this secret key
	Counts map[ItemState]int // of a job of many
}

// TakeEnded returns up to so many jobs that have ended since their ends were last told, those that ended first before the
// others. It does so in the caller's transaction, which makes what tells of them: once that is committed they are taken.
func (c *Client) TakeEnded(ctx context.Context, tx pgx.Tx, most int) ([]CalledBack, error) {
	type row struct {
		Job
		URL    []byte
		Counts json.RawMessage
	}
	ended, err := all[row](ctx, tx, `
		with taken as (
			update trunkline.callbacks set due_at = null
			where job_id in (
				select job_id from trunkline.callbacks join trunkline.jobs on id = job_id
				where due_at is not null and finished_at is not null
				order by due_at limit $1 for update of callbacks skip locked)
			returning job_id, sealed as url
		)
		select `+jobColumns+`, url,
			(select json_object_agg(state, items) from (select state, count(*) as items from trunkline.items where job_id = id group by state) as counted)
		from trunkline.jobs join taken on job_id = id order by finished_at, id`, most)
	if err != nil {
		return nil, fmt.Errorf("taking the jobs whose ends are to be told: %w", err)
	}
	told := make([]CalledBack, len(ended))
	for i, e := range ended {
		told[i].Job = e.Job
		if err := c.keys.Open(callbackFor(e.ID), e.URL, &told[i].URL); err != nil {
			c.log.Error("the callback URL of a job cannot be opened with this secret key; its end is told to nobody", "job", e.ID)
			told[i].URL = ""
		}
		if e.Counts == nil {
			continue
		}
		if err := json.Unmarshal(e.Counts, &told[i].Counts); err != nil {
			return nil, fmt.Errorf("counting the items of job %s: %w", e.ID, err)
		}
	}
	return told, nil
}

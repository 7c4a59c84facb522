package tasks

import (
	"context"
	"fmt"
	"time"

	"trunkline/internal/fault"
)

// AttemptOutcome is what became of an attempt: the state in which the job ended by it, or one of these.
type AttemptOutcome string

// The outcomes of attempts.
const (
	AttemptRuns       AttemptOutcome = "running"
	AttemptSucceeded  AttemptOutcome = "succeeded"
	AttemptPartial    AttemptOutcome = "partial"
	AttemptFailed     AttemptOutcome = "failed"
	AttemptCancelled  AttemptOutcome = "cancelled"
	AttemptLost       AttemptOutcome = "lost"        // its worker went away; another one takes the job up
	AttemptHandedBack AttemptOutcome = "handed_back" // its worker was stopped; another one takes the job up
	AttemptWaits      AttemptOutcome = "waits"       // the job waits for something outside, without a worker
)

// PastAttempt is one run of a job by a worker. Its fields stand as they are read.
type PastAttempt struct {
	Number    int
	Worker    string // host:pid
	StartedAt *time.Time
	EndedAt   *time.Time // nil: it runs
	Outcome   AttemptOutcome
	Code      fault.Code // of its error; "" for none
	Message   string     // of its error, or what the job waits for
}

// Attempts are the last ones at the job, the newest first. A trigger keeps up to 50 that are over; of those from before
// they were kept there are none.
func (c *Client) Attempts(ctx context.Context, job Job) ([]PastAttempt, error) {
	attempts, err := all[PastAttempt](ctx, c.pool, `
		select attempt, coalesce(worker, ''), coalesce(attempt_at, started_at), null::timestamptz, state, '', '' from trunkline.jobs
		where id = $1 and state = 'running' and parked_at is null
		union all
		select number, worker, started_at, ended_at, outcome, coalesce(error_code, ''), coalesce(message, '') from trunkline.attempts where job_id = $1
		order by 1 desc`, job.ID)
	if err != nil {
		return nil, fmt.Errorf("reading the attempts at job %s: %w", job.ID, err)
	}
	return attempts, nil
}

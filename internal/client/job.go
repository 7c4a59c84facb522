package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Job is a job as the API shows it. Once Done it has exactly one of Result and Error.
type Job struct {
	JobID           string          `json:"job_id"`
	Kind            string          `json:"kind"`
	State           string          `json:"state"` // queued, running, succeeded, partial, failed, cancelled
	Done            bool            `json:"done"`
	Progress        Progress        `json:"progress"`
	JobsAhead       *int64          `json:"jobs_ahead"` // in its queue; nil: it does not wait for its turn
	Attempts        int             `json:"attempts"`
	CancelRequested bool            `json:"cancel_requested"`
	ExternalID      string          `json:"external_id"`
	CreatedBy       string          `json:"created_by"`
	CreatedAt       time.Time       `json:"created_at"`
	StartedAt       *time.Time      `json:"started_at"`
	FinishedAt      *time.Time      `json:"finished_at"`
	Parameters      json.RawMessage `json:"parameters"`
	Result          json.RawMessage `json:"result"`
	Error           *JobError       `json:"error"`
	Counts          map[string]int  `json:"counts"` // of its items by their state, and their total; nil: it has none
	Raw             json.RawMessage `json:"-"`      // the job as it came
	// Ignored are the parameters of the request that mean nothing there. Only Ask tells of them.
	Ignored []string `json:"ignored_parameters"`
}

// The ends of a job.
const (
	Succeeded = "succeeded"
	Partial   = "partial"
	Failed    = "failed"
	Cancelled = "cancelled"
)

// Progress is how far a job has come. Total is 0 if it is not known.
type Progress struct {
	Done   int64  `json:"done"`
	Failed int64  `json:"failed"`
	Total  int64  `json:"total"`
	Unit   string `json:"unit"`
	Note   string `json:"note"`
	// Rate is how many a second are done, and SecondsLeft how long the rest takes at that rate; 0 while nobody knows.
	Rate        int64 `json:"rate"`
	SecondsLeft int64 `json:"seconds_left"`
}

// JobError is why a job ended without a result.
type JobError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// UnmarshalJSON keeps what it decodes as Raw.
func (j *Job) UnmarshalJSON(text []byte) error {
	type plain Job
	if err := json.Unmarshal(text, (*plain)(j)); err != nil {
		return err
	}
	j.Raw = json.RawMessage(append([]byte(nil), text...))
	return nil
}

// jobPath is the path of a job, or of what lies below it.
func jobPath(id string, below ...string) string {
	return "/v1/jobs/" + strings.Join(append([]string{url.PathEscape(id)}, below...), "/")
}

// Job is the job of that id.
func (c *Client) Job(ctx context.Context, id string) (job Job, err error) {
	return job, c.Get(ctx, jobPath(id), nil, &job)
}

// Cancel ends a job that has not begun, and asks one that runs to stop.
func (c *Client) Cancel(ctx context.Context, id string) (Job, error) {
	return c.change(ctx, id, "cancel")
}

// Retry queues a job again that has failed, was cancelled, or has items that failed.
func (c *Client) Retry(ctx context.Context, id string) (Job, error) {
	return c.change(ctx, id, "retry")
}

func (c *Client) change(ctx context.Context, id, what string) (job Job, err error) {
	answer, err := c.Do(ctx, Request{Method: http.MethodPost, Path: jobPath(id, what)})
	if err != nil {
		return job, err
	}
	return job, answer.Decode(&job)
}

// Ask asks for what is done as a job, without waiting for it, and returns the job. What was done at once has a job of
// state succeeded, with what was answered as its Result.
func (c *Client) Ask(ctx context.Context, r Request) (job Job, err error) {
	r.Wait = Now
	answer, err := c.Do(ctx, r)
	if problem, ok := errors.AsType[*Problem](err); ok && problem.JobID != "" {
		// An earlier request with this key was taken, and its job has failed since.
		return c.Job(ctx, problem.JobID)
	}
	if err != nil {
		return job, err
	}
	var pending struct {
		Status any `json:"status"`
	}
	if err := errors.Join(answer.Decode(&job), answer.Decode(&pending)); err != nil {
		return job, err
	}
	ignored := job.Ignored
	switch {
	// What is pending is told in fewer words than a job, at a documented path perhaps with status 200.
	case answer.Status == http.StatusAccepted, pending.Status == "pending":
		job, err = c.Job(ctx, job.JobID)
		job.Ignored = ignored
		return job, err
	case !job.Done:
		return Job{JobID: job.JobID, State: Succeeded, Done: true, Result: answer.Body, Ignored: ignored}, nil
	}
	return job, nil
}

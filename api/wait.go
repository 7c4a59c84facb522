package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"trunkline/internal/fault"
	"trunkline/tasks"
)

// patience is how long the caller waits for the job: the parameter wait, else Prefer: wait=N (RFC
// 7240), else unasked; in whole seconds, at most WaitMax.
func (r *request) patience(unasked time.Duration) (time.Duration, error) {
	longest := r.s.settings.WaitMax
	if text := r.params.get("wait"); text != "" {
		wait, ok := seconds(text, longest)
		if !ok {
			return 0, fault.Invalid("wait", "is not a whole number of seconds; write one from 0 to %d", int(longest.Seconds()))
		}
		return wait, nil
	}
	for _, line := range r.c.Request.Header.Values("Prefer") {
		for preference := range strings.SplitSeq(line, ",") {
			name, value, _ := strings.Cut(preference, "=")
			if !strings.EqualFold(strings.TrimSpace(name), "wait") {
				continue
			}
			// A preference that cannot be read is as if it were not there: the RFC wants no error.
			value, _, _ = strings.Cut(value, ";")
			if wait, ok := seconds(strings.TrimSpace(value), longest); ok {
				r.c.Header("Preference-Applied", fmt.Sprintf("wait=%d", int(wait.Seconds())))
				return wait, nil
			}
		}
	}
	return min(unasked, longest), nil
}

// seconds reads a whole number of seconds, and takes more than the longest for the longest.
func seconds(text string, longest time.Duration) (time.Duration, bool) {
	n, err := strconv.ParseUint(text, 10, 64)
	if errors.Is(err, strconv.ErrRange) || err == nil && n > uint64(longest/time.Second) {
		return longest, true
	}
	return time.Duration(n) * time.Second, err == nil
}

// await returns the job once it has ended, or as it stands when the caller's patience or the server
// ends.
func (r *request) await(job tasks.Job, patience time.Duration) (tasks.Job, error) {
	if job.State.Done() || patience <= 0 {
		return job, nil
	}
	ctx, cancel := context.WithCancel(r.context())
	defer cancel()
	stop := context.AfterFunc(r.s.stopping, cancel)
	defer stop()
	waited, err := r.s.tasks.Wait(ctx, job.ID, patience)
	if err != nil && ctx.Err() != nil {
		return job, nil
	}
	return waited, err
}

const (
	// maxKey bounds an Idempotency-Key and an external_id, in bytes.
	maxKey = 255
	// keyRemedy says what to do about a key that belongs to another request.
	keyRemedy = "was used before with another request; send the same parameters as then, or a new Idempotency-Key"
)

// keys sets what a repeated request attaches by.
func (r *request) keys(n *tasks.NewJob) error {
	n.IdempotencyKey = r.c.GetHeader("Idempotency-Key")
	n.ExternalID = r.params.get("external_id")
	if len(r.c.Request.Header.Values("Idempotency-Key")) > 1 {
		return fault.Invalid("Idempotency-Key", "is given twice; give it once")
	}
	if len(n.IdempotencyKey) > maxKey || strings.ContainsFunc(n.IdempotencyKey, func(c rune) bool { return c < ' ' || c > '~' }) {
		return fault.Invalid("Idempotency-Key", "must be at most %d printable ASCII characters", maxKey)
	}
	if len(n.ExternalID) > maxKey {
		return fault.Invalid("external_id", "is longer than %d bytes", maxKey)
	}
	return nil
}

// submit commits the job, or attaches to the one that the same request made before.
func (r *request) submit(n tasks.NewJob) (tasks.Job, error) {
	job, err := r.s.tasks.Submit(r.context(), n)
	return job, keyReused(n, err)
}

// keyReused names the key that was sent with another body before.
func keyReused(n tasks.NewJob, err error) error {
	if !errors.Is(err, tasks.ErrKeyReused) {
		return err
	}
	name := "external_id"
	if n.IdempotencyKey != "" {
		name = "Idempotency-Key"
	}
	return fault.Errorf(fault.KeyReused, "%s: %s", name, keyRemedy)
}

// pending is the answer while a job has not ended. It never looks like success.
type pending struct {
	Status  string      `json:"status" enum:"pending"`
	Message string      `json:"message"`              // where to ask again
	JobID   string      `json:"job_id" format:"uuid"` // the job
	State   tasks.State `json:"state" enum:"queued,running"`
}

// answerPending tells the caller where to ask again.
func (r *request) answerPending(job tasks.Job) error {
	r.c.Header("Location", jobPath(job.ID))
	r.c.Header("Retry-After", strconv.Itoa(retryAfter))
	r.answer(http.StatusAccepted, pending{
		Status: "pending", JobID: job.ID, State: job.State,
		Message: "The job is not finished yet. Ask for it at " + jobPath(job.ID) + ", or send the same request again",
	})
	return nil
}

func jobPath(id string) string { return "/v1/jobs/" + id }

// endOf is the failure of a job that ended without a result, else nil.
func endOf(job tasks.Job) error {
	if job.Error == nil {
		return nil
	}
	return &fault.Error{Code: job.Error.Code, Message: job.Error.Message, JobID: job.ID}
}

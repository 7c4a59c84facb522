package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Follow returns the job once it has ended, and shows it to seen as it comes on: at once, and whenever it changes. It
// takes server-sent events, comes back to a stream that broke off, and asks in between, or where no stream
// is to be had. An API that is away is waited for, for five minutes; the job goes on meanwhile. After an error the
// job is the one that was last seen.
func (c *Client) Follow(ctx context.Context, id string, seen func(Job)) (Job, error) {
	f := &follower{client: c, id: id, seen: seen, reached: time.Now()}
	told := false // that the API is away
	for {
		pause := c.pace.comeBack
		if !f.noStream {
			retry, err := f.stream(ctx)
			if f.job.Done || ctx.Err() != nil || forGood(err) {
				return f.ended(ctx, err)
			}
			if retry > 0 {
				pause = retry
			}
		}
		job, err := c.askOnce(ctx, id)
		if err == nil {
			f.show(job)
			told = false
		} else if ctx.Err() == nil && !forGood(err) && !told {
			c.note(err.Error() + "; asking again, and the job goes on")
			told = true
		}
		if f.job.Done || ctx.Err() != nil || forGood(err) {
			return f.ended(ctx, err)
		}
		if err != nil && time.Since(f.reached) > c.pace.away {
			return f.job, err
		}
		if limited, ok := errors.AsType[*Problem](err); ok {
			pause = max(pause, min(limited.RetryAfter, c.pace.maxRetryAfter))
		}
		sleep(ctx, pause)
	}
}

// follower is one run of Follow.
type follower struct {
	client   *Client
	id       string
	seen     func(Job)
	job      Job
	lastID   string // of the last event that came
	reached  time.Time
	noStream bool
}

// ended is what Follow returns.
func (f *follower) ended(ctx context.Context, err error) (Job, error) {
	if f.job.Done {
		return f.job, nil
	}
	if ctx.Err() != nil {
		return f.job, ctx.Err()
	}
	return f.job, err
}

func (f *follower) show(job Job) {
	f.job, f.reached = job, time.Now()
	f.seen(job)
}

// forGood says whether asking again would end the same way: the API refuses, other than for a limit.
func forGood(err error) bool {
	problem, answered := errors.AsType[*Problem](err)
	return errors.Is(err, errForGood) ||
		answered && problem.Status < http.StatusInternalServerError && problem.Status != http.StatusTooManyRequests
}

// askOnce asks for the job, and not again.
func (c *Client) askOnce(ctx context.Context, id string) (job Job, err error) {
	answer, err := c.once(ctx, Request{Path: jobPath(id)})
	if err != nil {
		return job, err
	}
	return job, answer.Decode(&job)
}

// errBuffered: a stream is open and nothing comes through.
var errBuffered = errors.New("something on the way holds the events back")

// stream shows the job by its events until the stream ends. retry is what it says to wait, 0 if nothing.
func (f *follower) stream(ctx context.Context) (retry time.Duration, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := Request{Path: jobPath(f.id, "events")}
	if f.lastID != "" {
		r.Headers = map[string]string{"Last-Event-ID": f.lastID}
	}
	resp, stop, err := f.client.send(ctx, r, "text/event-stream")
	if err != nil {
		return 0, err
	}
	defer stop()
	shown := false
	silent := time.AfterFunc(f.client.pace.firstEvent, func() { cancel(errBuffered) })
	defer silent.Stop()
	alive := func() {
		if shown {
			silent.Reset(f.client.pace.silence)
		}
	}
	retry, err = readEvents(resp.Body, alive, func(e event) error {
		var job Job
		if err := json.Unmarshal([]byte(e.data), &job); err != nil {
			return fmt.Errorf("an event is not a job: %w", err)
		}
		shown, f.lastID = true, e.id
		f.show(job)
		alive()
		return nil
	})
	if !shown && errors.Is(context.Cause(ctx), errBuffered) {
		f.noStream = true
	}
	return retry, err
}

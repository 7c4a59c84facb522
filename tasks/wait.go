package tasks

import (
	"cmp"
	"context"
	"slices"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"trunkline/internal/postgres"
	"trunkline/internal/tenant"
)

const (
	// finishedChannel is where a worker publishes the id of a job that has ended.
	finishedChannel = "trunkline:finished"
	// waitPoll is how often a waiting call reads the row, in case the message was lost.
	waitPoll = 500 * time.Millisecond
)

// Finished tells whoever waits for the job that it has ended, and has those start whose turn has come.
func (c *Client) Finished(ctx context.Context, jobID string) {
	c.publishEnd(ctx, jobID)
	c.Admit(ctx)
}

func (c *Client) publishEnd(ctx context.Context, jobID string) {
	_, _ = c.ends.Do(context.WithoutCancel(ctx), "", jobID) // it has no answer, and cannot be given up
}

// publishEnds publishes the ends of jobs with one round trip.
func (c *Client) publishEnds(ctx context.Context, jobIDs []string) []struct{} {
	ctx, cancel := context.WithTimeout(ctx, enqueueTimeout)
	defer cancel()
	_, err := c.redis.Pipelined(ctx, func(p goredis.Pipeliner) error {
		for _, id := range jobIDs {
			p.Publish(ctx, finishedChannel, id)
		}
		return nil
	})
	if err != nil {
		c.log.Debug("ends of jobs not published; waiting callers poll", "jobs", jobIDs, "error", err)
	}
	return nil
}

// Run listens for ended jobs until ctx is done, for the calls that wait in this process. While Redis is
// down it tries to subscribe again, and waiting calls poll.
func (c *Client) Run(ctx context.Context) error {
	sub := c.redis.Subscribe(ctx, finishedChannel)
	defer sub.Close()
	messages := sub.Channel()
	for {
		select {
		case <-ctx.Done():
			return nil
		case m, ok := <-messages:
			if !ok {
				return nil
			}
			c.wake(m.Payload)
		}
	}
}

func (c *Client) wake(jobID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, woken := range c.waiting[jobID] {
		select {
		case woken <- struct{}{}:
		default: // it has yet to look since it was woken last
		}
	}
}

// Wait returns the job once it has ended, or as it stands after d or when ctx is done.
func (c *Client) Wait(ctx context.Context, id string, d time.Duration) (Job, error) {
	if d <= 0 {
		return c.Get(ctx, id, tenant.All)
	}
	var last Job
	err := c.watch(ctx, id, time.After(d), func(job Job) error {
		last = job
		return nil
	})
	switch {
	case ctx.Err() != nil && last.ID != "":
		return last, nil
	case err != nil || last.State.Done():
		return last, err
	}
	return c.Get(ctx, id, tenant.All)
}

// Watch gives see the job as it stands, and again as often as it may have changed, which is twice a second
// and when it ends. It returns nil after see has had the job's end, see's error, or ctx's.
func (c *Client) Watch(ctx context.Context, id string, see func(Job) error) error {
	return c.watch(ctx, id, nil, see)
}

// watch is Watch that also returns nil once the deadline has passed.
func (c *Client) watch(ctx context.Context, id string, deadline <-chan time.Time, see func(Job) error) error {
	if !postgres.IsUUID(id) {
		return ErrNotFound
	}
	poll := time.Tick(waitPoll)
	woken := make(chan struct{}, 1)
	c.listen(id, woken) // before the row is read, so that no end falls in between
	defer c.unlisten(id, woken)
	for {
		read, err := c.gets.Do(ctx, "", id)
		if err = cmp.Or(err, read.err); err == nil {
			err = see(read.job)
		}
		if err != nil || read.job.State.Done() {
			return err
		}
		select {
		case <-woken:
		case <-poll:
		case <-deadline:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (c *Client) listen(id string, woken chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting[id] = append(c.waiting[id], woken)
}

func (c *Client) unlisten(id string, woken chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting[id] = slices.DeleteFunc(c.waiting[id], func(other chan struct{}) bool { return other == woken })
	if len(c.waiting[id]) == 0 {
		delete(c.waiting, id)
	}
}

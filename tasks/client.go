package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	goredis "github.com/redis/go-redis/v9"

	"trunkline/internal/config"
	"trunkline/internal/redis"
	"trunkline/internal/tenant"
)

const (
	// finishedChannel is where a worker publishes the id of a job that has ended.
	finishedChannel = "trunkline:finished"
	// waitPoll is how often a waiting call reads the row, in case the message was lost.
	waitPoll = 500 * time.Millisecond
	// enqueueTimeout bounds how long a caller waits for Redis; the sweep enqueues what was missed.
	enqueueTimeout = time.Second
	// taskRetries lets asynq deliver a task again where Postgres could not be reached to claim its job.
	// It is not 0, since a killed worker uses one up.
	taskRetries = 5
)

// Task is what travels through Redis: a job's id and dispatch number and nothing else.
type Task struct {
	JobID    string `json:"job_id"`
	Dispatch int    `json:"dispatch"`
}

// ParseTask reads a task's payload.
func ParseTask(payload []byte) (Task, error) {
	var t Task
	if err := json.Unmarshal(payload, &t); err != nil || t.JobID == "" {
		return Task{}, fmt.Errorf("a task's payload is not a job id and a dispatch number")
	}
	return t, nil
}

// Client is the store together with Redis: it enqueues jobs, waits for them and sweeps up lost ones.
type Client struct {
	*Store
	redis     goredis.UniversalClient
	asynq     *asynq.Client
	inspector *asynq.Inspector
	settings  config.Settings
	log       *slog.Logger
	forgot    time.Time // when this process last looked for what is past its time

	mu      sync.Mutex
	waiting map[string][]chan struct{}
}

// NewClient returns a client on the store and Redis.
func NewClient(store *Store, rdb goredis.UniversalClient, settings config.Settings, log *slog.Logger) *Client {
	return &Client{
		Store:     store,
		redis:     rdb,
		asynq:     asynq.NewClientFromRedisClient(rdb),
		inspector: asynq.NewInspectorFromRedisClient(rdb),
		settings:  settings,
		log:       log,
		waiting:   map[string][]chan struct{}{},
	}
}

// Submit commits the job and enqueues it. Where Redis is down the job is committed all the same and
// the sweep enqueues it.
func (c *Client) Submit(ctx context.Context, n NewJob) (Job, error) {
	job, enqueue, err := c.Create(ctx, n)
	if err != nil || !enqueue {
		return job, err
	}
	c.Enqueue(ctx, job)
	return job, nil
}

// Enqueue puts the task of the job's present dispatch into its queue. A failure is logged and left to
// the sweep: the job is safe in its row.
func (c *Client) Enqueue(ctx context.Context, job Job) {
	if err := c.enqueue(ctx, job); err != nil {
		c.log.Warn("job not enqueued; the sweep will", "job", job.ID, "kind", job.Kind, "error", err)
	}
}

func (c *Client) enqueue(ctx context.Context, job Job) error {
	payload, err := json.Marshal(Task{JobID: job.ID, Dispatch: job.Dispatch})
	if err != nil {
		return fmt.Errorf("encoding a task: %w", err)
	}
	// A caller who hangs up must not keep a committed job out of the queue.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), enqueueTimeout)
	defer cancel()
	_, err = c.asynq.EnqueueContext(ctx, asynq.NewTask(string(job.Kind), payload),
		asynq.Queue(job.Kind.Queue()), asynq.TaskID(taskID(job.ID, job.Dispatch)),
		asynq.MaxRetry(taskRetries), asynq.Timeout(job.Kind.Timeout(c.settings)), asynq.Retention(0))
	if errors.Is(err, asynq.ErrTaskIDConflict) {
		return nil
	}
	return err
}

// PingRedis asks Redis for an answer. The error says what to do.
func (c *Client) PingRedis(ctx context.Context) error { return redis.Ping(ctx, c.redis) }

// Finished tells whoever waits for the job that it has ended.
func (c *Client) Finished(ctx context.Context, jobID string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), enqueueTimeout)
	defer cancel()
	if err := c.redis.Publish(ctx, finishedChannel, jobID).Err(); err != nil {
		c.log.Debug("end of job not published; waiting callers poll", "job", jobID, "error", err)
	}
}

// Run listens for ended jobs until ctx is done, for the calls that wait in this process. Where Redis
// is down it subscribes again when it can; meanwhile waiting calls poll.
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
	for _, ch := range c.waiting[jobID] {
		close(ch)
	}
	delete(c.waiting, jobID)
}

// Wait returns the job once it has ended, or as it stands after d or when ctx is done.
func (c *Client) Wait(ctx context.Context, id string, d time.Duration) (Job, error) {
	deadline := time.NewTimer(d)
	defer deadline.Stop()
	poll := time.NewTicker(waitPoll)
	defer poll.Stop()
	for {
		ended := c.listen(id)
		job, err := c.Get(ctx, id, tenant.All)
		if err != nil || job.State.Done() || d <= 0 {
			c.forget(id, ended)
			return job, err
		}
		select {
		case <-ended:
			continue
		case <-poll.C:
			c.forget(id, ended)
			continue
		case <-deadline.C:
			d = 0
		case <-ctx.Done():
			c.forget(id, ended)
			return job, nil
		}
		c.forget(id, ended)
	}
}

// Watch gives see the job as it stands, and again as often as it may have changed, which is twice a second
// and when it ends. It returns nil after see has had the job's end, see's error, or ctx's.
func (c *Client) Watch(ctx context.Context, id string, see func(Job) error) error {
	poll := time.NewTicker(waitPoll)
	defer poll.Stop()
	for {
		ended := c.listen(id)
		job, err := c.Get(ctx, id, tenant.All)
		if err == nil {
			err = see(job)
		}
		if err != nil || job.State.Done() {
			c.forget(id, ended)
			return err
		}
		select {
		case <-ended:
		case <-poll.C:
			c.forget(id, ended)
		case <-ctx.Done():
			c.forget(id, ended)
			return ctx.Err()
		}
	}
}

func (c *Client) listen(id string) chan struct{} {
	ch := make(chan struct{})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting[id] = append(c.waiting[id], ch)
	return ch
}

func (c *Client) forget(id string, ch chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	left := c.waiting[id][:0]
	for _, other := range c.waiting[id] {
		if other != ch {
			left = append(left, other)
		}
	}
	if len(left) == 0 {
		delete(c.waiting, id)
		return
	}
	c.waiting[id] = left
}

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
	"github.com/jackc/pgx/v5/pgxpool"
	goredis "github.com/redis/go-redis/v9"

	"trunkline/internal/batching"
	"trunkline/internal/config"
	"trunkline/internal/redis"
	"trunkline/internal/sealing"
)

const (
	// enqueueTimeout bounds how long a caller waits for Redis; the sweep enqueues what was missed.
	enqueueTimeout = time.Second
	// taskRetries lets asynq deliver a task again if Postgres could not be reached to claim its job.
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

// taskID names the task of one dispatch, so that Redis refuses a second one of the same.
func taskID(jobID string, dispatch int) string { return fmt.Sprintf("%s:%d", jobID, dispatch) }

// Client keeps the job rows, enqueues jobs, waits for them and sweeps up lost ones. What a job is and where
// it stands is in Postgres alone: without Redis it waits.
type Client struct {
	pool      *pgxpool.Pool
	keys      *sealing.Keys
	redis     goredis.UniversalClient
	asynq     *asynq.Client
	inspector *asynq.Inspector
	settings  config.Settings
	log       *slog.Logger
	forgot    time.Time // when this process last looked for what is past its time
	recounted time.Time // when this process last compared the figures of jobs with the jobs
	admission admission
	accepting batching.Slots
	creations *batching.Batches[*creation, struct{}]
	gets      *batching.Batches[string, found]
	claims    *batching.Batches[claim, claimed]
	successes *batching.Batches[success, error]
	ends      *batching.Batches[string, struct{}]

	mu      sync.Mutex
	waiting map[string][]chan struct{}
}

// NewClient returns a client on pool's database and Redis; it seals with the keys.
func NewClient(pool *pgxpool.Pool, keys *sealing.Keys, rdb goredis.UniversalClient, settings config.Settings, log *slog.Logger) *Client {
	c := &Client{
		pool:      pool,
		keys:      keys,
		redis:     rdb,
		asynq:     asynq.NewClientFromRedisClient(rdb),
		inspector: asynq.NewInspectorFromRedisClient(rdb),
		settings:  settings,
		log:       log,
		waiting:   map[string][]chan struct{}{},
	}
	c.accepting = batching.NewSlots(settings.JobRequests)
	c.creations = batching.New(batchedAtOnce, c.accepting, c.createAll)
	c.gets = batching.New(batchedAtOnce, nil, c.getAll)
	c.claims, c.successes = batching.New(batchedAtOnce, nil, c.claimAll), batching.New(batchedAtOnce, nil, c.succeedAll)
	c.ends = batching.New(batchedAtOnce, nil, c.publishEnds)
	return c
}

// Accepting are the slots in which requests for jobs are accepted, and may be judged: a domain's one after the other,
// so that none has more of the database's connections than another.
func (c *Client) Accepting() batching.Slots { return c.accepting }

// Keys returns the keys that the client seals with.
func (c *Client) Keys() *sealing.Keys { return c.keys }

// Submit commits the job and has it start as soon as it may. If Redis is down the job is committed all the same
// and the sweep enqueues it.
func (c *Client) Submit(ctx context.Context, n NewJob) (Job, error) {
	job, accepted, err := c.Create(ctx, n)
	if err == nil && accepted {
		c.Admit(ctx)
	}
	return job, err
}

// Enqueue puts the task of the job's present dispatch into its queue. A failure is logged and left to
// the sweep: the job is safe in its row.
func (c *Client) Enqueue(ctx context.Context, job Job) {
	payload, _ := json.Marshal(Task{JobID: job.ID, Dispatch: job.Dispatch}) // never fails
	// A caller who hangs up must not keep a committed job out of the queue.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), enqueueTimeout)
	defer cancel()
	_, err := c.asynq.EnqueueContext(ctx, asynq.NewTask(string(job.Kind), payload),
		asynq.Queue(job.Kind.Queue()), asynq.TaskID(taskID(job.ID, job.Dispatch)),
		asynq.MaxRetry(taskRetries), asynq.Timeout(job.Kind.Timeout(c.settings)), asynq.Retention(0))
	if err != nil && !errors.Is(err, asynq.ErrTaskIDConflict) {
		c.log.Warn("job not enqueued; the sweep will", "job", job.ID, "kind", job.Kind, "error", err)
	}
}

// PingRedis asks Redis for an answer. The error says what to do.
func (c *Client) PingRedis(ctx context.Context) error { return redis.Ping(ctx, c.redis) }

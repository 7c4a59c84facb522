// Package worker runs jobs: one file a kind. It is the only room that changes the PBX. It knows
// tasks, the database and the switches, and nothing of HTTP: what a caller sees of a job is its row.
package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"trunkline/internal/audit"
	"trunkline/internal/cdr"
	"trunkline/internal/config"
	"trunkline/internal/delivery/destinations"
	"trunkline/internal/delivery/outbox"
	"trunkline/internal/gateway"
	"trunkline/internal/pbx"
	"trunkline/internal/schedule/late"
	"trunkline/tasks"
)

// Options is what a worker works with.
type Options struct {
	Settings config.Settings
	PBX      *pbx.PBX
	Redis    redis.UniversalClient
	Tasks    *tasks.Client
	Exporter cdr.Exporter
	// Audit is told what the worker does without being asked. It may be nil.
	Audit *audit.Log
	Log   *slog.Logger
	// RedisAway reports whether Redis does not answer; whoever gives it tells the log. It may be nil.
	RedisAway func(context.Context) bool
	// Now is the clock of schedules; nil: this machine's.
	Now func() time.Time
	// Started is called once the worker takes jobs. It may be nil.
	Started func()
}

// handler runs one attempt of one kind of job and returns its result. It stops soon after ctx ends,
// and leaves things as the returned failure says they are.
type handler func(ctx context.Context, r *run) (any, error)

// Worker runs jobs until it is stopped.
type Worker struct {
	o        Options
	name     string
	handlers map[tasks.Kind]handler
	applier  *gateway.Applier

	destinations *destinations.Store
	outbox       *outbox.Box
	late         *late.Store
	waited       waited
	yielding     sync.Mutex // held by a delivery that is put off, until that is recorded

	// running is read-locked by every task that was taken, and locked for good when the worker stops: from
	// then on TryRLock refuses. asynq may hand out a task as late as that, and a WaitGroup allows no Add
	// beside its Wait.
	running sync.RWMutex
	// stop ends the context of running jobs with errShutdown.
	stopping context.Context
	stop     context.CancelCauseFunc
}

// Why a running job's context ended.
var (
	errCancelRequested = errors.New("cancel requested")
	errShutdown        = errors.New("the worker shuts down")
)

// New returns a worker; Run starts it.
func New(o Options) *Worker {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	w := &Worker{o: o, name: fmt.Sprintf("%s:%d", host, os.Getpid())}
	w.stopping, w.stop = context.WithCancelCause(context.Background())
	limits := gateway.Limits{RoundChanges: o.Settings.RoundChanges, RoundKills: o.Settings.RoundKills, Settling: o.Settings.SwitchSettling}
	w.applier = gateway.New(o.PBX, o.Tasks.Keys(), o.Log, limits)
	w.destinations = destinations.New(o.PBX.Pool, o.Tasks.Keys(), o.Settings)
	w.outbox = outbox.NewBox(o.PBX.Pool, o.Tasks)
	if o.Now == nil {
		o.Now = time.Now
	}
	w.late = &late.Store{Pool: o.PBX.Pool, DB: o.PBX.FusionPBX, For: o.Settings.ScheduleLate, Now: o.Now}
	w.handlers = map[tasks.Kind]handler{
		tasks.KindProvision: w.provision,
		tasks.KindExport:    w.export,
		tasks.KindBulk:      w.bulk,
		tasks.KindDeliver:   w.deliver,
	}
	return w
}

// Run takes jobs until ctx is done. Then it takes no more, lets running ones finish for up to the
// settings' ShutdownTimeout, and hands back what is left for another worker.
func (w *Worker) Run(ctx context.Context) error {
	servers, err := w.startServers()
	if err != nil {
		return err
	}
	var beside sync.WaitGroup
	beside.Go(func() { w.o.Exporter.Retain(ctx, w.o.Log) })
	beside.Go(func() { w.serve(ctx) })
	beside.Go(func() { w.watch(ctx) })
	<-ctx.Done()
	for _, server := range servers {
		server.Stop()
	}
	w.drain()
	shutDown(servers)
	beside.Wait()
	w.o.Log.Info("worker stopped", "worker", w.name)
	return nil
}

// startServers starts one server a queue: all of them or none.
func (w *Worker) startServers() (servers []*asynq.Server, err error) {
	started := []any{"worker", w.name}
	for _, q := range tasks.Queues {
		server := w.server(q)
		if err := server.Start(asynq.HandlerFunc(w.handle)); err != nil {
			shutDown(servers)
			return nil, fmt.Errorf("starting the %s queue: %w; check TRUNKLINE_REDIS_URL and that Redis runs", q.Name, err)
		}
		servers = append(servers, server)
		started = append(started, q.Name, q.Concurrency(w.o.Settings))
	}
	w.o.Log.Info("worker started", started...)
	if w.o.Started != nil {
		w.o.Started()
	}
	return servers, nil
}

func shutDown(servers []*asynq.Server) {
	for _, server := range servers {
		server.Shutdown()
	}
}

// server serves one queue.
func (w *Worker) server(q tasks.Queue) *asynq.Server {
	return asynq.NewServerFromRedisClient(w.o.Redis, asynq.Config{
		Concurrency:       q.Concurrency(w.o.Settings),
		Queues:            map[string]int{q.Name: 1},
		TaskCheckInterval: q.Poll(w.o.Settings),
		// Only a task whose job could not be claimed comes back: Postgres was away.
		RetryDelayFunc: func(int, error, *asynq.Task) time.Duration { return time.Second },
		Logger:         asynqLogger{w.o.Log, w.o.RedisAway},
		LogLevel:       asynq.WarnLevel,
		// Jobs are waited for in drain, so asynq itself need not wait.
		ShutdownTimeout: time.Second,
	})
}

// drain waits for running jobs, and ends them when their time is up.
func (w *Worker) drain() {
	idle := make(chan struct{})
	go func() {
		w.running.Lock()
		close(idle)
	}()
	select {
	case <-idle:
	case <-time.After(w.o.Settings.ShutdownTimeout):
		w.o.Log.Warn("jobs still run; handing them back", "after", w.o.Settings.ShutdownTimeout)
		w.stop(errShutdown)
		<-idle
	}
	w.applier.Wait()
}

// handle runs the job of one task. It returns an error only if the job could not be claimed for a
// reason that passes: everything else is written in the job's row, and asynq need not know of it.
func (w *Worker) handle(ctx context.Context, t *asynq.Task) error {
	if !w.running.TryRLock() {
		<-ctx.Done() // as long as nobody has taken it, asynq puts it back into the queue when it shuts down
		return ctx.Err()
	}
	defer w.running.RUnlock()
	task, err := tasks.ParseTask(t.Payload())
	if err != nil {
		w.o.Log.Error("task dropped", "error", err)
		return nil
	}
	attempt, err := w.o.Tasks.Claim(ctx, task.JobID, task.Dispatch, w.name)
	if errors.Is(err, tasks.ErrNotClaimed) {
		w.o.Log.Debug("late task ignored", "job", task.JobID, "dispatch", task.Dispatch)
		return nil
	}
	if err != nil {
		return err
	}
	newRun(w, attempt).do(ctx)
	return nil
}

// asynqLogger sends asynq's own words to our log. What it says while Redis is away is for debugging alone: that
// Redis is away, and why, is said once for all.
type asynqLogger struct {
	log  *slog.Logger
	away func(context.Context) bool
}

func (l asynqLogger) Debug(args ...any) { l.log.Debug(fmt.Sprint(args...), "from", "asynq") }
func (l asynqLogger) Info(args ...any)  { l.log.Debug(fmt.Sprint(args...), "from", "asynq") }
func (l asynqLogger) Warn(args ...any)  { l.say(slog.LevelWarn, args) }
func (l asynqLogger) Error(args ...any) { l.say(slog.LevelError, args) }
func (l asynqLogger) Fatal(args ...any) { l.say(slog.LevelError, args) }

func (l asynqLogger) say(level slog.Level, args []any) {
	if l.away != nil && l.away(context.Background()) {
		level = slog.LevelDebug
	}
	l.log.Log(context.Background(), level, fmt.Sprint(args...), "from", "asynq")
}

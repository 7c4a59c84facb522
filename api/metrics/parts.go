package metrics

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"trunkline/internal/cache"
	"trunkline/internal/schedule/store"
	"trunkline/tasks"
)

const (
	// partsTimeout bounds what one scrape waits for the database, Redis and the switches together.
	partsTimeout = 2 * time.Second
	// partsMaxAge is for how long an answer of theirs serves further scrapes, so that any number of them
	// asks once a second.
	partsMaxAge = time.Second
)

// desc describes one metric with our prefix.
func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("trunkline_"+name, help, labels, nil)
}

var (
	upDesc           = desc("up", "Whether the part answered within 2 seconds: 1 or 0.", "part")
	switchUpDesc     = desc("switch_up", "Whether the switch answered within 2 seconds: 1 or 0.", "switch")
	connectionsDesc  = desc("database_connections", "This process's connections to Postgres, by what they do.", "state")
	mostConnsDesc    = desc("database_connections_limit", "How many connections to Postgres this process may open.")
	jobsDesc         = desc("jobs", "Jobs of all processes that have not ended, by state.", "kind", "state")
	jobsEndedDesc    = desc("jobs_ended_total", "Jobs of all processes that have ended, by state and the error's code.", "kind", "state", "reason")
	jobSecondsDesc   = desc("job_run_seconds_total", "Time from start to end of the jobs that have ended.", "kind", "state", "reason")
	queueDepthDesc   = desc("queue_depth", "Jobs that wait for a worker.", "kind")
	queueOldestDesc  = desc("queue_oldest_seconds", "For how long the oldest of them has waited; 0 if none waits.", "kind")
	queueTasksDesc   = desc("queue_tasks", "Tasks that Redis holds, by asynq's state. Redis may lose them: jobs are what counts.", "queue", "state")
	queuePausedDesc  = desc("queue_paused", "Whether no job of the queue begins until somebody resumes it: 1 or 0.", "queue")
	exportRowsDesc   = desc("export_rows_total", "CDRs that finished exports hold.")
	exportBytesDesc  = desc("export_bytes_total", "Bytes that finished exports hold.")
	schedulesDesc    = desc("schedules", "Schedules: enabled, paused, and those of the enabled that are overdue or that no scheduler can read.", "state")
	windowsDesc      = desc("schedule_windows", "Windows of schedules that wait, are being exported, or have failed without being exported again or skipped.", "state")
	partsDescription = []*prometheus.Desc{upDesc, switchUpDesc, connectionsDesc, mostConnsDesc, jobsDesc, jobsEndedDesc, jobSecondsDesc,
		queueDepthDesc, queueOldestDesc, queueTasksDesc, queuePausedDesc, exportRowsDesc, exportBytesDesc, schedulesDesc, windowsDesc}
)

// partsCollector asks the database, Redis and the switches when it is scraped. A part that does not
// answer is down and its numbers are left out; the scrape holds the others'.
type partsCollector struct {
	o    Options
	last *cache.Cache[[]prometheus.Metric]
}

// Describe implements prometheus.Collector.
func (c *partsCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range partsDescription {
		descs <- d
	}
}

// Collect implements prometheus.Collector.
func (c *partsCollector) Collect(to chan<- prometheus.Metric) {
	// The error would be of a caller who hangs up, as this one does not.
	last, _ := c.last.Read(context.Background(), "", func(ctx context.Context) ([]prometheus.Metric, time.Duration, error) {
		return c.ask(ctx), partsMaxAge, nil
	})
	for _, m := range last {
		to <- m
	}
	stat := c.o.PBX.Pool.Stat()
	to <- gauge(connectionsDesc, float64(stat.AcquiredConns()), "in_use")
	to <- gauge(connectionsDesc, float64(stat.IdleConns()), "idle")
	to <- gauge(mostConnsDesc, float64(stat.MaxConns()))
}

// ask asks all parts at once.
func (c *partsCollector) ask(ctx context.Context) []prometheus.Metric {
	var (
		mu  sync.Mutex
		wg  sync.WaitGroup
		all []prometheus.Metric
	)
	part := func(up *prometheus.Desc, name string, ask func(context.Context) ([]prometheus.Metric, error)) {
		wg.Go(func() {
			found, err := ask(ctx)
			answers := 1.0
			if err != nil {
				answers = 0
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(append(all, found...), gauge(up, answers, name))
		})
	}
	part(upDesc, "database", c.askDatabase)
	part(upDesc, "redis", c.askRedis)
	for _, sw := range c.o.PBX.Switches {
		part(switchUpDesc, sw.Addr(), func(ctx context.Context) ([]prometheus.Metric, error) {
			_, err := sw.Status(ctx)
			return nil, err
		})
	}
	wg.Wait()
	return all
}

func (c *partsCollector) askDatabase(ctx context.Context) ([]prometheus.Metric, error) {
	ended, err := c.o.Tasks.Ended(ctx)
	if err != nil {
		return nil, err
	}
	unfinished, err := c.o.Tasks.Unfinished(ctx)
	if err != nil {
		return nil, err
	}
	schedules, err := c.o.Schedules.Counts(ctx, c.o.Schedules.Now().Add(-store.OverdueAfter))
	if err != nil {
		return nil, err
	}
	all := []prometheus.Metric{
		gauge(schedulesDesc, float64(schedules.Enabled), "enabled"),
		gauge(schedulesDesc, float64(schedules.Paused), "paused"),
		gauge(schedulesDesc, float64(schedules.Overdue), "overdue"),
		gauge(schedulesDesc, float64(schedules.Unreadable), "unreadable"),
		gauge(windowsDesc, float64(schedules.Waiting), string(store.StateWaiting)),
		gauge(windowsDesc, float64(schedules.Running), string(store.StateRunning)),
		gauge(windowsDesc, float64(schedules.Failed), string(store.StateFailed)),
	}
	paused, err := c.o.Tasks.Paused(ctx)
	if err != nil {
		return nil, err
	}
	for _, q := range tasks.Queues {
		is := 0.0
		if slices.ContainsFunc(paused, func(p tasks.Pause) bool { return p.Queue == q.Name }) {
			is = 1
		}
		all = append(all, gauge(queuePausedDesc, is, q.Name))
	}
	var rows, bytes int64
	for _, e := range ended {
		labels := []string{string(e.Kind), string(e.State), e.Reason}
		all = append(all, counter(jobsEndedDesc, float64(e.Jobs), labels...), counter(jobSecondsDesc, e.Seconds, labels...))
		rows, bytes = rows+e.Rows, bytes+e.Bytes
	}
	for _, u := range unfinished {
		kind := string(u.Kind)
		all = append(all,
			gauge(jobsDesc, float64(u.Queued), kind, string(tasks.StateQueued)),
			gauge(jobsDesc, float64(u.Running), kind, string(tasks.StateRunning)),
			gauge(queueDepthDesc, float64(u.Queued), kind),
			gauge(queueOldestDesc, u.Oldest.Seconds(), kind))
	}
	return append(all, counter(exportRowsDesc, float64(rows)), counter(exportBytesDesc, float64(bytes))), nil
}

func (c *partsCollector) askRedis(ctx context.Context) ([]prometheus.Metric, error) {
	queues, err := c.o.Tasks.QueueTasks(ctx)
	if err != nil {
		return nil, err
	}
	var all []prometheus.Metric
	for _, q := range queues {
		name := q.Queue
		all = append(all,
			gauge(queueTasksDesc, float64(q.Pending), name, "pending"),
			gauge(queueTasksDesc, float64(q.Active), name, "active"),
			gauge(queueTasksDesc, float64(q.Scheduled), name, "scheduled"),
			gauge(queueTasksDesc, float64(q.Retry), name, "retry"),
			gauge(queueTasksDesc, float64(q.Archived), name, "archived"))
	}
	return all, nil
}

func gauge(d *prometheus.Desc, value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

func counter(d *prometheus.Desc, value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.CounterValue, value, labels...)
}

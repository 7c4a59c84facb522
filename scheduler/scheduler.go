// Package scheduler does what is due without anybody asking: it sweeps up what was lost, and has the
// audit forget what is past its time. It knows what it does so with, and nothing of HTTP, of the PBX or
// of how jobs are run.
package scheduler

import (
	"context"
	"log/slog"
	"time"

	"trunkline/internal/audit"
	"trunkline/internal/upload"
	"trunkline/tasks"
)

const (
	// sweepTimeout bounds one sweep and one pruning, so that one that hangs does not stand for all that follow.
	sweepTimeout = 30 * time.Second
	// pruneInterval is how often the audit is looked through for entries past their time.
	pruneInterval = time.Minute
)

// Sweeper has tasks.Client.Sweep run once an interval. Any number of processes may have one: one of
// them sweeps at a time.
type Sweeper struct {
	Tasks    *tasks.Client
	Interval time.Duration
	// Roles are what this process is there for: each sweep that goes well shows that it is alive.
	Roles []tasks.Role
	Log   *slog.Logger

	failing map[string]bool // what the log has been told of and goes on
}

// Run sweeps until ctx is done. A sweep that fails is logged, once until one goes well, and the next one
// does its work.
func (s *Sweeper) Run(ctx context.Context) error {
	tick := time.Tick(s.Interval)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick:
		}
		report, err := s.sweep(ctx)
		if ctx.Err() == nil {
			s.note("sweep", err, "sweep failed; the next one does its work")
		}
		if err == nil {
			s.markAlive(ctx)
		}
		if report != (tasks.SweepReport{}) {
			s.Log.Info("swept", "redispatched", report.Redispatched, "woken", report.Woken, "admitted", report.Admitted, "failed", report.Failed, "wiped", report.Wiped, "deleted", report.Deleted)
		}
	}
}

func (s *Sweeper) sweep(ctx context.Context) (tasks.SweepReport, error) {
	ctx, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	return s.Tasks.Sweep(ctx)
}

// markAlive is good for as long as the next sweep may be away.
func (s *Sweeper) markAlive(ctx context.Context) {
	for _, role := range s.Roles {
		err := s.Tasks.MarkAlive(ctx, role, s.Interval+sweepTimeout)
		if ctx.Err() != nil {
			return
		}
		s.note("mark of the "+string(role), err, "not marked as alive; `trunkline health` will say that this process does not work")
	}
}

// note logs that something fails, and that it goes well again. What goes on failing is logged for debugging
// alone: a sweep a second would fill the log with one line while Redis or Postgres is away.
func (s *Sweeper) note(what string, err error, failure string) {
	switch {
	case err != nil && s.failing[what]:
		s.Log.Debug(failure, "of", what, "error", err)
	case err != nil:
		s.Log.Warn(failure, "of", what, "error", err)
	case s.failing[what]:
		s.Log.Info("goes well again", "of", what)
	}
	if s.failing == nil {
		s.failing = map[string]bool{}
	}
	s.failing[what] = err != nil
}

// Pruner has the audit forget what is older than the retention, and deletes files that were sent in the console and not
// used in their time. Any number of processes may have one: what one has deleted the others do not find.
type Pruner struct {
	Audit     *audit.Log
	Uploads   *upload.Store
	Retention time.Duration
	Log       *slog.Logger
}

// Run prunes now, and then once a minute until ctx is done.
func (p *Pruner) Run(ctx context.Context) error {
	tick := time.Tick(pruneInterval)
	for {
		p.prune(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick:
		}
	}
}

func (p *Pruner) prune(parent context.Context) {
	ctx, cancel := context.WithTimeout(parent, sweepTimeout)
	defer cancel()
	deleted, err := p.Audit.Prune(ctx, p.Retention)
	if err != nil && parent.Err() == nil {
		p.Log.Warn("old audit entries stay for now", "error", err)
	}
	if deleted > 0 {
		p.Log.Info("old audit entries deleted", "deleted", deleted)
	}
	if _, err := p.Uploads.Prune(ctx); err != nil && parent.Err() == nil {
		p.Log.Warn("files that were sent in the console and not used stay for now", "error", err)
	}
}

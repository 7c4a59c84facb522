// Package scheduler does what is due without anybody asking: it sweeps up what was lost, and has the
// audit forget what is past its time. It knows tasks and the audit, and nothing of HTTP, of the PBX or
// of how jobs are run.
package scheduler

import (
	"context"
	"log/slog"
	"time"

	"trunkline/internal/audit"
	"trunkline/tasks"
)

const (
	// sweepTimeout bounds one sweep, so that one that hangs does not stand for all that follow.
	sweepTimeout = 30 * time.Second
	// pruneInterval is how often the audit is looked through for entries past their time.
	pruneInterval = time.Minute
)

// Sweeper has tasks.Client.Sweep run once an interval. Any number of processes may have one: one of
// them sweeps at a time.
type Sweeper struct {
	Tasks    *tasks.Client
	Interval time.Duration
	Options  tasks.SweepOptions
	Audit    *audit.Log
	// AuditRetention is how long the audit keeps its entries.
	AuditRetention time.Duration
	// Roles are what this process is there for: each sweep that goes well is a beat of their pulse.
	Roles []tasks.Role
	Log   *slog.Logger

	pruned  time.Time       // when this process last had the audit forget
	failing map[string]bool // what the log has been told of and goes on
}

// Run sweeps until ctx is done. A sweep that fails is logged, once until one goes well, and the next one
// does its work.
func (s *Sweeper) Run(ctx context.Context) error {
	tick := time.NewTicker(s.Interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		report, err := s.sweep(ctx)
		switch {
		case err == nil:
			s.note("sweep", nil, "")
			s.beat(ctx)
		case ctx.Err() == nil:
			s.note("sweep", err, "sweep failed; the next one does its work")
		}
		if report != (tasks.SweepReport{}) {
			s.Log.Info("swept", "redispatched", report.Redispatched, "failed", report.Failed, "wiped", report.Wiped, "deleted", report.Deleted)
		}
		s.prune(ctx)
	}
}

// prune may run in several processes at once: what one has deleted the other does not find.
func (s *Sweeper) prune(ctx context.Context) {
	if time.Since(s.pruned) < pruneInterval {
		return
	}
	s.pruned = time.Now()
	ctx, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	deleted, err := s.Audit.Prune(ctx, s.AuditRetention)
	if err != nil && ctx.Err() == nil {
		s.Log.Warn("old audit entries stay for now", "error", err)
	}
	if deleted > 0 {
		s.Log.Info("old audit entries deleted", "deleted", deleted)
	}
}

func (s *Sweeper) sweep(ctx context.Context) (tasks.SweepReport, error) {
	ctx, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	return s.Tasks.Sweep(ctx, s.Options)
}

// beat shows that the process works. It is good for as long as the next sweep may be away.
func (s *Sweeper) beat(ctx context.Context) {
	for _, role := range s.Roles {
		err := s.Tasks.Beat(ctx, role, s.Interval+sweepTimeout)
		if ctx.Err() != nil {
			return
		}
		s.note("pulse of "+string(role), err, "no pulse; `trunkline health` will say that this process does not work")
	}
}

// note logs that something fails, and that it goes well again; between the two only for who debugs, since a
// sweep a second would fill the log with one line while Redis or Postgres is away.
func (s *Sweeper) note(what string, err error, failure string) {
	switch {
	case err != nil && s.failing[what]:
		s.Log.Debug(failure, "of", what, "error", err)
	case err != nil:
		s.Log.Warn(failure, "of", what, "error", err)
	case err == nil && s.failing[what]:
		s.Log.Info("goes well again", "of", what)
	}
	if s.failing == nil {
		s.failing = map[string]bool{}
	}
	s.failing[what] = err != nil
}

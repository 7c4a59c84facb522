package scheduler

import (
	"context"
	"log/slog"
	"time"

	"trunkline/internal/audit"
)

const (
	// pruneInterval is how often the audit is looked through for entries past their time.
	pruneInterval = time.Minute
	// pruneTimeout bounds one look.
	pruneTimeout = 30 * time.Second
)

// Pruner has the audit forget what is older than the retention. Any number of processes may have one: what
// one has deleted the others do not find.
type Pruner struct {
	Audit     *audit.Log
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
	ctx, cancel := context.WithTimeout(parent, pruneTimeout)
	defer cancel()
	deleted, err := p.Audit.Prune(ctx, p.Retention)
	if err != nil && parent.Err() == nil {
		p.Log.Warn("old audit entries stay for now", "error", err)
	}
	if deleted > 0 {
		p.Log.Info("old audit entries deleted", "deleted", deleted)
	}
}

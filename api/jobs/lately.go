package jobs

import (
	"context"
	"strings"
	"time"

	"trunkline/api/web"
	"trunkline/internal/cache"
	"trunkline/tasks"
)

const (
	// latelyAge is how old the counts of jobs that ended lately may be.
	latelyAge = 5 * time.Second
	// maxLately bounds of how many callers' domains they are remembered.
	maxLately = 1000
	// latelyTimeout bounds counting.
	latelyTimeout = 10 * time.Second
)

// Lately is how the jobs of the last day have ended, and which waits for longest.
type Lately struct {
	Ended  []tasks.Outcome
	Oldest *tasks.Waiting // nil: none waits
}

func newLately() *cache.Cache[Lately] {
	return cache.New[Lately](cache.Options{Most: maxLately, ReadTimeout: latelyTimeout, Ahead: true})
}

// Lately is that of the jobs that the caller sees.
func (s *Service) Lately(r *web.Request) (Lately, error) {
	domains := r.Caller.Domains
	key := "all"
	if !domains.All {
		key = strings.Join(domains.UUIDs(), " ")
	}
	return s.lately.Read(r.Context(), key, func(ctx context.Context) (l Lately, holds time.Duration, err error) {
		if l.Ended, err = s.tasks.EndedLately(ctx, domains); err != nil {
			return l, 0, err
		}
		oldest, found, err := s.tasks.OldestWaiting(ctx, domains)
		if found {
			l.Oldest = &oldest
		}
		return l, latelyAge, err
	})
}

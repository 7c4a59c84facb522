package gateways

import (
	"context"
	"strings"
	"time"

	"trunkline/api/web"
	"trunkline/internal/cache"
	"trunkline/internal/gateway"
)

const (
	// statesAge is how old the counts of gateways by state may be: the switches are looked at less often.
	statesAge = 5 * time.Second
	// maxStates bounds of how many callers' domains they are remembered.
	maxStates = 1000
	// statesTimeout bounds counting.
	statesTimeout = 10 * time.Second
)

func newStates() *cache.Cache[[]gateway.Tally] {
	return cache.New[[]gateway.Tally](cache.Options{Most: maxStates, ReadTimeout: statesTimeout, Ahead: true})
}

// States counts the gateways that the caller sees by how the switches show them.
func (s *Service) States(r *web.Request) ([]gateway.Tally, error) {
	domains := r.Caller.Domains
	key := "all"
	if !domains.All {
		key = strings.Join(domains.UUIDs(), " ")
	}
	return s.states.Read(r.Context(), key, func(ctx context.Context) ([]gateway.Tally, time.Duration, error) {
		counted, err := gateway.CountStates(ctx, s.pbx.Pool, s.db, domains)
		return counted, statesAge, err
	})
}

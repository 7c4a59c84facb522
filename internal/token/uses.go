package token

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/cache"
)

const (
	// useInterval is how often, at most, one process records that a token was used.
	useInterval = time.Minute
	// useTimeout bounds recording it.
	useTimeout = 10 * time.Second
	// maxUsed bounds the tokens of which a process remembers when it last recorded a use.
	maxUsed = 10_000
)

// Used records that the token was used from that address: soon, in the background, and at most once a
// minute.
func (s *Store) Used(id string, address netip.Addr) { s.uses.add(id, address.String()) }

// uses gathers the uses of tokens for one goroutine, which lives while there are any, to record. So
// however many tokens are used at once, this takes one connection.
type uses struct {
	pool  *pgxpool.Pool
	log   *slog.Logger
	noted *cache.Cache[struct{}] // the tokens whose use was noted within useInterval

	mu      sync.Mutex
	pending map[string]string // addresses by token
	writing bool
}

func newUses(pool *pgxpool.Pool, log *slog.Logger) *uses {
	return &uses{pool: pool, log: log, noted: cache.New[struct{}](cache.Options{Most: maxUsed}), pending: map[string]string{}}
}

func (u *uses) add(id, address string) {
	if !u.due(id) {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.pending[id] = address
	if !u.writing {
		u.writing = true
		go u.write()
	}
}

// due reports whether a use of the token is to be recorded now, and if so takes it for recorded.
func (u *uses) due(id string) bool { return u.noted.Add(id, struct{}{}, time.Now().Add(useInterval)) }

func (u *uses) write() {
	for ids, addresses := u.take(); len(ids) > 0; ids, addresses = u.take() {
		ctx, cancel := context.WithTimeout(context.Background(), useTimeout)
		_, err := u.pool.Exec(ctx, `
			update trunkline.tokens t set last_used_at = now(), last_used_address = used.address
			from unnest($1::uuid[], $2::text[]) as used (id, address) where t.id = used.id`, ids, addresses)
		cancel()
		if err != nil {
			u.log.Warn("the last use of tokens is not written down", "tokens", len(ids), "error", err)
		}
	}
}

// take empties what is pending; if that is nothing, the writer ends.
func (u *uses) take() (ids, addresses []string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for id, address := range u.pending {
		ids, addresses = append(ids, id), append(addresses, address)
	}
	clear(u.pending)
	u.writing = len(ids) > 0
	return ids, addresses
}

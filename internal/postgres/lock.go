package postgres

import (
	"context"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// releaseTimeout bounds giving a lock back; then its connection is closed.
const releaseTimeout = 5 * time.Second

// Lock is a session advisory lock on a connection of its own. The server drops it when the process or
// its connection ends, so that nothing stays locked behind a killed worker.
type Lock struct {
	conn *pgxpool.Conn
	key  int64
}

// AcquireLock waits for the lock of that name.
func AcquireLock(ctx context.Context, pool *pgxpool.Pool, name string) (*Lock, error) {
	return acquire(ctx, pool, name, "select true from pg_advisory_lock($1)")
}

// TryLock returns nil where another session has the lock.
func TryLock(ctx context.Context, pool *pgxpool.Pool, name string) (*Lock, error) {
	return acquire(ctx, pool, name, "select pg_try_advisory_lock($1)")
}

func acquire(ctx context.Context, pool *pgxpool.Pool, name, sql string) (*Lock, error) {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("locking %s: %w", name, err)
	}
	l := &Lock{conn: conn, key: lockKey(name)}
	var locked bool
	if err := conn.QueryRow(ctx, sql, l.key).Scan(&locked); err != nil || !locked {
		conn.Release()
		if err != nil {
			return nil, fmt.Errorf("locking %s: %w", name, err)
		}
		return nil, nil
	}
	return l, nil
}

// Release gives the lock back. Where that fails the connection is closed, which does so too.
func (l *Lock) Release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	if _, err := l.conn.Exec(ctx, "select pg_advisory_unlock($1)", l.key); err != nil {
		_ = l.conn.Conn().Close(ctx)
	}
	l.conn.Release()
}

// lockKey is the number that stands for the name among the server's advisory locks.
func lockKey(name string) int64 {
	h := fnv.New64a()
	h.Write([]byte("trunkline " + name))
	return int64(h.Sum64())
}

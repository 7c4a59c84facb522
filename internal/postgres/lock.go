package postgres

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// checkTimeout bounds one look at a lock, so that a server that is silent counts as one that is gone.
	checkTimeout = 5 * time.Second
	// releaseTimeout bounds giving a lock back; then its connection is closed.
	releaseTimeout = 5 * time.Second
)

// ErrLockLost says that a lock's connection has ended, and with it the lock: somebody else may have it.
var ErrLockLost = errors.New("the lock was lost with its database connection")

// Lock is a session advisory lock on a connection of its own. The server drops it when the process or
// its connection ends, so that nothing stays locked behind a killed worker. It is for one goroutine.
type Lock struct {
	conn *pgxpool.Conn
	key  int64
	name string
}

// AcquireLock waits for the lock of that name.
func AcquireLock(ctx context.Context, pool *pgxpool.Pool, name string) (*Lock, error) {
	return acquire(ctx, pool, name, "select true from pg_advisory_lock($1)")
}

// TryLock returns nil if another session has the lock.
func TryLock(ctx context.Context, pool *pgxpool.Pool, name string) (*Lock, error) {
	return acquire(ctx, pool, name, "select pg_try_advisory_lock($1)")
}

func acquire(ctx context.Context, pool *pgxpool.Pool, name, sql string) (*Lock, error) {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("locking %s: %w", name, err)
	}
	l := &Lock{conn: conn, key: LockKey(name), name: name}
	if locked, err := Value[bool](ctx, conn, "locking "+name, sql, l.key); err != nil || !locked {
		conn.Release()
		return nil, err
	}
	return l, nil
}

// Check asks the server, in one round trip on the lock's own connection, whether the lock still stands.
// Call it right before each act that nobody else may come between.
//
// nil means that the session lived, and so held the lock, when the server answered. It does not mean
// that the lock stands until the act has ended: a connection that breaks right after frees it, and what
// was begun under it cannot be called back. Any error wraps ErrLockLost and the cause, and is final: a
// connection on which a question failed, or whose ctx ended during one, is closed.
func (l *Lock) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if err := l.conn.Ping(ctx); err != nil {
		_ = l.conn.Conn().Close(ctx)
		return fmt.Errorf("%s: %w: %w", l.name, ErrLockLost, err)
	}
	return nil
}

// Conn is the connection that holds the lock: what runs on it ends before the lock does, even if the process is killed
// meanwhile.
func (l *Lock) Conn() *pgxpool.Conn { return l.conn }

// Release gives the lock back. If that fails the connection is closed, which does so too.
func (l *Lock) Release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	if _, err := l.conn.Exec(ctx, "select pg_advisory_unlock($1)", l.key); err != nil {
		_ = l.conn.Conn().Close(ctx)
	}
	l.conn.Release()
}

// LockKey is the number that stands for the name among the server's advisory locks. Processes of
// different versions must not differ in it: each would hold the lock alone.
func LockKey(name string) int64 {
	h := fnv.New64a()
	h.Write([]byte("trunkline " + name))
	return int64(h.Sum64())
}

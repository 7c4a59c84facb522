// Package cache remembers values for a time, and no more of them than a bound: those that were used
// longest ago go first. It knows nothing of what they are, and has no goroutine that must be stopped.
// Keys must not be secrets in the clear.
package cache

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/sync/singleflight"
)

// Options say what is kept, and how Read reads.
type Options struct {
	Most int // how many values are kept
	// ReadTimeout bounds one reading, which does not end with the caller who began it.
	ReadTimeout time.Duration
	// Ahead has Read return a value that is past half of its time and read it anew in the background:
	// nobody waits if callers keep coming.
	Ahead bool
}

// Cache is safe for concurrent use.
type Cache[V any] struct {
	options Options
	flights singleflight.Group
	next    singleflight.Group // those who wait to read anew
	anew    chan struct{}      // is full while one does

	mu    sync.Mutex
	known *simplelru.LRU[string, entry[V]]
}

type entry[V any] struct {
	value V
	aging time.Time // from when Read reads it anew, with Ahead
	until time.Time // when it is forgotten
}

// New returns an empty cache.
func New[V any](o Options) *Cache[V] {
	known, err := simplelru.NewLRU[string, entry[V]](o.Most, nil)
	if err != nil {
		panic(err) // Most is not positive
	}
	return &Cache[V]{options: o, known: known, anew: make(chan struct{}, 1)}
}

// Get returns the value that is kept under the key.
func (c *Cache[V]) Get(key string) (V, bool) {
	e, ok := c.find(key)
	return e.value, ok
}

// Put keeps the value until then, in place of what was kept under the key.
func (c *Cache[V]) Put(key string, value V, until time.Time) {
	c.put(key, entry[V]{value: value, until: until})
}

// Add keeps the value until then, unless one is kept under the key already: its time is not made
// longer. It reports whether it kept the value.
func (c *Cache[V]) Add(key string, value V, until time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.at(key); ok {
		return false
	}
	c.known.Add(key, entry[V]{value: value, until: until})
	return true
}

// Len is how many values are kept, some of which may be past their time.
func (c *Cache[V]) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known.Len()
}

// Read returns what is kept under the key, else what read returns, which is read once for all who ask
// at one time and kept for as long as read says, counted from before it was read. An error is not kept;
// the value beside it is what read returned.
func (c *Cache[V]) Read(ctx context.Context, key string, read func(ctx context.Context) (value V, holds time.Duration, err error)) (V, error) {
	e, ok := c.find(key)
	if ok && !c.ages(e) {
		return e.value, nil
	}
	result := c.flights.DoChan(key, func() (any, error) {
		if e, ok := c.find(key); ok && !c.ages(e) {
			return e.value, nil // the reading before this one ended just now
		}
		return c.read(ctx, key, read)
	})
	if ok {
		return e.value, nil
	}
	return wait[V](ctx, result)
}

func wait[V any](ctx context.Context, result <-chan singleflight.Result) (V, error) {
	select {
	case <-ctx.Done():
		var none V
		return none, context.Cause(ctx)
	case got := <-result:
		return got.Val.(V), got.Err
	}
}

// ReadAnew returns what was read after it was called, whatever is kept. Those who come while one reads share the
// next reading.
func (c *Cache[V]) ReadAnew(ctx context.Context, key string, read func(ctx context.Context) (value V, holds time.Duration, err error)) (V, error) {
	return wait[V](ctx, c.next.DoChan(key, func() (any, error) {
		c.anew <- struct{}{}
		defer func() { <-c.anew }()
		c.next.Forget(key)
		return c.read(ctx, key, read)
	}))
}

// read goes on when the one who began it hangs up, for those who joined.
func (c *Cache[V]) read(ctx context.Context, key string, read func(ctx context.Context) (value V, holds time.Duration, err error)) (V, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.options.ReadTimeout)
	defer cancel()
	began := time.Now()
	value, holds, err := read(ctx)
	if err == nil && holds > 0 {
		c.put(key, entry[V]{value: value, aging: began.Add(holds / 2), until: began.Add(holds)})
	}
	return value, err
}

func (c *Cache[V]) ages(e entry[V]) bool { return c.options.Ahead && time.Now().After(e.aging) }

func (c *Cache[V]) find(key string) (entry[V], bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at(key)
}

// at is what is kept under the key and not past its time. mu is held.
func (c *Cache[V]) at(key string) (e entry[V], ok bool) {
	e, ok = c.known.Get(key)
	if ok && !time.Now().Before(e.until) {
		c.known.Remove(key)
		return entry[V]{}, false
	}
	return e, ok
}

func (c *Cache[V]) put(key string, e entry[V]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known.Add(key, e)
}

package ratelimit

import (
	"container/list"
	"sync"
	"time"
)

// maxCounters bounds how many keys a process keeps its own counts of.
const maxCounters = 50_000

// counters are this process's own counts: what it goes by where Redis does not answer, and a copy of
// what Redis last said until then, so that nobody's budget starts afresh when Redis goes away.
type counters struct {
	mu    sync.Mutex
	most  int
	byKey map[string]*list.Element
	order *list.List // of *counter, the one that was used last in front
}

type counter struct {
	key   string
	n     int
	until time.Time
}

func newCounters(most int) *counters {
	return &counters{most: most, byKey: map[string]*list.Element{}, order: list.New()}
}

// take counts as the script does.
func (c *counters) take(key string, b Budget, amount int, now time.Time) count {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.at(key)
	if !now.Before(e.until) {
		e.n, e.until = 0, now.Add(b.Window)
	}
	allowed := e.n+max(amount, 1) <= b.Limit
	switch {
	case amount < 0:
		e.n = max(e.n+amount, 0)
	case allowed:
		e.n += amount
	}
	return count{allowed: allowed, n: e.n, left: e.until.Sub(now)}
}

// set keeps what Redis said. Answers may come out of order: within a window a count only grows.
func (c *counters) set(key string, n int, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.at(key)
	const sameWindow = 2 * redisTimeout // the two clocks' readings of one window differ by the way between
	if until.Sub(e.until).Abs() > sameWindow || n > e.n {
		e.n, e.until = n, until
	}
}

func (c *counters) clear(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if element, ok := c.byKey[key]; ok {
		c.order.Remove(element)
		delete(c.byKey, key)
	}
}

// at is the key's counter; a new one takes the place of the one that was used longest ago. mu is held.
func (c *counters) at(key string) *counter {
	if element, ok := c.byKey[key]; ok {
		c.order.MoveToFront(element)
		return element.Value.(*counter)
	}
	if c.order.Len() >= c.most {
		oldest := c.order.Back()
		delete(c.byKey, c.order.Remove(oldest).(*counter).key)
	}
	e := &counter{key: key}
	c.byKey[key] = c.order.PushFront(e)
	return e
}

package ratelimit

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/redis/go-redis/v9"
)

// script counts, for each key, as much of the amount as its limit allows, or where the amount is
// less than 0 forgets what was counted. It returns for each how much it counted, the count, and the milliseconds that its window
// still lasts. One call is one atomic step.
//
// A key that never ends, or whose value is no count, is not of our making: its window begins anew, so
// that nobody is refused for ever.
var script = redis.NewScript(`
local answers = {}
for i, key in ipairs(KEYS) do
	local amount, limit, window = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
	local n, left = 0, redis.call('PTTL', key)
	if left > 0 then
		local value = redis.pcall('GET', key)
		if type(value) == 'string' and string.find(value, '^%d+$') then
			n = tonumber(value)
		else
			left = 0
		end
	end
	local counted = math.max(math.min(amount, limit - n), 0)
	if amount < 0 then
		redis.call('DEL', key)
		n, left = 0, 0
	elseif counted > 0 then
		n = n + counted
		if left > 0 then
			redis.call('INCRBY', key, counted)
		else
			redis.call('SET', key, counted, 'PX', window)
		end
	end
	if left <= 0 then
		left = window
	end
	answers[3 * i - 2], answers[3 * i - 1], answers[3 * i] = counted, n, left
end
return answers`)

// numbersPerKey is how many numbers the script takes for a key, and returns.
const numbersPerKey = 3

// group is questions of a batch that differ in nothing but who asks: for Redis they are one.
type group struct {
	groupKey
	questions []*question

	counted int // of the amount
	n       int // with it
	left    time.Duration
}

type groupKey struct {
	id     string
	limit  int
	window time.Duration
	amount int // of each question
}

// grouped keeps the order in which the keys came.
func grouped(batch []*question) []*group {
	var groups []*group
	byKey := make(map[groupKey]*group, len(batch))
	for _, q := range batch {
		key := groupKey{id: q.id, limit: q.budget.Limit, window: q.budget.Window, amount: q.amount}
		g := byKey[key]
		if g == nil {
			g = &group{groupKey: key}
			byKey[key] = g
			groups = append(groups, g)
		}
		g.questions = append(g.questions, q)
	}
	return groups
}

// answer gives each question its own count: those that came first are the ones within the limit.
func (g *group) answer() {
	n, counted := g.n-g.counted, 0
	for _, q := range g.questions {
		c := count{n: g.n, left: g.left, known: true}
		switch {
		case q.amount <= 0:
			c.allowed = g.n < g.limit
		case counted < g.counted:
			counted++
			c.allowed, c.n = true, n+counted
		}
		q.answer <- c
	}
}

var (
	errScript   = errors.New("the limit script's answer is not understood")
	errNoAnswer = errors.New("no answer in time")
)

// evaluate runs the script. It returns in time also where the client does not: whether that heeds a
// context's end is one of its options, and its own time-outs are longer.
func (l *Limiter) evaluate(ctx context.Context, groups []*group) error {
	ctx, cancel := context.WithTimeout(ctx, l.Timeout)
	defer cancel()
	keys, args := make([]string, 0, len(groups)), make([]any, 0, numbersPerKey*len(groups))
	for _, g := range groups {
		keys = append(keys, keyPrefix+g.id)
		args = append(args, g.amount*len(g.questions), g.limit, max(g.window.Milliseconds(), 1))
	}
	answered := make(chan *redis.Cmd, 1)
	go func() { answered <- script.Run(ctx, l.redis, keys, args...) }()
	select {
	case <-ctx.Done():
		return errNoAnswer
	case reply := <-answered:
		numbers, err := reply.Int64Slice()
		if err != nil {
			return err
		}
		if len(numbers) != numbersPerKey*len(groups) {
			return errScript
		}
		for i, g := range groups {
			counted, n, left := numbers[numbersPerKey*i], numbers[numbersPerKey*i+1], numbers[numbersPerKey*i+2]
			g.counted, g.n, g.left = int(counted), int(min(n, math.MaxInt32)), time.Duration(left)*time.Millisecond
		}
		return nil
	}
}

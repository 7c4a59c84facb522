package ratelimit

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// keyPrefix begins every key in Redis.
const keyPrefix = "trunkline:limit:"

// script answers groups of keys in turn, each as often as its first number says: in a group all amounts are
// counted, or none if one that is more than 0 exceeds its limit. It returns for each key what was counted
// before, and the milliseconds that its window still lasts. One call is one atomic step.
//
// A key that never ends, or whose value is no count, is not of our making: its window begins anew, so
// that nobody is refused for ever.
var script = redis.NewScript(`
local answers, k, a = {}, 1, 1
while k <= #KEYS do
	local more, size = tonumber(ARGV[a]), tonumber(ARGV[a + 1])
	local n, left, amounts, windows = {}, {}, {}, {}
	for i = 1, size do
		local at, key = a + 4 * i - 2, KEYS[k + i - 1]
		local limit, with = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 3])
		amounts[i], windows[i] = tonumber(ARGV[at]), tonumber(ARGV[at + 2])
		n[i], left[i] = 0, redis.call('PTTL', key)
		if left[i] > 0 then
			local value = redis.pcall('GET', key)
			if type(value) == 'string' and string.find(value, '^%d+$') then
				n[i] = math.min(tonumber(value), 2147483647)
			else
				left[i] = 0
			end
		end
		if amounts[i] > 0 then
			more = math.min(more, limit - n[i] - (n[with] or 0))
		end
	end
	for i = 1, size do
		local key, change = KEYS[k + i - 1], amounts[i] * more
		if more <= 0 or amounts[i] == 0 then
			change = 0
		elseif amounts[i] == -2 then
			redis.call('DEL', key)
			n[i], left[i] = 0, 0
		elseif left[i] > 0 then
			redis.call('INCRBY', key, math.max(change, -n[i]))
		elseif change > 0 then
			redis.call('SET', key, change, 'PX', windows[i])
		end
		if left[i] <= 0 then
			left[i] = windows[i]
		end
		answers[#answers + 1], answers[#answers + 2] = n[i], left[i]
	end
	k, a = k + size, a + 2 + 4 * size
end
return answers`)

// numbersOut is how many numbers the script returns for a key.
const numbersOut = 2

var errScript = errors.New("the limit script's answer is not understood")

// evaluate runs the script. Questions that differ in nothing but who asks are one for Redis, and answered in
// the order in which they came.
func (l *Limiter) evaluate(ctx context.Context, batch []*question) error {
	ctx, cancel := context.WithTimeout(ctx, l.Timeout)
	defer cancel()
	var keys []string
	var args []any
	groups := grouped(batch)
	for _, group := range groups {
		args = append(args, len(group), len(group[0].steps))
		for i, s := range group[0].steps {
			keys = append(keys, keyPrefix+group[0].ids[i])
			args = append(args, s.Amount, s.Limit, max(s.Window.Milliseconds(), 1), s.With)
		}
	}
	numbers, err := script.Run(ctx, l.redis, keys, args...).Int64Slice()
	if err != nil {
		return err
	}
	if len(numbers) != numbersOut*len(keys) {
		return errScript
	}
	now := l.now()
	for _, group := range groups {
		counts := make([]count, len(group[0].steps))
		for i := range counts {
			counts[i] = count{n: int(numbers[0]), until: now.Add(time.Duration(numbers[1]) * time.Millisecond)}
			numbers = numbers[numbersOut:]
		}
		for _, q := range group {
			q.decide(counts)
		}
		group[len(group)-1].counts = counts
	}
	return nil
}

// grouped are the questions, those together that differ in nothing but who asks.
func grouped(batch []*question) [][]*question {
	if len(batch) == 1 {
		return [][]*question{batch}
	}
	var groups [][]*question
	at := map[string]int{} // by the first id
	for _, q := range batch {
		i, known := at[q.ids[0]]
		if !known || !slices.Equal(q.steps, groups[i][0].steps) {
			i = len(groups)
			at[q.ids[0]], groups = i, append(groups, nil)
		}
		groups[i] = append(groups[i], q)
	}
	return groups
}

package ratelimit

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/redis/go-redis/v9"
)

// keyPrefix begins every key in Redis.
const keyPrefix = "trunkline:limit:"

// script counts, for each key in turn, the amount (1 or 0) if the limit allows it, or forgets what was
// counted if the amount is less than 0. It returns for each whether there was room for one more, the count,
// and the milliseconds that its window still lasts. One call is one atomic step.
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
	local allowed = 0
	if amount < 0 then
		redis.call('DEL', key)
		n, left = 0, 0
	elseif n < limit then
		allowed = 1
		if amount > 0 then
			n = n + 1
			if left > 0 then
				redis.call('INCR', key)
			else
				redis.call('SET', key, 1, 'PX', window)
			end
		end
	end
	if left <= 0 then
		left = window
	end
	answers[3 * i - 2], answers[3 * i - 1], answers[3 * i] = allowed, n, left
end
return answers`)

// numbersPerKey is how many numbers the script takes for a key, and returns.
const numbersPerKey = 3

var errScript = errors.New("the limit script's answer is not understood")

// evaluate runs the script.
func (l *Limiter) evaluate(ctx context.Context, batch []*question) error {
	ctx, cancel := context.WithTimeout(ctx, l.Timeout)
	defer cancel()
	keys, args := make([]string, 0, len(batch)), make([]any, 0, numbersPerKey*len(batch))
	for _, q := range batch {
		keys = append(keys, keyPrefix+q.id)
		args = append(args, q.amount, q.budget.Limit, max(q.budget.Window.Milliseconds(), 1))
	}
	numbers, err := script.Run(ctx, l.redis, keys, args...).Int64Slice()
	if err != nil {
		return err
	}
	if len(numbers) != numbersPerKey*len(batch) {
		return errScript
	}
	now := l.now()
	for i, q := range batch {
		n, left := min(numbers[numbersPerKey*i+1], math.MaxInt32), numbers[numbersPerKey*i+2]
		q.allowed = numbers[numbersPerKey*i] == 1
		q.count = count{n: int(n), until: now.Add(time.Duration(left) * time.Millisecond)}
	}
	return nil
}

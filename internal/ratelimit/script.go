package ratelimit

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// keyPrefix begins every key in Redis.
const keyPrefix = "trunkline:limit:"

// script counts, for each key in turn, as much of the amount as its limit allows, or forgets what was counted
// if the amount is less than 0. It returns for each what was counted before, and the milliseconds that its
// window still lasts. One call is one atomic step.
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
			n = math.min(tonumber(value), 2147483647)
		else
			left = 0
		end
	end
	local more = math.min(amount, limit - n)
	if amount < 0 then
		redis.call('DEL', key)
		n, left = 0, 0
	elseif more > 0 and left > 0 then
		redis.call('INCRBY', key, more)
	elseif more > 0 then
		redis.call('SET', key, more, 'PX', window)
	end
	if left <= 0 then
		left = window
	end
	answers[2 * i - 1], answers[2 * i] = n, left
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
	asking := map[asked][]*question{}
	var order []asked
	var keys []string
	var args []any
	for _, q := range batch {
		if asking[q.asked] == nil {
			order, keys = append(order, q.asked), append(keys, keyPrefix+q.id)
		}
		asking[q.asked] = append(asking[q.asked], q)
	}
	for _, a := range order {
		args = append(args, a.amount*len(asking[a]), a.budget.Limit, max(a.budget.Window.Milliseconds(), 1))
	}
	numbers, err := script.Run(ctx, l.redis, keys, args...).Int64Slice()
	if err != nil {
		return err
	}
	if len(numbers) != numbersOut*len(order) {
		return errScript
	}
	now := l.now()
	for i, a := range order {
		n, left := int(numbers[numbersOut*i]), time.Duration(numbers[numbersOut*i+1])*time.Millisecond
		for _, q := range asking[a] {
			if q.allowed = n < a.budget.Limit; q.allowed {
				n += max(a.amount, 0)
			}
			q.count = count{n: n, until: now.Add(left)}
		}
	}
	return nil
}

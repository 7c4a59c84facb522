package ratelimit

import (
	"testing"
	"time"

	"trunkline/internal/pbxtest"
)

// Several budgets are counted together or not at all, in Redis and by a process itself.
func TestSeveralBudgets(t *testing.T) {
	t.Parallel()
	inRedis, _ := started(t, pbxtest.RedisURL(t), patience)
	alone, _ := started(t, silent(t), time.Millisecond)
	for name, l := range map[string]*Limiter{"in Redis": inRedis, "alone": alone} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			step := func(key string, limit, amount, with int) Step {
				return Step{Budget: budget(key, limit), Amount: amount, With: with}
			}
			for i, c := range []struct {
				steps   []Step
				allowed bool
				left    []int
			}{
				{[]Step{step("own", 2, 1, 0), step("shared", 3, 1, 0)}, true, []int{1, 2}},
				{[]Step{step("other", 2, 1, 0), step("shared", 3, 1, 0)}, true, []int{1, 1}},
				{[]Step{step("own", 2, 1, 0), step("shared", 3, 1, 0)}, true, []int{0, 0}},
				{[]Step{step("other", 2, 1, 0), step("shared", 3, 1, 0)}, false, []int{1, 0}},   // and other is not charged
				{[]Step{step("other", 2, 1, 0), step("shared", 3, 0, 0)}, true, []int{0, 0}},    // looked at, which refuses nothing
				{[]Step{step("other", 2, -1, 0), step("shared", 3, -1, 0)}, true, []int{1, 1}},  // given back
				{[]Step{step("nothing", 2, -1, 0), step("shared", 3, 0, 0)}, true, []int{2, 1}}, // more than there was
				{[]Step{step("nothing", 2, 0, 0), step("own", 2, Forget, 0)}, true, []int{2, 2}},
				// Two counts within one limit.
				{[]Step{step("failed", 3, 0, 0), step("under way", 3, 1, 1)}, true, []int{3, 2}},
				{[]Step{step("failed", 3, 1, 0), step("under way", 3, 0, 1)}, true, []int{2, 1}},
				{[]Step{step("failed", 3, 0, 0), step("under way", 3, 1, 1)}, true, []int{2, 0}},
				{[]Step{step("failed", 3, 0, 0), step("under way", 3, 1, 1)}, false, []int{2, 0}},
				{[]Step{step("failed", 3, 0, 0), step("under way", 3, -1, 1)}, true, []int{2, 1}},
			} {
				allowed, stand := l.All(t.Context(), c.steps...)
				if allowed != c.allowed {
					t.Errorf("question %d: allowed %t, want %t", i, allowed, c.allowed)
				}
				for j, left := range c.left {
					if stand[j].Remaining != left {
						t.Errorf("question %d: %d are left of %s, want %d", i, stand[j].Remaining, c.steps[j].Key, left)
					}
				}
			}
			if got := takeMany(budget("shared", 1000), 50, l); got != 50 {
				t.Errorf("%d were allowed", got)
			}
		})
	}
}

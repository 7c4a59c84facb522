package ratelimit

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"trunkline/internal/pbxtest"
)

const (
	// rounds is how often each side is measured, in turns; the median counts.
	rounds = 5
	// otherWork is what the rest of a quick request costs a processor.
	otherWork = 40 * time.Microsecond
	// benchKeys is how many credentials and addresses the callers have between them.
	benchKeys = 64
)

// BenchmarkTake compares, in one run, callers whose questions go to Redis together with callers who each
// ask alone.
//
//	go test ./internal/ratelimit -run - -bench Take -benchtime 20000x
func BenchmarkTake(b *testing.B) {
	l, _ := started(b, pbxtest.RedisURL(b), patience)
	ctx := context.Background()
	sides := []func(Budget){
		func(budget Budget) { l.Take(ctx, budget) },
		func(budget Budget) {
			q := newQuestion([]Step{{Budget: budget, Amount: 1}})
			if err := l.evaluate(ctx, []*question{q}); err != nil {
				b.Error(err)
			}
			l.keep(q)
		},
	}
	for _, work := range []time.Duration{0, otherWork} {
		for _, callers := range []int{1, 16, 64, 200} {
			b.Run(fmt.Sprintf("work=%s/callers=%d", work, callers), func(b *testing.B) {
				rates := [2][]float64{}
				for range rounds {
					for i, take := range sides {
						rates[i] = append(rates[i], rate(callers, b.N/rounds+1, func(n int) {
							take(budget(strconv.Itoa(n%benchKeys), 1<<30))
							busy(work)
						}))
					}
				}
				together, alone := median(rates[0]), median(rates[1])
				b.ReportMetric(together, "together/s")
				b.ReportMetric(alone, "alone/s")
				b.ReportMetric(together/alone, "ratio")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// rate is how many of n calls so many callers made in a second.
func rate(callers, n int, call func(n int)) float64 {
	var wg sync.WaitGroup
	began := time.Now()
	for first := range callers {
		wg.Go(func() {
			for i := first; i < n; i += callers {
				call(i)
			}
		})
	}
	wg.Wait()
	return float64(n) / time.Since(began).Seconds()
}

// busy keeps a processor busy.
func busy(d time.Duration) {
	for began := time.Now(); time.Since(began) < d; {
	}
}

func median(values []float64) float64 { return slices.Sorted(slices.Values(values))[len(values)/2] }

package ratelimit

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"trunkline/internal/pbxtest"
)

// BenchmarkTake compares, in one run, callers whose questions go to Redis together with callers who each
// ask alone: with one key, and with as many as there are callers.
//
//	go test ./internal/ratelimit -run - -bench Take -benchtime 20000x
func BenchmarkTake(b *testing.B) {
	for _, keys := range []int64{1, 64} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			l, _ := started(b, pbxtest.RedisURL(b), patience)
			key := func(i int64) Budget { return budget(fmt.Sprint(i%keys), 1<<30) }
			together := rate(b, func(i int64) { l.Take(context.Background(), key(i)) })
			alone := rate(b, func(i int64) {
				budget := key(i)
				q := &question{id: hashed(budget.Key), budget: budget, amount: 1, answer: make(chan count, 1)}
				if err := l.askRedis(context.Background(), []*question{q}); err != nil {
					b.Error(err)
				}
			})
			b.ReportMetric(together, "together/s")
			b.ReportMetric(alone, "alone/s")
			b.ReportMetric(together/alone, "ratio")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// callersPerCPU is how many callers there are at once for each processor.
const callersPerCPU = 32

// rate is how many calls there were in a second.
func rate(b *testing.B, call func(i int64)) float64 {
	b.SetParallelism(callersPerCPU)
	var n atomic.Int64
	began := time.Now()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			call(n.Add(1))
		}
	})
	return float64(b.N) / time.Since(began).Seconds()
}

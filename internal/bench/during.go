package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"trunkline/internal/freeswitch"
	"trunkline/internal/pbxtest/fssim"
)

// duringCalls is how many gateways are provisioned on each side of a pair.
const duringCalls = 100

// during measures what people wait for while CDRs are read.
func (b *bench) during(ctx context.Context) error {
	if err := b.withIndex(ctx); err != nil {
		return err
	}
	if err := b.provisionDuringExport(ctx); err != nil {
		return err
	}
	return b.registrationDuringUsage(ctx)
}

// beside is what goes on meanwhile, one after the other. It returns for how many seconds it kept the PBX busy.
type beside struct {
	do      func(context.Context) (busy float64, err error)
	running string // the condition in SQL that it goes on
}

// provisionDuringExport takes turns: gateways are provisioned by one call after the other while exports run, then while
// psql copies the same rows.
func (b *bench) provisionDuringExport(ctx context.Context) error {
	p, err := b.start(ctx, "serve")
	if err != nil {
		return err
	}
	defer p.stop()
	sw := freeswitch.New(b.Switch.Addr(), fssim.Password, freeswitch.Options{})
	defer sw.Close()
	m := &bulkBench{bench: b, sw: sw}
	exports := beside{running: "exists (select from trunkline.jobs where kind = 'export' and state = 'running')", do: func(ctx context.Context) (float64, error) {
		made, err := b.exportBy(ctx, p, exportOf("CSV"), b.removeExport)
		return made.work, err
	}}
	copies := beside{running: "exists (select from pg_stat_progress_copy)", do: func(ctx context.Context) (float64, error) {
		made, err := b.copyBare(ctx, plainQuery)
		return made.bare, errors.Join(err, os.Remove(b.psqlFile()))
	}}
	if _, err := m.singly(ctx, p, warmUp); err != nil {
		return err
	}
	var f figures
	for range pairs {
		ours, shareOfOurs, err := m.p95During(ctx, p, exports)
		if err != nil {
			return err
		}
		theirs, shareOfTheirs, err := m.p95During(ctx, p, copies)
		if err != nil {
			return err
		}
		fmt.Printf("# provisioning p95 %.1f ms beside exports (%.0f %% of the time), %.1f ms beside psql (%.0f %%)\n", ours, 100*shareOfOurs, theirs, 100*shareOfTheirs)
		f.add("provision_p95_during_export_vs_during_psql_copy", ours/theirs, "ratio")
	}
	f.print()
	return nil
}

// p95During provisions while the other thing goes on, and returns the p95 in milliseconds and for which part of the time
// that kept the PBX busy.
func (m *bulkBench) p95During(ctx context.Context, p *process, other beside) (p95, share float64, err error) {
	loading, stop := context.WithCancel(ctx)
	defer stop()
	began, busy := time.Now(), 0.0
	ended := make(chan error, 1)
	go func() {
		for loading.Err() == nil {
			seconds, err := other.do(ctx)
			if err != nil {
				ended <- err
				return
			}
			busy += seconds
		}
		ended <- nil
	}()
	err = waitUntil(ctx, m.holds(other.running))
	var times []float64
	if err == nil {
		times, err = m.singly(ctx, p, duringCalls)
	}
	stop()
	if err := errors.Join(err, <-ended); err != nil {
		return 0, 0, err
	}
	return quantile(times, 0.95), busy / time.Since(began).Seconds(), m.clear(ctx)
}

// holds reports whether a condition holds in the database.
func (b *bench) holds(condition string) func(context.Context) bool {
	return func(ctx context.Context) (holds bool) {
		err := b.pool.QueryRow(ctx, "select "+condition).Scan(&holds)
		return err == nil && holds
	}
}

// Command bench measures Trunkline beside what it is compared with, in the same run and in turns,
// since machines are shared and noisy. It prints a line a figure: BENCH name value unit.
//
// It starts a private Postgres and Redis and a simulated switch that takes the times of a real one,
// and runs the trunkline program as processes of its own.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/pbxtest/running"
	"trunkline/internal/pbxtest/sample"
)

// pairs is how often each comparison is made; the median counts.
const pairs = 5

func main() {
	program := flag.String("trunkline", "bin/trunkline", "the trunkline program to measure")
	rows := flag.Int("rows", 1_000_000, "CDRs in the comparisons of exports and summaries")
	only := flag.String("only", "", "measure one of provision, rescans, changed, bulk, drift, idle, status, registration, export, shares and summary alone")
	bare := flag.String("bare", "", "serve the bare handler at this address, which status is compared with, and measure nothing")
	flag.Parse()
	if *bare != "" {
		fmt.Fprintln(os.Stderr, "bench:", serveBare(*bare))
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *program, *rows, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, program string, rows int, only string) (err error) {
	b, err := setUp(ctx, program, rows)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	for _, m := range []struct {
		name    string
		measure func(context.Context) error
	}{{"provision", b.provision}, {"rescans", b.rescans}, {"changed", b.changed}, {"bulk", b.bulk}, {"drift", b.drift}, {"idle", b.idle}, {"status", b.status}, {"registration", b.registration}, {"export", b.export}, {"shares", b.shares}, {"summary", b.summary}} {
		if only != "" && only != m.name {
			continue
		}
		if err := m.measure(ctx); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return nil
}

// bench is the sample PBX that everything is measured on.
type bench struct {
	*running.PBX
	program string
	rows    int
}

func setUp(ctx context.Context, program string, rows int) (_ *bench, err error) {
	fmt.Printf("# %d CDRs are made\n", rows)
	pbx, err := running.Start(ctx, sample.Options{CDRs: rows, Extensions: 300}, 0)
	if err != nil {
		return nil, err
	}
	b := &bench{PBX: pbx, program: program, rows: rows}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.Close())
		}
	}()
	conn, err := pgx.Connect(ctx, b.Database)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	if _, err := conn.Exec(ctx, "vacuum analyze v_xml_cdr"); err != nil {
		return nil, err
	}
	// It makes the secret key and our tables, which workers started alone need.
	p, err := b.start(ctx, "serve")
	if err != nil {
		return nil, err
	}
	return b, p.stop()
}

// figure prints one measured value.
func figure(name string, value float64, unit string) {
	fmt.Printf("BENCH %s %.3f %s\n", name, value, unit)
}

func median(values []float64) float64 { return quantile(values, 0.5) }

// quantile is the value below which the given part of the values lies, by nearest rank.
func quantile(values []float64, part float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(int(part*float64(len(sorted))), len(sorted)-1)]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

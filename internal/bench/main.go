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
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/pbxtest/running"
	"trunkline/internal/pbxtest/sample"
)

const (
	// pairs is how often each comparison is made; the median counts.
	pairs = 5
	// sampleDays is how many days the sample's CDRs are spread over: within a year, so that what asks for a year gets all.
	sampleDays = 360
)

func main() {
	program := flag.String("trunkline", "bin/trunkline", "the trunkline program to measure")
	rows := flag.Int("rows", 1_000_000, "CDRs in the comparisons of exports and summaries")
	only := flag.String("only", "", "measure these alone, with commas between: "+strings.Join(names(), ", "))
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

// measurements are all there are, in the order in which they are made. None needs another before it: each brings about
// what it is to be measured with.
var measurements = []struct {
	name    string
	measure func(*bench, context.Context) error
}{
	{"provision", (*bench).provision},
	{"rescans", (*bench).rescans},
	{"changed", (*bench).changed},
	{"bulk", (*bench).bulk},
	{"drift", (*bench).drift},
	{"idle", (*bench).idle},
	{"status", (*bench).status},
	{"registration", (*bench).registration},
	{"export", (*bench).export},
	{"formats", (*bench).formats},
	{"bucket", (*bench).bucketStore},
	{"memory", (*bench).memory},
	{"during", (*bench).during},
	{"shares", (*bench).shares},
	{"summary", (*bench).summary},
	{"schedules", (*bench).schedules},
	{"sftp", (*bench).sftp},
	{"late", (*bench).late},
	{"console", (*bench).console},
}

func names() (all []string) {
	for _, m := range measurements {
		all = append(all, m.name)
	}
	return all
}

func run(ctx context.Context, program string, rows int, only string) (err error) {
	chosen := names()
	if only != "" {
		chosen = strings.Split(only, ",")
	}
	for _, name := range chosen {
		if !slices.Contains(names(), name) {
			return fmt.Errorf("-only: there is no measurement %q; write some of %s", name, strings.Join(names(), ", "))
		}
	}
	b, err := setUp(ctx, program, rows)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	for _, m := range measurements {
		if !slices.Contains(chosen, m.name) {
			continue
		}
		if err := m.measure(b, ctx); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return nil
}

// bench is the sample PBX that everything is measured on.
type bench struct {
	*running.PBX
	pool       *pgxpool.Pool // its database
	program    string
	rows       int
	postmaster int // the process that is the parent of Postgres's others
}

func setUp(ctx context.Context, program string, rows int) (_ *bench, err error) {
	fmt.Printf("# %d CDRs are made\n", rows)
	pbx, err := running.Start(ctx, sample.Options{CDRs: rows, Extensions: 300, Days: sampleDays}, 0)
	if err != nil {
		return nil, err
	}
	b := &bench{PBX: pbx, program: program, rows: rows}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.Close())
		}
	}()
	if b.pool, err = pgxpool.New(ctx, b.Database); err != nil {
		return nil, err
	}
	if _, err := b.pool.Exec(ctx, "vacuum analyze v_xml_cdr"); err != nil {
		return nil, err
	}
	if b.postmaster, err = postmasterOf(ctx, b.pool); err != nil {
		return nil, err
	}
	if err := b.checkpoint(ctx); err != nil {
		return nil, err
	}
	// It makes the secret key and our tables, which workers started alone need.
	p, err := b.start(ctx, "serve")
	if err != nil {
		return nil, err
	}
	return b, p.stop()
}

// Close gives back the sample PBX.
func (b *bench) Close() error {
	if b.pool != nil {
		b.pool.Close()
	}
	return b.PBX.Close()
}

// checkpoint has Postgres write what it has yet to write, so that no side pays for what came before.
func (b *bench) checkpoint(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, b.Servers.AdminURL())
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, "checkpoint")
	return err
}

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
	"path/filepath"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/pbxtest/fssim"
	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/pbxtest/servers"
)

// pairs is how often each comparison is made; the median counts.
const pairs = 5

func main() {
	program := flag.String("trunkline", "bin/trunkline", "the trunkline program to measure")
	rows := flag.Int("rows", 1_000_000, "CDRs in the export comparison")
	only := flag.String("only", "", "measure one of provision, idle, status, registration and export alone")
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
	dir, err := os.MkdirTemp("", "trunkline-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	// Postgres refuses to run as root, so its folder in this one is another account's.
	if err := os.Chmod(dir, 0o711); err != nil {
		return err
	}
	b, err := setUp(ctx, dir, program, rows)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	for _, m := range []struct {
		name    string
		measure func(context.Context) error
	}{{"provision", b.provision}, {"idle", b.idle}, {"status", b.status}, {"registration", b.registration}, {"export", b.export}} {
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
	dir, program string
	servers      *servers.Pair
	database     string
	sample       sample.PBX
	sw           *fssim.Switch
	rows         int
}

func setUp(ctx context.Context, dir, program string, rows int) (_ *bench, err error) {
	b := &bench{dir: dir, program: program, rows: rows}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	if b.servers, err = servers.Start(ctx, servers.Options{Dir: dir, Durable: true}); err != nil {
		return nil, err
	}
	if b.database, err = b.servers.CreateDatabase(ctx, "bench", sample.V55); err != nil {
		return nil, err
	}
	conn, err := pgx.Connect(ctx, b.database)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	fmt.Printf("# %d CDRs are made\n", rows)
	if b.sample, err = sample.Load(ctx, conn, sample.Options{CDRs: rows, Extensions: 300}); err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, "vacuum analyze v_xml_cdr"); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, whitelistFile), []byte("127.0.0.1\n"), 0o600); err != nil {
		return nil, err
	}
	b.sw, err = fssim.Start(fssim.Options{Gateways: fssim.GatewaysFromDatabase(b.database), RealTimes: true})
	if err != nil {
		return nil, err
	}
	if err := b.sw.LoadProfiles(ctx); err != nil {
		return nil, err
	}
	// It makes the secret key and our tables, which workers started alone need.
	p, err := b.start(ctx, "serve")
	if err != nil {
		return nil, err
	}
	return b, p.stop()
}

func (b *bench) close() error {
	var errs []error
	if b.sw != nil {
		errs = append(errs, b.sw.Close())
	}
	if b.servers != nil {
		errs = append(errs, b.servers.Close())
	}
	return errors.Join(errs...)
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

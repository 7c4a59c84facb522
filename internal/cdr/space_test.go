package cdr

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/export"
	"trunkline/internal/fault"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
)

func TestTooLittleSpaceToStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := Folder{Dir: dir, MinFreeBytes: 2e9, free: func(string) (uint64, error) { return 1.5e9, nil }}.Create(t.Context(), "calls.csv", 1, nil)
	if !fault.Is(err, fault.InsufficientStorage) || !strings.HasPrefix(err.Error(), dir+" has 1500.0 MB free and an export needs 2000.0 MB") {
		t.Errorf("error %v does not say how much is free and needed", err)
	}
	wantFiles(t, dir)

	// The system's own figure, which no floor of a byte is above and every floor of 2^63 is.
	_, err = Folder{Dir: dir, MinFreeBytes: 1 << 63}.Create(t.Context(), "calls.csv", 1, nil)
	if !fault.Is(err, fault.InsufficientStorage) || strings.Contains(err.Error(), " 0.0 MB free") {
		t.Errorf("error %v, want it refused with the system's figure", err)
	}
	part, err := Folder{Dir: dir, MinFreeBytes: 1}.Create(t.Context(), "calls.csv", 1, nil)
	must(t, err)
	must(t, part.Discard())
}

// longRows is a source of more bytes than lie between two looks at the free space.
type longRows struct {
	cdrs
	conn *pgx.Conn
}

func (l longRows) Connect(context.Context, bool) (*pgx.Conn, func(), error) {
	return l.conn, func() {}, nil
}

func (longRows) Rows(export.Span) (string, []any, error) {
	return "select n, repeat('x', 1000) as x from generate_series(1, 40000) n", nil, nil
}

// writeMany writes more bytes into a part of the folder than lie between two looks at the free space.
func writeMany(ctx context.Context, t *testing.T, url string, f Folder, paused func(bool, string)) (export.Manifest, error) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	must(t, err)
	defer conn.Close(context.Background())
	part, err := f.Create(t.Context(), "calls.csv", 1, paused)
	must(t, err)
	m, err := export.Write(ctx, longRows{conn: conn}, part,
		export.Options{Name: "calls.csv", Format: export.CSV})
	must(t, part.Discard())
	wantFiles(t, f.Dir)
	return m, err
}

func TestPauseUntilThereIsSpace(t *testing.T) {
	t.Parallel()
	looks := 0
	var said []string
	f := Folder{Dir: t.TempDir(), MinFreeBytes: 100, poll: time.Millisecond, free: func(string) (uint64, error) {
		looks++
		if looks >= 2 && looks < 5 { // the first look is the start's
			return 99, nil
		}
		return 100, nil
	}}
	m, err := writeMany(t.Context(), t, pbxtest.Database(t, sample.V55), f, func(paused bool, reason string) {
		said = append(said, fmt.Sprint(paused, " ", strings.Contains(reason, "must stay free"), " ", looks))
	})
	if err != nil || m.Rows != 40000 {
		t.Errorf("%d rows after a pause, %v", m.Rows, err)
	}
	if got, want := strings.Join(said, ", "), "true true 2, false false 5"; got != want {
		t.Errorf("said %q, want %q", got, want)
	}
}

func TestCancelInAPause(t *testing.T) {
	t.Parallel()
	url := pbxtest.Database(t, sample.V55)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var looks atomic.Int64
	f := Folder{Dir: t.TempDir(), MinFreeBytes: 100, poll: time.Hour, free: func(string) (uint64, error) {
		if looks.Add(1) == 1 {
			return 100, nil
		}
		return 0, nil
	}}
	_, err := writeMany(ctx, t, url, f, func(bool, string) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the context's", err)
	}
	watch, err := pgx.Connect(t.Context(), url)
	must(t, err)
	defer watch.Close(context.Background())
	pbxtest.Eventually(t, "the server stops", func() bool {
		var busy int
		must(t, watch.QueryRow(t.Context(), `select count(*) from pg_stat_activity
			where datname = current_database() and state = 'active' and pid <> pg_backend_pid()`).Scan(&busy))
		return busy == 0
	})
}

func TestFreeSpaceError(t *testing.T) {
	t.Parallel()
	broken := errors.New("no such file system")
	looks := 0
	f := Folder{Dir: t.TempDir(), MinFreeBytes: 100, free: func(string) (uint64, error) {
		if looks++; looks == 1 {
			return 100, nil
		}
		return 0, broken
	}}
	if _, err := writeMany(t.Context(), t, pbxtest.Database(t, sample.V55), f, nil); !errors.Is(err, broken) {
		t.Errorf("error %v, want the system's", err)
	}
}

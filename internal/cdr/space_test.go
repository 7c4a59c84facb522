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
	for kind, open := range stores {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := open(t, func(f *Folder) {
				f.MinFreeBytes, f.free = 2e9, func(string) (uint64, error) { return 1.5e9, nil }
			})
			_, err := s.Create(t.Context(), "calls.csv", 1, nil)
			if !fault.Is(err, fault.InsufficientStorage) || !strings.HasPrefix(err.Error(), s.spool.Dir+" has 1500.0 MB free and an export needs 2000.0 MB") {
				t.Errorf("error %v does not say how much is free and needed", err)
			}
			s.want()

			// The system's own figure, which no floor of a byte is above and every floor of 2^63 is.
			_, err = open(t, func(f *Folder) { f.MinFreeBytes = 1 << 63 }).Create(t.Context(), "calls.csv", 1, nil)
			if !fault.Is(err, fault.InsufficientStorage) || strings.Contains(err.Error(), " 0.0 MB free") {
				t.Errorf("error %v, want it refused with the system's figure", err)
			}
			part, err := open(t, func(f *Folder) { f.MinFreeBytes = 1 }).Create(t.Context(), "calls.csv", 1, nil)
			must(t, err)
			must(t, part.Discard())
		})
	}
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

// writeMany writes more bytes into a part of the store than lie between two looks at the free space.
func writeMany(ctx context.Context, t *testing.T, url string, s *testStore, paused func(bool, string)) (export.Manifest, error) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	must(t, err)
	defer conn.Close(context.Background())
	part, err := s.Create(t.Context(), "calls.csv", 1, paused)
	must(t, err)
	m, err := export.Write(ctx, longRows{conn: conn}, part,
		export.Options{Name: "calls.csv", Format: export.CSV})
	must(t, part.Discard())
	s.want()
	return m, err
}

func TestPauseUntilThereIsSpace(t *testing.T) {
	t.Parallel()
	for kind, open := range stores {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			looks := 0
			var said []string
			s := open(t, func(f *Folder) {
				f.MinFreeBytes, f.poll, f.free = 100, time.Millisecond, func(string) (uint64, error) {
					looks++
					if looks >= 2 && looks < 5 { // the first look is the start's
						return 99, nil
					}
					return 100, nil
				}
			})
			m, err := writeMany(t.Context(), t, pbxtest.Database(t, sample.V55), s, func(paused bool, reason string) {
				said = append(said, fmt.Sprint(paused, " ", strings.Contains(reason, "must stay free"), " ", looks))
			})
			if err != nil || m.Rows != 40000 {
				t.Errorf("%d rows after a pause, %v", m.Rows, err)
			}
			if got, want := strings.Join(said, ", "), "true true 2, false false 5"; got != want {
				t.Errorf("said %q, want %q", got, want)
			}
		})
	}
}

func TestCancelInAPause(t *testing.T) {
	t.Parallel()
	url := pbxtest.Database(t, sample.V55)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var looks atomic.Int64
	s := bucketStore(t, func(f *Folder) {
		f.MinFreeBytes, f.poll, f.free = 100, time.Hour, func(string) (uint64, error) {
			if looks.Add(1) == 1 {
				return 100, nil
			}
			return 0, nil
		}
	})
	_, err := writeMany(ctx, t, url, s, func(bool, string) { cancel() })
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
	s := folderStore(t, func(f *Folder) {
		f.MinFreeBytes, f.free = 100, func(string) (uint64, error) {
			if looks++; looks == 1 {
				return 100, nil
			}
			return 0, broken
		}
	})
	if _, err := writeMany(t.Context(), t, pbxtest.Database(t, sample.V55), s, nil); !errors.Is(err, broken) {
		t.Errorf("error %v, want the system's", err)
	}
}

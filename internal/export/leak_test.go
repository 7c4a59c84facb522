package export

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"trunkline/internal/pbxtest"
)

var errFault = errors.New("a fault")

// faulty is a source and an Out of which one thing fails, each at its nth time; 0 is never.
type faulty struct {
	calls
	memory
	further, rows, nth, compared, space, written, synced, finished countdown
	// sql stands in place of the column n; kill ends the server's process in place of a failing write.
	sql  string
	kill bool
}

// countdown says when it has come to its end.
type countdown struct{ left atomic.Int64 }

func (c *countdown) over() bool { return c.left.Add(-1) == 0 }

func (f *faulty) Connect(ctx context.Context, first bool) (*pgx.Conn, func(), error) {
	if !first && f.further.over() {
		return nil, nil, errFault
	}
	return f.calls.Connect(ctx, first)
}

func (f *faulty) Rows(s Span) (string, []any, error) {
	if f.rows.over() {
		return "", nil, errFault
	}
	sql, args, err := f.calls.Rows(s)
	if f.sql != "" {
		sql = strings.Replace(sql, "text, n,", "text, "+f.sql+" as n,", 1)
	}
	return sql, args, err
}

func (f *faulty) Nth(s Span, n int64) (string, []any, error) {
	if f.nth.over() {
		return "", nil, errFault
	}
	return f.calls.Nth(s, n)
}

func (f *faulty) Compare(ctx context.Context, tx pgx.Tx, slices []Slice) ([]Compared, error) {
	if f.compared.over() {
		return nil, errFault
	}
	return f.calls.Compare(ctx, tx, slices)
}

func (f *faulty) WaitForSpace(ctx context.Context, _ int64) error {
	if f.space.over() {
		<-ctx.Done()
	}
	return nil
}

func (f *faulty) Write(p []byte) (int, error) {
	if !f.written.over() {
		return f.memory.Write(p)
	}
	if f.kill {
		_, err := f.pool.Exec(context.Background(), "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
		return len(p), err
	}
	return 0, errFault
}

func (f *faulty) Sync() error {
	if f.synced.over() {
		return errFault
	}
	return nil
}

// TestNothingIsLeftRunning has everything fail that may, sooner or later: Write says so before long, its goroutines end,
// and its connections are given back. It is not parallel: it looks at all goroutines.
func TestNothingIsLeftRunning(t *testing.T) {
	source := newCalls(t, 6000)
	forms := []Options{{Format: CSV}, {Format: JSON, Compression: Gzip}, {Format: CSV, Compression: Zstd}, {Format: Parquet}}
	left := map[string][]Slice{} // of each form, by an attempt that was cut off
	for _, o := range forms {
		o.SliceRows = 500
		a := attempts{source: source, o: o}
		written, _ := whole(t, source, o)
		if _, err := a.try(t, len(written)/2); !errors.Is(err, errCutOff) || len(a.slices) == 0 {
			t.Fatalf("%d slices, %v", len(a.slices), err)
		}
		left[Extension(o.Format, o.Compression)] = a.slices
	}
	before := goleak.IgnoreCurrent()
	for _, fault := range []struct {
		name string
		set  func(f *faulty, o *Options, nth int64)
		want string
		// one says that it happens with one connection too, first that it happens with nth 1 alone.
		one, first bool
	}{
		{"a further connection", func(f *faulty, _ *Options, nth int64) { f.further.left.Store(nth) }, errFault.Error(), false, true},
		{"a statement", func(f *faulty, _ *Options, nth int64) { f.rows.left.Store(nth) }, errFault.Error(), false, false},
		{"a slice's end", func(f *faulty, _ *Options, nth int64) { f.nth.left.Store(nth) }, errFault.Error(), false, false},
		{"a row", func(f *faulty, _ *Options, nth int64) { f.sql = fmt.Sprintf("1 / (n - %d)", nth*200) }, "division by zero", true, false},
		{"the last row", func(f *faulty, _ *Options, nth int64) { f.sql = "1 / (n - 1500)" }, "division by zero", true, true},
		{"writing", func(f *faulty, _ *Options, nth int64) { f.written.left.Store(nth) }, errFault.Error(), true, false},
		{"the server", func(f *faulty, _ *Options, nth int64) { f.kill = true; f.written.left.Store(nth) }, "", true, true},
		{"syncing", func(f *faulty, _ *Options, nth int64) { f.synced.left.Store(nth) }, errFault.Error(), true, true},
		{"keeping slices", func(f *faulty, o *Options, nth int64) {
			f.finished.left.Store(nth)
			o.finishedInterval = 1
			o.Finished = func(context.Context, int, []Slice) error {
				if f.finished.over() {
					return errFault
				}
				return nil
			}
		}, errFault.Error(), true, false},
		{"too many rows", func(_ *faulty, o *Options, nth int64) { o.MaxRows = nth * 700 }, ErrTooManyRows.Error(), true, false},
		{"comparing", func(f *faulty, o *Options, nth int64) {
			f.compared.left.Store(nth)
			o.Earlier = left[Extension(o.Format, o.Compression)]
		}, errFault.Error(), true, true},
		{"what was written before", func(_ *faulty, o *Options, nth int64) {
			o.Earlier = left[Extension(o.Format, o.Compression)]
			o.OpenPart = func(int) (EarlierPart, error) { return part{bytes.NewReader(nil)}, nil }
		}, ErrDamaged.Error(), true, true},
		{"a part that is gone", func(_ *faulty, o *Options, nth int64) {
			o.Earlier = left[Extension(o.Format, o.Compression)]
			o.OpenPart = func(int) (EarlierPart, error) { return nil, errFault }
		}, errFault.Error(), true, true},
		{"waiting for space", func(f *faulty, _ *Options, nth int64) { f.space.left.Store(nth) }, context.DeadlineExceeded.Error(), true, false},
	} {
		for _, nth := range []int64{1, 3} {
			if nth > 1 && fault.first {
				continue
			}
			for _, o := range forms {
				for _, connections := range []int{1, 3} {
					if connections == 1 && !fault.one {
						continue
					}
					what := fmt.Sprintf("%s, %d, %s %s, %d connections", fault.name, nth, o.Format, o.Compression, connections)
					f := &faulty{calls: source}
					o.Name, o.Span, o.KeyColumns, o.Columns, o.SumColumn = "calls", callsSpan, []string{"at", "id"}, callsColumns, "n"
					o.SliceRows, o.Connections, o.Part = 500, connections, 2
					fault.set(f, &o, nth)
					patience := stopLimit
					if strings.Contains(fault.want, "deadline") {
						patience = 100 * time.Millisecond
					}
					ctx, cancel := context.WithTimeout(t.Context(), patience)
					m, err := Write(ctx, f, f, o)
					cancel()
					if f.kill {
						source.pool.Reset()
					}
					if f.kill && err == nil && m.Rows == 6000 {
						continue // all rows were here by then
					}
					if err == nil || !strings.Contains(err.Error(), fault.want) || errors.Is(err, context.DeadlineExceeded) != (patience < stopLimit) {
						t.Errorf("%s: error %v, want %q", what, err, fault.want)
					}
					if n := source.pool.Stat().AcquiredConns(); n != 0 {
						pbxtest.Eventually(t, what+": connections are given back", func() bool { return source.pool.Stat().AcquiredConns() == 0 })
					}
				}
			}
		}
	}
	pbxtest.Eventually(t, "all goroutines end", func() bool { return goleak.Find(before) == nil })
}

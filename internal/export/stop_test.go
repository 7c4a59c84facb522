package export

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"

	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
)

// stopLimit is how long a stopped Write may take to return. It is generous for a loaded machine; what
// it must catch is a Write that waits for the query.
const stopLimit = 5 * time.Second

// busyBackends counts the other backends of the database that run something.
func busyBackends(t testing.TB, watch *pgx.Conn) int {
	t.Helper()
	var n int
	err := watch.QueryRow(t.Context(), `select count(*) from pg_stat_activity
		where datname = current_database() and state = 'active' and pid <> pg_backend_pid()`).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// waitIdle waits until the server runs nothing in the database any more.
func waitIdle(t testing.TB, url string) {
	t.Helper()
	watch := pbxtest.Connect(t, url)
	pbxtest.Eventually(t, "the server stops", func() bool { return busyBackends(t, watch) == 0 })
}

// connectWatched connects with one of the ways in which pgx acts on the end of a context.
func connectWatched(t *testing.T, url string, askServer bool) *pgx.Conn {
	t.Helper()
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	if askServer {
		cfg.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
			return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: 2 * time.Second}
		}
	}
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func TestCancelStopsTheServer(t *testing.T) {
	t.Parallel()
	errAsked := errors.New("somebody asked for it")
	for _, tt := range []struct {
		name, sql string
	}{
		{"before the first row", "select pg_sleep(600)::text as a"},
		{"while sorting", "select n, md5(n::text) as m from generate_series(1, 50000000) n order by m"},
		{"between rows", "select n, repeat('x', 1000) as x from generate_series(1, 50000000) n"},
	} {
		for _, askServer := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%v", tt.name, askServer), func(t *testing.T) {
				t.Parallel()
				url := pbxtest.Database(t, sample.V55)
				conn := connectWatched(t, url, askServer)
				watch := pbxtest.Connect(t, url)
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				done := make(chan error, 1)
				go func() {
					_, err := writeQuery(ctx, conn, tt.sql, nil, &memory{}, Options{Name: "calls.csv", Format: CSV})
					done <- err
				}()
				pbxtest.Eventually(t, "the query runs", func() bool { return busyBackends(t, watch) > 0 })
				cancel(errAsked)
				select {
				case err := <-done:
					if !errors.Is(err, context.Canceled) || !errors.Is(err, errAsked) {
						t.Errorf("error %v, want the context's and its cause", err)
					}
				case <-time.After(stopLimit):
					t.Fatal("Write does not return")
				}
				pbxtest.Eventually(t, "the server stops", func() bool { return busyBackends(t, watch) == 0 })
			})
		}
	}
}

func TestDeadlineIsSaid(t *testing.T) {
	t.Parallel()
	conn := pbxtest.Connect(t, pbxtest.Database(t, sample.V55))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := writeQuery(ctx, conn, "select pg_sleep(600)::text as a", nil, &memory{}, Options{Name: "calls.csv", Format: CSV})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want the deadline", err)
	}
}

// fullDisk takes so many bytes and no more.
type fullDisk struct {
	memory
	left int
}

var errFull = errors.New("no space left on device")

func (d *fullDisk) Write(p []byte) (int, error) {
	if len(p) > d.left {
		return d.left, errFull
	}
	d.left -= len(p)
	return len(p), nil
}

func TestAFullDiskIsSaid(t *testing.T) {
	t.Parallel()
	url := pbxtest.Database(t, sample.V55)
	for _, compression := range []Compression{None, Gzip, Zstd} {
		o := Options{Name: "calls.csv", Format: CSV, Compression: compression}
		_, err := writeQuery(t.Context(), pbxtest.Connect(t, url), "select md5(n::text) as m from generate_series(1, 50000000) n", nil, &fullDisk{left: 3 * bufferSize}, o)
		if !errors.Is(err, errFull) {
			t.Errorf("%s: error %v, want that of the disk", compression, err)
		}
	}
	waitIdle(t, url)
}

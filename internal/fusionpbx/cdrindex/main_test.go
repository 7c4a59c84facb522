package cdrindex

import (
	"context"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/fusionpbx"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/postgres"
)

func TestMain(m *testing.M) { os.Exit(pbxtest.Main(m)) }

var must = pbxtest.Must

// bed is a FusionPBX database: the pool is Trunkline's, the connection somebody else's.
type bed struct {
	url  string
	pool *pgxpool.Pool
	conn *pgx.Conn
}

func open(t *testing.T, v sample.Version) bed {
	t.Helper()
	b := bed{url: pbxtest.Database(t, v)}
	b.conn, b.pool = pbxtest.Connect(t, b.url), openPool(t, b.url)
	return b
}

func openPool(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()
	pool, err := postgres.Open(t.Context(), url, 4)
	must(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// superuser is a connection to the same database that may do anything.
func (b bed) superuser(t *testing.T) *pgx.Conn {
	t.Helper()
	admin, err := url.Parse(pbxtest.Servers(t).AdminURL())
	must(t, err)
	own, err := url.Parse(b.url)
	must(t, err)
	admin.Path = own.Path
	return pbxtest.Connect(t, admin.String())
}

func (b bed) exec(t *testing.T, statements ...string) {
	t.Helper()
	execOn(t, b.conn, statements...)
}

func execOn(t *testing.T, conn *pgx.Conn, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// one is one row more.
const one = "insert into v_xml_cdr (xml_cdr_uuid, start_stamp) values (gen_random_uuid(), '2026-01-15')"

// months makes of v_xml_cdr a table that is partitioned by months, of which those of 2025 are partitions of one of theirs.
func (b bed) months(t *testing.T) {
	t.Helper()
	b.exec(t,
		"alter table v_xml_cdr rename to unpartitioned",
		"create table v_xml_cdr (like unpartitioned) partition by range (start_stamp)",
		"create table v_xml_cdr_2025 partition of v_xml_cdr for values from ('2025-01-01') to ('2026-01-01') partition by range (start_stamp)",
		"create table v_xml_cdr_2025_11 partition of v_xml_cdr_2025 for values from ('2025-11-01') to ('2025-12-01')",
		"create table v_xml_cdr_2025_12 partition of v_xml_cdr_2025 for values from ('2025-12-01') to ('2026-01-01')",
		"create table v_xml_cdr_2026_01 partition of v_xml_cdr for values from ('2026-01-01') to ('2026-02-01')",
		`create table "V xml ""cdr""" partition of v_xml_cdr for values from ('2026-02-01') to ('2026-03-01')`,
		`insert into v_xml_cdr (xml_cdr_uuid, start_stamp)
			select gen_random_uuid(), '2025-11-01'::timestamptz + n * interval '1 h' from generate_series(1, 2500) n`)
}

// told is what a build has told.
type told struct {
	mu    sync.Mutex
	lines []string
	each  func(line string) // is called with each; may be nil
}

func (l *told) tell(line string) {
	l.mu.Lock()
	l.lines = append(l.lines, line)
	l.mu.Unlock()
	if l.each != nil {
		l.each(line)
	}
}

func (l *told) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

func (l *told) has(text string) bool { return strings.Contains(l.String(), text) }

// make makes the index and fails unless it serves.
func (b bed) make(t *testing.T) *told {
	t.Helper()
	l := &told{}
	index, err := Make(t.Context(), b.pool, l.tell)
	if err != nil {
		t.Fatalf("%v\n%s", err, l)
	}
	b.wantServing(t, index)
	return l
}

// wantServing fails unless that index serves, and no index of v_xml_cdr or below is invalid or stands beside the table's.
func (b bed) wantServing(t *testing.T, index string) {
	t.Helper()
	found, err := Look(t.Context(), b.pool)
	if err != nil || found.Serving == "" || found.Serving != index {
		t.Errorf("serving is %q, %v; want %q", found.Serving, err, index)
	}
	db, err := fusionpbx.Probe(t.Context(), b.conn)
	must(t, err)
	if use, err := db.CDRIndexUse(t.Context()); use != fusionpbx.CDRIndexInOrder || err != nil {
		t.Errorf("the indexes are good for %d, %v", use, err)
	}
	if invalid := b.text(t, "select coalesce(string_agg(indexrelid::regclass::text, ' '), '') from pg_index where not indisvalid"); invalid != "" {
		t.Errorf("invalid indexes are left: %s", invalid)
	}
}

func (b bed) text(t *testing.T, sql string) string {
	t.Helper()
	return pbxtest.One[string](t, b.conn, sql)
}

// start runs Make until the test ends, and returns what it tells and where its end is told.
func (b bed) start(t *testing.T, ctx context.Context) (*told, chan error) {
	l, ended := &told{}, make(chan error, 1)
	go func() {
		_, err := Make(ctx, b.pool, l.tell)
		ended <- err
	}()
	return l, ended
}

package cdrindex

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
)

func TestMakeOnEachVersion(t *testing.T) {
	t.Parallel()
	for _, v := range sample.Versions {
		t.Run(string(v), func(t *testing.T) {
			t.Parallel()
			b := open(t, v)
			b.exec(t, one)
			b.make(t)
			if got := b.text(t, "select pg_get_indexdef('trunkline_v_xml_cdr_start'::regclass)"); !strings.HasSuffix(got, "btree (start_stamp, xml_cdr_uuid)") {
				t.Errorf("got %s", got)
			}
			if l := b.make(t); len(l.lines) > 0 {
				t.Errorf("a second time it does something: %s", l)
			}
		})
	}
}

// An index that serves is left alone, whatever it is called.
func TestMakeLeavesAloneWhatServes(t *testing.T) {
	t.Parallel()
	b := open(t, sample.V55)
	for columns, serves := range map[string]bool{
		"(start_stamp, xml_cdr_uuid)":                       true,
		"(start_stamp desc, xml_cdr_uuid desc)":             true,
		"(start_stamp, xml_cdr_uuid, domain_uuid)":          true,
		"(start_stamp)":                                     false,
		"(xml_cdr_uuid, start_stamp)":                       false,
		"(start_stamp, xml_cdr_uuid) where leg = 'a'":       false,
		"using brin (start_stamp, xml_cdr_uuid)":            false,
		"(start_stamp, domain_uuid) include (xml_cdr_uuid)": false,
	} {
		b.exec(t, "create index other on v_xml_cdr "+columns)
		l := b.make(t)
		if (len(l.lines) == 0) != serves {
			t.Errorf("%s: it did: %s", columns, l)
		}
		b.exec(t, "drop index other", "drop index if exists trunkline_v_xml_cdr_start")
	}
}

// While a transaction that wrote is open the build waits and says for whom; others go on writing, a second build is told
// of the first, and an interrupted one is begun anew.
func TestMakeWhileOthersWork(t *testing.T) {
	t.Parallel()
	b := open(t, sample.V55)
	writer := pbxtest.Connect(t, b.url)
	execOn(t, writer, "begin", one)
	ctx, cancel := context.WithCancel(t.Context())
	l, ended := b.start(t, ctx)
	pbxtest.Eventually(t, "it says for whom it waits", func() bool {
		return l.has(fmt.Sprintf("waiting for writers before build; waits for the end of the transaction of Postgres process %d (role \"fusionpbx\", application \"\", for ", writer.PgConn().PID()))
	})
	b.exec(t, "set lock_timeout = '1s'", one)
	builder := b.text(t, "select pid::text from pg_stat_progress_create_index where datname = current_database()")
	if _, err := Make(t.Context(), openPool(t, b.url), l.tell); err == nil || !strings.Contains(err.Error(), "Postgres process "+builder) {
		t.Errorf("a second one: got %v, want that process %s builds", err, builder)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), `drop index concurrently if exists "public"."trunkline_v_xml_cdr_start"`) {
		t.Errorf("interrupted: got %v", err)
	}
	if b.text(t, "select indisvalid::text from pg_index where indexrelid = 'trunkline_v_xml_cdr_start'::regclass") != "false" {
		t.Error("what is left is valid")
	}
	execOn(t, writer, "commit")
	if l := b.make(t); !l.has("removing the index that an interrupted build has left") {
		t.Errorf("it does not say that it removes what is left: %s", l)
	}
	if got := b.text(t, "select count(*)::text from v_xml_cdr"); got != "2" {
		t.Errorf("%s rows, want 2", got)
	}
}

// A database's time-outs are for FusionPBX's pages: they end no build, and hold again afterwards.
func TestMakeHasNoTimeouts(t *testing.T) {
	t.Parallel()
	b := open(t, sample.V55)
	pool := openPool(t, b.url+"&statement_timeout=1500&lock_timeout=1500")
	writer := pbxtest.Connect(t, b.url)
	execOn(t, writer, "begin", one)
	l, ended := &told{}, make(chan error, 1)
	go func() {
		_, err := Make(t.Context(), pool, l.tell)
		ended <- err
	}()
	pbxtest.Eventually(t, "it waits for longer than that", func() bool { return l.has("waits for the end") })
	execOn(t, writer, "commit")
	must(t, <-ended)
	for range pool.Stat().TotalConns() {
		conn, err := pool.Acquire(t.Context())
		must(t, err)
		defer conn.Release()
		var statement, lock string
		must(t, conn.QueryRow(t.Context(), "select current_setting('statement_timeout'), current_setting('lock_timeout')").Scan(&statement, &lock))
		if statement != "1500ms" || lock != "1500ms" {
			t.Errorf("afterwards the time-outs are %s and %s", statement, lock)
		}
	}
}

// What is told beforehand is near to what there will be.
func TestLookEstimates(t *testing.T) {
	t.Parallel()
	b := open(t, sample.V55)
	const rows = 50_000
	b.exec(t, fmt.Sprintf("insert into v_xml_cdr (xml_cdr_uuid, start_stamp) select gen_random_uuid(), now() - n * interval '1 min' from generate_series(1, %d) n", rows), "analyze v_xml_cdr")
	found, err := Look(t.Context(), b.pool)
	must(t, err)
	if found.Rows != rows || found.Partitions != 0 || found.Lacking != 1 || found.Table != `"public"."v_xml_cdr"` {
		t.Errorf("got %+v", found)
	}
	b.make(t)
	table := pbxtest.One[int64](t, b.conn, "select pg_table_size('v_xml_cdr')")
	index := pbxtest.One[int64](t, b.conn, "select pg_relation_size('trunkline_v_xml_cdr_start')")
	if found.Bytes != table || found.IndexBytes < index*95/100 || found.IndexBytes > index*105/100 {
		t.Errorf("it tells of %d and %d bytes; the table has %d and the index %d", found.Bytes, found.IndexBytes, table, index)
	}
}

// A name that is taken is left to its owner.
func TestMakeWhereItsNameIsTaken(t *testing.T) {
	t.Parallel()
	b := open(t, sample.V55)
	b.exec(t, "create index trunkline_v_xml_cdr_start on v_xml_cdr (leg)")
	_, err := Make(t.Context(), b.pool, new(told).tell)
	if err == nil || !strings.Contains(err.Error(), "something else is called trunkline_v_xml_cdr_start") {
		t.Errorf("got %v", err)
	}
}

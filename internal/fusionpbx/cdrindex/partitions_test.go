package cdrindex

import (
	"context"
	"strings"
	"testing"

	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
)

// Each partition has its index, the table's is over all of them, and partitions that come later have one from the start.
func TestMakeOnPartitions(t *testing.T) {
	t.Parallel()
	b := open(t, sample.V55)
	b.months(t)
	b.exec(t,
		"create index theirs on v_xml_cdr_2025_11 (start_stamp, xml_cdr_uuid)",                   // is attached as it is
		"create index wider on v_xml_cdr_2025_12 (start_stamp, xml_cdr_uuid, domain_uuid)",       // cannot be attached
		"create unique index another on v_xml_cdr_2026_01 (start_stamp desc, xml_cdr_uuid desc)") // nor this
	found, err := Look(t.Context(), b.pool)
	must(t, err)
	if found.Partitions != 4 || found.Lacking != 1 || found.Serving != "" {
		t.Errorf("before: got %+v", found)
	}
	l := b.make(t)
	if strings.Contains(l.String(), `2025_11": building`) || !l.has(`"v_xml_cdr_2025_11": attaching the index theirs`) {
		t.Errorf("it did: %s", l)
	}
	b.exec(t, "create table v_xml_cdr_2026_03 partition of v_xml_cdr for values from ('2026-03-01') to ('2026-04-01')")
	b.wantServing(t, `"public"."trunkline_v_xml_cdr_start"`)
	const attached = `select string_agg(h.inhrelid::regclass || ' of ' || h.inhparent::regclass, ', ' order by i.indrelid::regclass::text)
		from pg_inherits h join pg_index i on i.indexrelid = h.inhrelid`
	want := `"trunkline_V xml ""cdr""_start" of trunkline_v_xml_cdr_start, trunkline_v_xml_cdr_2025_start of trunkline_v_xml_cdr_start, theirs of trunkline_v_xml_cdr_2025_start, ` +
		`trunkline_v_xml_cdr_2025_12_start of trunkline_v_xml_cdr_2025_start, trunkline_v_xml_cdr_2026_01_start of trunkline_v_xml_cdr_start, ` +
		`v_xml_cdr_2026_03_start_stamp_xml_cdr_uuid_idx of trunkline_v_xml_cdr_start`
	if got := b.text(t, attached); got != want {
		t.Errorf("attached are\n%s\nwant\n%s", got, want)
	}
	if l := b.make(t); len(l.lines) > 0 {
		t.Errorf("a second time it does something: %s", l)
	}
}

// At whichever step it is interrupted, the next one goes on from there.
func TestMakeOnPartitionsGoesOn(t *testing.T) {
	t.Parallel()
	b := open(t, sample.V55)
	b.months(t)
	const dropAll = `do $$ declare one regclass; begin
		for one in select oid from pg_class where relname like 'trunkline%' and relkind in ('i', 'I') and not relispartition loop
			execute format('drop index %s', one);
		end loop;
	end $$`
	for step := 1; ; step++ {
		b.exec(t, dropAll)
		ctx, cancel := context.WithCancel(t.Context())
		l := &told{}
		l.each = func(string) {
			if len(l.lines) == step {
				cancel()
			}
		}
		_, err := Make(ctx, b.pool, l.tell)
		cancel()
		if err == nil {
			if step <= len(l.lines) || step < 10 {
				t.Errorf("after %d steps: %s", step-1, l)
			}
			return
		}
		if len(l.lines) != step {
			t.Fatalf("step %d: %v\n%s", step, err, l)
		}
		b.make(t)
	}
}

// An invalid index of a partition is of an interrupted build, ours if it is called so.
func TestMakeOnPartitionsAfterAnInterruptedBuild(t *testing.T) {
	t.Parallel()
	b := open(t, sample.V55)
	b.months(t)
	writer := pbxtest.Connect(t, b.url)
	execOn(t, writer, "begin", one)
	ctx, cancel := context.WithCancel(t.Context())
	l, ended := b.start(t, ctx)
	pbxtest.Eventually(t, "it waits", func() bool { return l.has("waits for the end of") })
	cancel()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("got %v", err)
	}
	execOn(t, writer, "rollback")
	if invalid := b.text(t, "select count(*)::text from pg_index where not indisvalid"); invalid != "1" {
		t.Fatalf("%s indexes are invalid, want that of the partition", invalid)
	}
	if l := b.make(t); strings.Count(l.String(), "removing the index") != 1 {
		t.Errorf("it did: %s", l)
	}
}

// What somebody else began, the table's index over all partitions among it, is completed.
func TestMakeCompletesWhatOthersBegan(t *testing.T) {
	t.Parallel()
	b := open(t, sample.V55)
	b.months(t)
	b.exec(t,
		"create index theirs on only v_xml_cdr (start_stamp, xml_cdr_uuid)",
		"create index of_january on v_xml_cdr_2026_01 (start_stamp, xml_cdr_uuid)",
		"alter index theirs attach partition of_january")
	b.make(t)
	b.wantServing(t, `"public"."theirs"`)
}

// The table's index waits for those who write, a moment at a time, so that others can go on.
func TestMakeLetsWritesGoFirst(t *testing.T) {
	t.Parallel()
	b := open(t, sample.V55)
	b.months(t)
	writer := pbxtest.Connect(t, b.url)
	execOn(t, writer, "begin", "lock table only v_xml_cdr in row exclusive mode")
	l, ended := b.start(t, t.Context())
	pbxtest.Eventually(t, "it lets others go first", func() bool { return l.has("tries again") })
	if !l.has("waits for the end of the transaction of Postgres process") {
		t.Errorf("it does not say for whom it waits: %s", l)
	}
	b.exec(t, "set lock_timeout = '10s'", one)
	execOn(t, writer, "commit")
	must(t, <-ended)
	b.wantServing(t, `"public"."trunkline_v_xml_cdr_start"`)
}

// Postgres does not see that an index is complete because the partition that lacked one is gone: that is said, with what to do.
func TestMakeAfterAPartitionWent(t *testing.T) {
	t.Parallel()
	b := open(t, sample.V55)
	b.months(t)
	b.exec(t,
		"create index theirs on only v_xml_cdr (start_stamp, xml_cdr_uuid)",
		"create index of_january on v_xml_cdr_2026_01 (start_stamp, xml_cdr_uuid)",
		"alter index theirs attach partition of_january",
		"drop table v_xml_cdr_2025",
		`drop table "V xml ""cdr"""`)
	_, err := Make(t.Context(), b.pool, new(told).tell)
	if err == nil || !strings.Contains(err.Error(), `drop index "public"."theirs"`) {
		t.Fatalf("got %v", err)
	}
	b.exec(t, `drop index "public"."theirs"`)
	b.make(t)
}

// A table whose partitions have all gone, or are still to come.
func TestMakeWithoutPartitions(t *testing.T) {
	t.Parallel()
	b := open(t, sample.V55)
	b.exec(t, "alter table v_xml_cdr rename to unpartitioned", "create table v_xml_cdr (like unpartitioned) partition by range (start_stamp)")
	b.make(t)
}

package cdrindex

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/fusionpbx"
)

const (
	// lockPatience is how long a statement waits for a lock behind which FusionPBX's writes queue, and lockPause how long they
	// then have before it tries again.
	lockPatience, lockPause = 2 * time.Second, 3 * time.Second
	// lockTries is how often it tries: five minutes in all.
	lockTries = 60
	// resetTimeout bounds setting the time-outs of a connection as they were.
	resetTimeout = 5 * time.Second
)

// builder makes indexes, one after another.
type builder struct {
	pool *pgxpool.Pool // which looks how far it is
	conn *pgxpool.Conn // which builds
	tell func(line string)
}

// withoutTimeouts lets the connection's statements take as long as they do: a database can have time-outs that are meant for
// FusionPBX's pages.
func (b *builder) withoutTimeouts(ctx context.Context) error {
	_, err := b.conn.Exec(ctx, "select set_config(name, '0', false) from pg_settings where name in ('statement_timeout', 'lock_timeout', 'transaction_timeout')")
	return err
}

// withTimeouts leaves the connection as it was. One that does not answer is closed when the lock is given back.
func (b *builder) withTimeouts(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), resetTimeout)
	defer cancel()
	_, _ = b.conn.Exec(ctx, "select set_config(name, reset_val, false) from pg_settings where name in ('statement_timeout', 'lock_timeout', 'transaction_timeout')")
}

// partitions builds what the partitions of a table lack. Only then ensure makes the table's own index and attaches theirs to it,
// all in a moment: a partition that goes in between, as old ones do, would leave that index invalid for good, since Postgres looks
// whether it is complete when one is attached, and not when a partition is dropped.
func (b *builder) partitions(ctx context.Context, root table) error {
	tables, err := tree(ctx, b.pool, root.OID)
	if err != nil {
		return err
	}
	var lacking []table
	for _, t := range tables {
		if t.partitioned() {
			continue
		}
		indexes, err := fusionpbx.CDRIndexes(ctx, b.pool, t.OID)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(indexes, func(index fusionpbx.CDRIndex) bool { return index.Valid && index.Plain }) {
			lacking = append(lacking, t)
		}
	}
	for i, t := range lacking {
		b.tell(fmt.Sprintf("%s: comes now, as number %d of %d partitions that lack the index", t, i+1, len(lacking)))
		if _, err := b.build(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// ensure returns an index of the table that holds the rows of all its partitions, and that is attached to the one above or can
// be. It takes what is there, and builds what is not.
func (b *builder) ensure(ctx context.Context, t table, above uint32) (fusionpbx.CDRIndex, error) {
	index, err := b.find(ctx, t, above)
	if err != nil || index.Valid {
		return index, err
	}
	if !t.partitioned() {
		return b.build(ctx, t)
	}
	if index.OID == 0 {
		// It is for partitions that come from now on, too: the ones to be seen to are those that are there after this.
		create := fmt.Sprintf("create index %s on only %s using btree (start_stamp, xml_cdr_uuid)", pgx.Identifier{nameFor(t)}.Sanitize(), t)
		b.tell(fmt.Sprintf("%s: making the index %s over its partitions'", t, nameFor(t)))
		if err := b.briefly(ctx, t, create); err != nil {
			return index, err
		}
		if index, err = b.find(ctx, t, above); err != nil {
			return index, err
		}
	}
	below, err := partitions(ctx, b.pool, t.OID)
	if err != nil {
		return index, err
	}
	for _, partition := range below {
		own, err := b.ensure(ctx, partition, index.OID)
		if err != nil {
			return index, err
		}
		if own.Above == index.OID {
			continue
		}
		b.tell(fmt.Sprintf("%s: attaching the index %s", partition, own.Name))
		if err := b.briefly(ctx, partition, "alter index "+named(index)+" attach partition "+named(own)); err != nil {
			return index, err
		}
	}
	return b.find(ctx, t, above)
}

// find returns the table's index that can be attached to the one above, a valid one first, then the one that is called as ours are;
// one without OID if there is none. The index of a partitioned table need not be valid yet.
func (b *builder) find(ctx context.Context, t table, above uint32) (best fusionpbx.CDRIndex, _ error) {
	indexes, err := fusionpbx.CDRIndexes(ctx, b.pool, t.OID)
	rank := func(index fusionpbx.CDRIndex) int {
		switch {
		case !index.Plain || index.Above != 0 && index.Above != above:
			return 0
		case index.Valid:
			return 3
		case !t.partitioned():
			return 0
		case index.Name == nameFor(t):
			return 2
		}
		return 1
	}
	for _, index := range indexes {
		if rank(index) > rank(best) {
			best = index
		}
	}
	return best, err
}

// build makes the index of a table that holds rows, after it has removed what an earlier try left of it.
func (b *builder) build(ctx context.Context, t table) (index fusionpbx.CDRIndex, err error) {
	indexes, err := fusionpbx.CDRIndexes(ctx, b.pool, t.OID)
	if err != nil {
		return index, err
	}
	name := nameFor(t)
	if i := slices.IndexFunc(indexes, func(index fusionpbx.CDRIndex) bool { return index.Name == name && !index.Valid }); i >= 0 {
		b.tell(fmt.Sprintf("%s: removing the index that an interrupted build has left", t))
		if err := b.run(ctx, t, "drop index concurrently "+named(indexes[i]), progressEvery); err != nil {
			return index, fmt.Errorf("removing the index %s: %w", named(indexes[i]), err)
		}
	}
	b.tell(fmt.Sprintf("%s: building the index %s", t, name))
	create := fmt.Sprintf("create index concurrently %s on %s using btree (start_stamp, xml_cdr_uuid)", pgx.Identifier{name}.Sanitize(), t)
	if err := b.run(ctx, t, create, progressEvery); err != nil {
		left := pgx.Identifier{t.Schema, name}.Sanitize()
		return index, fmt.Errorf("building the index of %s: %w; an invalid index may be left, of no use to queries and kept up by each write: "+
			"run the same again, which goes on from here, or drop it: drop index concurrently if exists %s", t, explained(ctx, err, name), left)
	}
	index, err = b.find(ctx, t, 0)
	if err == nil && !index.Valid {
		err = fmt.Errorf("the index %s of %s is not there after it was built; run the same again", name, t)
	}
	return index, err
}

// briefly runs a statement that takes a lock behind which FusionPBX's writes queue. It waits for that a moment at a time.
func (b *builder) briefly(ctx context.Context, t table, sql string) error {
	if err := b.lockTimeout(ctx, lockPatience); err != nil {
		return err
	}
	const held = "55P03" // lock_not_available
	for try := 1; ; try++ {
		err := b.run(ctx, t, sql, lockPatience/2)
		if said, ok := errors.AsType[*pgconn.PgError](err); !ok || said.Code != held {
			if err != nil {
				return fmt.Errorf("%s: %w", sql, explained(ctx, err, nameFor(t)))
			}
			return b.lockTimeout(ctx, 0)
		}
		if try == lockTries {
			return fmt.Errorf("%s: other transactions have held the table for %s; run the same again once they have ended, which goes on from here", sql, lockTries*(lockPatience+lockPause))
		}
		b.tell(fmt.Sprintf("%s: lets FusionPBX's writes go first, and tries again in %s (%d of %d)", t, lockPause, try+1, lockTries))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lockPause):
		}
	}
}

func (b *builder) lockTimeout(ctx context.Context, timeout time.Duration) error {
	_, err := b.conn.Exec(ctx, "select set_config('lock_timeout', $1, false)", fmt.Sprintf("%dms", timeout.Milliseconds()))
	return err
}

// explained says more of an error where more is known than the server says.
func explained(ctx context.Context, err error, name string) error {
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted: %w", ctx.Err())
	}
	said, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return err
	}
	switch said.Code {
	case "42P07": // duplicate_table
		return fmt.Errorf("something else is called %s: %w; rename it", name, err)
	case "53100": // disk_full
		return fmt.Errorf("the disk of Postgres is full: %w; make room, some twice what the index was estimated to take", err)
	}
	return err
}

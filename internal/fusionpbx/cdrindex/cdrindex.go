// Package cdrindex makes the index by which a span of time is found in v_xml_cdr, and in its order. That is the one change
// that Trunkline makes to a table of FusionPBX, and only a person's command asks for it. FusionPBX goes on writing
// meanwhile.
//
// It knows the catalogue, and nothing of what the rows mean.
package cdrindex

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/fusionpbx"
	"trunkline/internal/postgres"
)

// Found is what there is before anything is changed. Rows and bytes are of all partitions together; rows and the bytes of
// the index are estimates.
type Found struct {
	Table      string // its schema and name
	Serving    string // the index that serves already, by its schema and name; "" is none
	Rows       int64
	Bytes      int64 // on disk, without indexes
	Partitions int   // that hold rows; 0: it is not partitioned
	Lacking    int   // tables that hold rows and have no index that serves: partitions, or the table itself
	IndexBytes int64 // of what is to be built for those
}

// indexBytesPerRow is what a row takes in such an index: 8 bytes of a time stamp and 16 of a UUID, with 8 before them and 4
// that point to them, in pages that are filled to nine tenths, and a hundredth for the levels above.
const indexBytesPerRow = (8 + 16 + 8 + 4) / 0.9 * 1.01

// Look finds v_xml_cdr and says what there is. If there is something to build, the error says what keeps this user from it:
// tables of somebody else, or that can have no such index.
func Look(ctx context.Context, pool *pgxpool.Pool) (found Found, err error) {
	root, err := findRoot(ctx, pool)
	if err != nil {
		return found, err
	}
	found.Table = root.String()
	tables, err := tree(ctx, pool, root.OID)
	if err != nil {
		return found, err
	}
	for _, t := range tables {
		found.Bytes += t.Bytes
		if t.partitioned() {
			continue
		}
		if t.OID != root.OID {
			found.Partitions++
		}
		indexes, err := fusionpbx.CDRIndexes(ctx, pool, t.OID)
		if err != nil {
			return found, err
		}
		rows := int64(0)
		if t.Kind == ordinary {
			if rows, err = postgres.EstimatedRows(ctx, pool, t.identifier()); err != nil {
				return found, err
			}
		}
		found.Rows += rows
		if !slices.ContainsFunc(indexes, serves) {
			found.Lacking++
			found.IndexBytes += int64(float64(rows) * indexBytesPerRow)
		}
	}
	if found.Serving, err = serving(ctx, pool, root); err != nil || found.Serving != "" {
		return found, err
	}
	return found, errors.Join(obstacles(tables)...)
}

// serves reports whether an index needs no other beside it.
func serves(index fusionpbx.CDRIndex) bool { return index.Valid && index.InOrder }

// serving is the index of the whole table that serves, "" if none does.
func serving(ctx context.Context, q postgres.Querier, root table) (string, error) {
	indexes, err := fusionpbx.CDRIndexes(ctx, q, root.OID)
	if i := slices.IndexFunc(indexes, serves); err == nil && i >= 0 {
		return named(indexes[i]), nil
	}
	return "", err
}

// Make builds what is lacking, of which Look has said that it can be built, and goes on with what an earlier call left undone. It returns the index that serves, by its
// schema and name; there may have been one all along. tell is called with each step, and every few seconds with how far
// it is or what it waits for, from one goroutine at a time.
//
// Whenever it is interrupted, the next call goes on from there.
func Make(ctx context.Context, pool *pgxpool.Pool, tell func(line string)) (index string, err error) {
	lock, err := postgres.TryLock(ctx, pool, lockName)
	if err != nil {
		return "", err
	}
	if lock == nil {
		return "", atWork(ctx, pool)
	}
	defer lock.Release(ctx)
	root, err := findRoot(ctx, pool)
	if err != nil {
		return "", err
	}
	if index, err = serving(ctx, pool, root); err != nil || index != "" {
		return index, err
	}
	b := &builder{pool: pool, conn: lock.Conn(), tell: tell}
	if err := b.withoutTimeouts(ctx); err != nil {
		return "", err
	}
	defer b.withTimeouts(ctx)
	if root.partitioned() {
		if err := b.partitions(ctx, root); err != nil {
			return "", err
		}
	}
	made, err := b.ensure(ctx, root, 0)
	if err != nil {
		return "", err
	}
	if !made.Valid {
		return "", fmt.Errorf("each partition of %s has its index, and Postgres still takes %s for incomplete: a partition came or went meanwhile. Run the same again; "+
			"if it says this again, run: drop index %[2]s (which waits for all who use the table, and drops the partitions' indexes with it), and then the same", root, named(made))
	}
	return named(made), nil
}

// lockName is the lock of whoever builds. It is held by the connection that builds: what a killed command leaves running
// on the server goes on to its end, and keeps the lock until then.
const lockName = "cdr index"

// atWork is the error that another one builds.
func atWork(ctx context.Context, pool *pgxpool.Pool) error {
	// Of a lock with one number the server shows the halves.
	pid, err := postgres.Value[int32](ctx, pool, "looking who builds the index", `
		select coalesce(max(pid), 0) from pg_locks
		where locktype = 'advisory' and objsubid = 1 and database = (select oid from pg_database where datname = current_database())
		and (classid::bigint << 32) | objid::bigint = $1`, postgres.LockKey(lockName))
	if err != nil {
		return err
	}
	return fmt.Errorf("the index is being built already, by another trunkline migrate --cdr-index (Postgres process %d), which goes on even if that command was killed; "+
		"wait until it has ended: pg_stat_progress_create_index shows how far it is", pid)
}

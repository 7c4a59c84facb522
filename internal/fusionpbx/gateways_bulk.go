package fusionpbx

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// bulkTable is the table through which many rows are written. It is gone when the transaction ends, and is named with
// its schema, so that no other is meant.
const bulkTable = "pg_temp.trunkline_gateway_writes"

// sendThroughTable copies the rows into a table of texts and writes them from there, each kind in one statement.
func (w *GatewayWrites) sendThroughTable(ctx context.Context, columns []string, casts map[string]string) error {
	texts := append([]string{"do_what", "gateway_uuid", "domain_uuid", "user_uuid", "update_date", "update_user"}, columns...)
	var table pgx.Batch
	table.Queue("drop table if exists " + bulkTable)
	table.Queue("create temporary table " + strings.TrimPrefix(bulkTable, "pg_temp.") + " (" + strings.Join(texts, " text, ") + " text) on commit drop")
	if err := w.d.q.SendBatch(ctx, &table).Close(); err != nil {
		return fmt.Errorf("making the table that they are copied into: %w", err)
	}
	rows := &copiedRows{writes: w.writes, columns: columns, values: make([]any, len(texts))}
	if _, err := w.d.q.CopyFrom(ctx, strings.Split(bulkTable, "."), texts, rows); err != nil {
		return fmt.Errorf("copying them: %w", err)
	}
	var batch pgx.Batch
	for _, do := range []string{deleting, inserting, updating, restoring} {
		if n := w.count(do); n > 0 {
			batch.Queue(w.d.bulkStatement(do, columns, casts)).Fn = func(results pgx.BatchResults) error {
				tag, err := results.Exec()
				switch {
				case err != nil:
					return fmt.Errorf("%s %d gateways: %w", do, n, err)
				case do != deleting && tag.RowsAffected() != int64(n):
					return fmt.Errorf("%s %d gateways wrote %d: %w", do, n, tag.RowsAffected(), ErrNotFound)
				}
				return nil
			}
		}
	}
	return w.d.q.SendBatch(ctx, &batch).Close()
}

func (w *GatewayWrites) count(do string) (n int) {
	for _, one := range w.writes {
		if one.do == do {
			n++
		}
	}
	return n
}

// bulkStatement does it to all rows that are in the table for it.
func (d *DB) bulkStatement(do string, columns []string, casts map[string]string) string {
	from := " from " + bulkTable + " w where w.do_what = '" + do + "'"
	if do == deleting {
		return "delete from v_gateways g using " + bulkTable + " w where w.do_what = '" + do + "' and g.gateway_uuid = w.gateway_uuid::uuid"
	}
	var names, values []string
	set := func(column, value string) { names, values = append(names, column), append(values, value) }
	for _, column := range columns {
		set(column, "w."+column+casts[column])
	}
	switch {
	case do == restoring && d.stamped("update"):
		set("update_date", "w.update_date::timestamptz")
		set("update_user", "w.update_user::uuid")
	case do == updating && d.stamped("update"):
		set("update_date", "now()")
		set("update_user", "nullif(w.user_uuid, '')::uuid")
	case do == inserting && d.stamped("insert"):
		set("insert_date", "now()")
		set("insert_user", "nullif(w.user_uuid, '')::uuid")
	}
	if do == inserting {
		set("gateway_uuid", "w.gateway_uuid::uuid")
		set("domain_uuid", "nullif(w.domain_uuid, '')::uuid")
		return "insert into v_gateways (" + strings.Join(names, ", ") + ") select " + strings.Join(values, ", ") + from
	}
	return "update v_gateways g set (" + strings.Join(names, ", ") + ") = row(" + strings.Join(values, ", ") + ")" + from +
		" and g.gateway_uuid = w.gateway_uuid::uuid"
}

// keptOtherwise are the rows that differ from what the table has of them.
func (w *GatewayWrites) keptOtherwise(ctx context.Context) (map[string]Gateway, error) {
	var kept, written []string
	for _, column := range w.d.gatewayColumns() {
		kept, written = append(kept, "g."+column+"::text"), append(written, "w."+column)
	}
	found, err := w.d.gateways(ctx, `gateway_uuid in (
		select g.gateway_uuid from v_gateways g join `+bulkTable+` w on g.gateway_uuid = w.gateway_uuid::uuid
		where w.do_what <> '`+deleting+`' and (`+strings.Join(kept, ", ")+`) is distinct from (`+strings.Join(written, ", ")+`))`)
	byUUID := make(map[string]Gateway, len(found))
	for _, g := range found {
		byUUID[g.UUID] = g
	}
	return byUUID, err
}

// copiedRows are the writes as rows of the table.
type copiedRows struct {
	writes  []gatewayWrite
	columns []string
	next    int
	values  []any // of the current one
}

func (c *copiedRows) Next() bool {
	c.next++
	return c.next <= len(c.writes)
}

func (c *copiedRows) Values() ([]any, error) {
	one := &c.writes[c.next-1]
	values := append(c.values[:0], one.do, one.row.UUID, one.row.DomainUUID, one.user, one.row.UpdateDate, one.row.UpdateUser)
	for _, column := range c.columns {
		if value, is := one.row.value(column); is {
			values = append(values, value)
		} else {
			values = append(values, nil)
		}
	}
	return values, nil
}

func (c *copiedRows) Err() error { return nil }

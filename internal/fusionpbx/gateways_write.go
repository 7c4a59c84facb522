package fusionpbx

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/postgres"
)

// LockGateways keeps others from writing gateways of the given domains ("" for global ones) through
// Trunkline until the transaction ends. The locks are taken in one order, in statements of their own, so
// that what is read afterwards is what stands then.
func (d *DB) LockGateways(ctx context.Context, domainUUIDs ...string) error {
	domains := make([]string, len(domainUUIDs))
	for i, domain := range domainUUIDs {
		domains[i] = strings.ToLower(domain)
	}
	slices.Sort(domains)
	var locks pgx.Batch
	for _, domain := range slices.Compact(domains) {
		locks.Queue("select pg_advisory_xact_lock($1)", postgres.LockKey("gateways of "+domain))
	}
	if err := d.q.SendBatch(ctx, &locks).Close(); err != nil {
		return fmt.Errorf("locking the gateways of a domain: %w", err)
	}
	return nil
}

// GatewayWrites are changes of gateways' rows that are sent together, in one round trip, and carried out in
// the order in which they were added. Outside a transaction they are one.
type GatewayWrites struct {
	d     *DB
	batch pgx.Batch
	err   error // why one could not be written as a statement
}

// Writes returns an empty set of writes.
func (d *DB) Writes() *GatewayWrites { return &GatewayWrites{d: d} }

func (w *GatewayWrites) add(doing, uuid, sql string, args ...any) {
	w.batch.Queue(sql, args...).Fn = func(results pgx.BatchResults) error {
		tag, err := results.Exec()
		if err != nil {
			return fmt.Errorf("%s gateway %s: %w", doing, uuid, err)
		}
		if doing == updating && tag.RowsAffected() == 0 {
			return ErrNotFound
		}
		return nil
	}
}

// Insert inserts a new row, as made by that user ("" for none).
func (w *GatewayWrites) Insert(g Gateway, userUUID string) {
	names := []string{"gateway_uuid", "domain_uuid"}
	values := []string{"$1::uuid", "nullif($2, '')::uuid"}
	args := []any{g.UUID, g.DomainUUID}
	for _, column := range w.d.gatewayColumns() {
		names, values, args = append(names, column), append(values, w.cast(column, len(args)+1)), append(args, g.Values[column])
	}
	if w.d.stamped("insert") {
		names, values, args = append(names, "insert_date", "insert_user"), append(values, "now()", fmt.Sprintf("nullif($%d, '')::uuid", len(args)+1)), append(args, userUUID)
	}
	w.add("inserting", g.UUID, "insert into v_gateways ("+strings.Join(names, ", ")+") values ("+strings.Join(values, ", ")+")", args...)
}

// Update writes the columns that are in g.Values, as changed by that user ("" for none). Send returns
// ErrNotFound if the row is gone.
func (w *GatewayWrites) Update(g Gateway, userUUID string) {
	var sets []string
	args := []any{g.UUID}
	for _, column := range w.d.gatewayColumns() {
		if _, held := g.Values[column]; held {
			sets, args = append(sets, column+" = "+w.cast(column, len(args)+1)), append(args, g.Values[column])
		}
	}
	if w.d.stamped("update") {
		sets, args = append(sets, "update_date = now()", fmt.Sprintf("update_user = nullif($%d, '')::uuid", len(args)+1)), append(args, userUUID)
	}
	if len(sets) == 0 {
		w.err = errors.Join(w.err, fmt.Errorf("updating gateway %s: there is nothing to write", g.UUID))
		return
	}
	w.add(updating, g.UUID, "update v_gateways set "+strings.Join(sets, ", ")+" where gateway_uuid = $1::uuid", args...)
}

// Restore writes a row as it was read, with the time and the user of its last change.
func (w *GatewayWrites) Restore(g Gateway) {
	w.Update(g, "")
	if w.d.stamped("update") {
		w.add(updating, g.UUID, `
			update v_gateways set update_date = $2::text::timestamptz, update_user = $3::text::uuid where gateway_uuid = $1::uuid`,
			g.UUID, g.UpdateDate, g.UpdateUser)
	}
}

// Delete deletes a row; one that is not there is no error.
func (w *GatewayWrites) Delete(uuid string) {
	w.add("deleting", uuid, "delete from v_gateways where gateway_uuid = $1::uuid", uuid)
}

// updating describes a statement that must find its row.
const updating = "updating"

// Send carries the writes out. The first that fails is the error; a transaction then keeps none of them.
func (w *GatewayWrites) Send(ctx context.Context) error {
	if w.err != nil || w.batch.Len() == 0 {
		return w.err
	}
	if err := w.d.q.SendBatch(ctx, &w.batch).Close(); err != nil {
		return fmt.Errorf("writing gateways: %w", err)
	}
	return nil
}

// InsertGateway is one Insert.
func (d *DB) InsertGateway(ctx context.Context, g Gateway, userUUID string) error {
	w := d.Writes()
	w.Insert(g, userUUID)
	return w.Send(ctx)
}

// cast is the n-th parameter, a text, as the type of the column of v_gateways. A character type gets the
// text as it is: a cast to varchar(10) would cut off what is longer, while an assignment fails.
func (w *GatewayWrites) cast(column string, n int) string {
	columnType := w.d.tables()["v_gateways"][column]
	if strings.HasPrefix(columnType, "character") {
		return fmt.Sprintf("$%d::text", n)
	}
	if !slices.Contains(castable, columnType) {
		w.err = errors.Join(w.err, fmt.Errorf("column v_gateways.%s is of type %s, which Trunkline cannot write; make it the type that FusionPBX gives it: %w",
			column, columnType, errors.ErrUnsupported))
	}
	return fmt.Sprintf("$%d::text::%s", n, columnType)
}

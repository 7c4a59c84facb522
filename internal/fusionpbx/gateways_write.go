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

// GatewayWrites are changes of gateways' rows that are sent together, none of one row twice but an Insert and a Restore
// after it. Outside a transaction they are one.
type GatewayWrites struct {
	d      *DB
	writes []gatewayWrite
	bulk   bool // they were sent through a table
}

// gatewayWrite is what one row is to become.
type gatewayWrite struct {
	do   string
	row  Gateway
	user string
}

// What is done with a row.
const (
	inserting = "inserting"
	updating  = "updating"
	restoring = "restoring"
	deleting  = "deleting"
)

// bulkFrom is how many writes go through a table of their own: that takes four round trips, and a statement for each
// row is slower from here on.
const bulkFrom = 50

// Writes returns an empty set of writes.
func (d *DB) Writes() *GatewayWrites { return &GatewayWrites{d: d} }

// Insert inserts a new row, as made by that user ("" for none).
func (w *GatewayWrites) Insert(g Gateway, userUUID string) {
	w.writes = append(w.writes, gatewayWrite{inserting, g, userUUID})
}

// Update writes the columns that g has, as changed by that user ("" for none). Send returns ErrNotFound if the row is
// gone.
func (w *GatewayWrites) Update(g Gateway, userUUID string) {
	w.writes = append(w.writes, gatewayWrite{updating, g, userUUID})
}

// Restore writes a row as it was read, with the time and the user of its last change.
func (w *GatewayWrites) Restore(g Gateway) {
	w.writes = append(w.writes, gatewayWrite{restoring, g, ""})
}

// Delete deletes a row; one that is not there is no error.
func (w *GatewayWrites) Delete(uuid string) {
	w.writes = append(w.writes, gatewayWrite{deleting, Gateway{UUID: uuid}, ""})
}

// Send carries the writes out. The first that fails is the error; a transaction then keeps none of them.
func (w *GatewayWrites) Send(ctx context.Context) error {
	columns := w.d.gatewayColumns()
	casts, err := w.d.casts(columns)
	if err != nil || len(w.writes) == 0 {
		return err
	}
	// A row of before an upgrade may lack a column, which is to be left as it is.
	_, within := w.d.q.(pgx.Tx)
	w.bulk = within && len(w.writes) >= bulkFrom && !slices.ContainsFunc(w.writes, func(one gatewayWrite) bool {
		return (one.do == updating || one.do == restoring) && !one.row.holdsAll(columns)
	})
	send := w.sendEach
	if w.bulk {
		send = w.sendThroughTable
	}
	if err := send(ctx, columns, casts); err != nil {
		return fmt.Errorf("writing gateways: %w", err)
	}
	return nil
}

// Kept returns, by uuid, those of the rows inserted, updated and restored that the database keeps otherwise than they
// were written, such as a number without its leading zeros, and maybe others. The error is ErrNotFound if one is not
// there.
func (w *GatewayWrites) Kept(ctx context.Context) (map[string]Gateway, error) {
	if w.bulk {
		return w.keptOtherwise(ctx)
	}
	var uuids []string
	for _, one := range w.writes {
		if one.do != deleting {
			uuids = append(uuids, one.row.UUID)
		}
	}
	if len(uuids) == 0 {
		return nil, nil
	}
	rows, err := w.d.GatewaysByUUIDs(ctx, uuids)
	if err != nil {
		return nil, err
	}
	for _, uuid := range uuids {
		if _, there := rows[uuid]; !there {
			return nil, fmt.Errorf("reading gateway %s back: %w", uuid, ErrNotFound)
		}
	}
	return rows, nil
}

// sendEach sends a statement for each row, all in one round trip.
func (w *GatewayWrites) sendEach(ctx context.Context, columns []string, casts map[string]string) error {
	var batch pgx.Batch
	for _, one := range w.writes {
		sql, args, err := one.statement(w.d, columns, casts)
		if err != nil {
			return err
		}
		batch.Queue(sql, args...).Fn = func(results pgx.BatchResults) error {
			tag, err := results.Exec()
			switch {
			case err != nil:
				return fmt.Errorf("%s gateway %s: %w", one.do, one.row.UUID, err)
			case one.do != deleting && tag.RowsAffected() == 0:
				return ErrNotFound
			}
			return nil
		}
	}
	return w.d.q.SendBatch(ctx, &batch).Close()
}

// statement does it to one row.
func (one gatewayWrite) statement(d *DB, columns []string, casts map[string]string) (sql string, args []any, err error) {
	args = []any{one.row.UUID}
	parameter := func(value any) string {
		args = append(args, value)
		return fmt.Sprintf("$%d", len(args))
	}
	if one.do == deleting {
		return "delete from v_gateways where gateway_uuid = $1::uuid", args, nil
	}
	var names, values []string
	set := func(column, value string) { names, values = append(names, column), append(values, value) }
	for _, column := range columns {
		if one.do == inserting || one.row.Has(column) {
			set(column, parameter(one.row.orNull(column))+"::text"+casts[column])
		}
	}
	switch {
	case one.do == restoring && d.stamped("update"):
		set("update_date", parameter(one.row.UpdateDate)+"::text::timestamptz")
		set("update_user", parameter(one.row.UpdateUser)+"::text::uuid")
	case one.do == updating && d.stamped("update"):
		set("update_date", "now()")
		set("update_user", "nullif("+parameter(one.user)+", '')::uuid")
	case one.do == inserting && d.stamped("insert"):
		set("insert_date", "now()")
		set("insert_user", "nullif("+parameter(one.user)+", '')::uuid")
	}
	if one.do == inserting {
		set("gateway_uuid", "$1::uuid")
		set("domain_uuid", "nullif("+parameter(one.row.DomainUUID)+", '')::uuid")
		return "insert into v_gateways (" + strings.Join(names, ", ") + ") values (" + strings.Join(values, ", ") + ")", args, nil
	}
	if len(names) == 0 {
		return "", nil, fmt.Errorf("%s gateway %s: there is nothing to write", one.do, one.row.UUID)
	}
	return "update v_gateways set (" + strings.Join(names, ", ") + ") = row(" + strings.Join(values, ", ") + ") where gateway_uuid = $1::uuid", args, nil
}

// orNull is the column's value as a parameter.
func (g Gateway) orNull(column string) *string {
	if value, is := g.value(column); is {
		return &value
	}
	return nil
}

// InsertGateway is one Insert.
func (d *DB) InsertGateway(ctx context.Context, g Gateway, userUUID string) error {
	w := d.Writes()
	w.Insert(g, userUUID)
	return w.Send(ctx)
}

// casts are what makes a text the type of each of the columns of v_gateways. A character type gets the text as it is:
// a cast to varchar(10) would cut off what is longer, while an assignment fails.
func (d *DB) casts(columns []string) (map[string]string, error) {
	casts := make(map[string]string, len(columns))
	var wrong error
	for _, column := range columns {
		columnType := d.tables()["v_gateways"][column]
		switch {
		case strings.HasPrefix(columnType, "character"):
		case slices.Contains(castable, columnType):
			casts[column] = "::" + columnType
		default:
			wrong = errors.Join(wrong, fmt.Errorf("column v_gateways.%s is of type %s, which Trunkline cannot write; make it the type that FusionPBX gives it: %w",
				column, columnType, errors.ErrUnsupported))
		}
	}
	return casts, wrong
}

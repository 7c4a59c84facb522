package fusionpbx

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/postgres"
)

// Gateway is a row of v_gateways. Values holds the GatewayColumns that the database has, each as
// Postgres prints it ('true' and 'false' for a flag in every version); nil is NULL. DomainUUID is ""
// for a global gateway. It holds the password in plain text, as FusionPBX does: never log one.
type Gateway struct {
	UUID       string             `json:"uuid"`
	DomainUUID string             `json:"domain_uuid,omitempty"`
	Values     map[string]*string `json:"values"`
	UpdateDate *string            `json:"update_date,omitempty"` // when and by whom it was last changed;
	UpdateUser *string            `json:"update_user,omitempty"` // read, and written by RestoreGateway alone
}

// GatewayColumns are the columns that FusionPBX's gateway page writes, but for the two UUIDs.
var GatewayColumns = []string{
	"gateway", "username", "password", "distinct_to", "auth_username", "realm", "from_user", "from_domain", "proxy",
	"register_proxy", "outbound_proxy", "expire_seconds", "register", "register_transport", "contact_params", "retry_seconds",
	"extension", "ping", "ping_min", "ping_max", "contact_in_ping", "channels", "caller_id_in_from", "supress_cng", "sip_cid_type",
	"codec_prefs", "extension_in_contact", "context", "profile", "hostname", "enabled", "description",
}

// SwitchColumns are those of GatewayColumns that reach FreeSWITCH, or decide whether it loads the
// gateway.
var SwitchColumns = slices.DeleteFunc(slices.Clone(GatewayColumns), func(column string) bool {
	return column == "gateway" || column == "description"
})

// NewGateway returns a new gateway with the defaults of FusionPBX's page.
func NewGateway(uuid, domainUUID, label string) Gateway {
	g := Gateway{UUID: strings.ToLower(uuid), DomainUUID: domainUUID, Values: map[string]*string{}}
	for column, value := range map[string]string{
		"gateway": label, "enabled": "true", "register": "false", "distinct_to": "false", "contact_in_ping": "false",
		"caller_id_in_from": "false", "supress_cng": "false", "expire_seconds": "800", "retry_seconds": "30",
		"context": "public", "profile": "external", "channels": "0",
	} {
		g.Set(column, value)
	}
	return g
}

// Get returns the column's value, "" for NULL.
func (g Gateway) Get(column string) string {
	if v := g.Values[column]; v != nil {
		return *v
	}
	return ""
}

// Set sets the column; "" is NULL, since FusionPBX never stores an empty text.
func (g Gateway) Set(column, value string) {
	if value == "" {
		g.Values[column] = nil
		return
	}
	g.Values[column] = &value
}

// Clone returns a copy that shares nothing with g.
func (g Gateway) Clone() Gateway {
	g.Values = maps.Clone(g.Values)
	return g
}

// Label is the gateway's name for people; FreeSWITCH knows it by its UUID.
func (g Gateway) Label() string { return g.Get("gateway") }

// Profile is the SIP profile that the gateway belongs to.
func (g Gateway) Profile() string { return g.Get("profile") }

// Enabled reports whether FusionPBX gives the gateway to FreeSWITCH. Where the flag is text, it looks
// for this very word.
func (g Gateway) Enabled() bool { return g.Get("enabled") == "true" }

// Address is the carrier's address: the realm, else the proxy.
func (g Gateway) Address() string {
	if realm := g.Get("realm"); realm != "" {
		return realm
	}
	return g.Get("proxy")
}

// Same reports whether both rows have the same values in the given columns; NULL is the same as "".
func (g Gateway) Same(other Gateway, columns ...string) bool {
	return !slices.ContainsFunc(columns, func(column string) bool { return g.Get(column) != other.Get(column) })
}

// GatewaysByLabel returns the gateways of one domain ("" for global ones) that bear the label; there
// can be several, since nothing in FusionPBX forbids it.
func (d *DB) GatewaysByLabel(ctx context.Context, domainUUID, label string) ([]Gateway, error) {
	return d.gateways(ctx, "domain_uuid is not distinct from nullif($1, '')::uuid and gateway = $2", domainUUID, label)
}

// Locking is the same database within a transaction that locks the gateways' rows which it reads until
// it ends: also FusionPBX's own pages wait.
func (d *DB) Locking(tx pgx.Tx) *DB { return &DB{q: forUpdate{tx}, columns: d.columns} }

// forUpdate is a transaction whose queries lock the rows that they read.
type forUpdate struct{ pgx.Tx }

func (f forUpdate) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return f.Tx.Query(ctx, sql+" for update", args...)
}

// GatewayByUUID returns the gateway, or ErrNotFound.
func (d *DB) GatewayByUUID(ctx context.Context, uuid string) (Gateway, error) {
	found, err := d.gateways(ctx, "gateway_uuid = $1::uuid", uuid)
	if err != nil {
		return Gateway{}, err
	}
	if len(found) == 0 {
		return Gateway{}, ErrNotFound
	}
	return found[0], nil
}

// Gateways returns all gateways, or those of one domain ("" for global ones), by label.
func (d *DB) Gateways(ctx context.Context, all bool, domainUUID string) ([]Gateway, error) {
	return d.gateways(ctx, "$1 or domain_uuid is not distinct from nullif($2, '')::uuid", all, domainUUID)
}

func (d *DB) gateways(ctx context.Context, condition string, args ...any) ([]Gateway, error) {
	columns := d.gatewayColumns()
	texts := make([]string, len(columns))
	for i, column := range columns {
		texts[i] = column + "::text"
	}
	stamps := "null::text, null::text"
	if d.stamped("update") {
		stamps = "update_date::text, update_user::text"
	}
	rows, err := d.q.Query(ctx, `
		select gateway_uuid::text, coalesce(domain_uuid::text, ''), `+stamps+`, `+strings.Join(texts, ", ")+`
		from v_gateways where `+condition+` order by gateway, gateway_uuid`, args...)
	if err != nil {
		return nil, fmt.Errorf("reading gateways: %w", err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Gateway, error) {
		g := Gateway{Values: make(map[string]*string, len(columns))}
		values := make([]*string, len(columns))
		into := []any{&g.UUID, &g.DomainUUID, &g.UpdateDate, &g.UpdateUser}
		for i := range values {
			into = append(into, &values[i])
		}
		err := row.Scan(into...)
		for i, column := range columns {
			g.Values[column] = values[i]
		}
		return g, err
	})
	if err != nil {
		return nil, fmt.Errorf("reading gateways: %w", err)
	}
	return found, nil
}

// gatewayColumns are those of GatewayColumns that this database has.
func (d *DB) gatewayColumns() []string {
	return slices.DeleteFunc(slices.Clone(GatewayColumns), func(column string) bool { return !d.hasColumn("v_gateways", column) })
}

// LockGateways keeps others from writing gateways of the given domains ("" for global ones) through
// Trunkline until the transaction ends. The locks are taken in one order, each in a statement of its
// own, so that what is read afterwards is what stands then.
func (d *DB) LockGateways(ctx context.Context, domainUUIDs ...string) error {
	domains := make([]string, len(domainUUIDs))
	for i, domain := range domainUUIDs {
		domains[i] = strings.ToLower(domain)
	}
	slices.Sort(domains)
	for _, domain := range slices.Compact(domains) {
		if _, err := d.q.Exec(ctx, "select pg_advisory_xact_lock($1)", postgres.LockKey("gateways of "+domain)); err != nil {
			return fmt.Errorf("locking the gateways of a domain: %w", err)
		}
	}
	return nil
}

// InsertGateway inserts the row, as made by that user ("" for none).
func (d *DB) InsertGateway(ctx context.Context, g Gateway, userUUID string) error {
	names := []string{"gateway_uuid", "domain_uuid"}
	values := []string{"$1::uuid", "nullif($2, '')::uuid"}
	args := []any{g.UUID, g.DomainUUID}
	for _, column := range d.gatewayColumns() {
		value, err := d.cast(column, len(args)+1)
		if err != nil {
			return err
		}
		names, values, args = append(names, column), append(values, value), append(args, g.Values[column])
	}
	if d.stamped("insert") {
		names, values, args = append(names, "insert_date", "insert_user"), append(values, "now()", fmt.Sprintf("nullif($%d, '')::uuid", len(args)+1)), append(args, userUUID)
	}
	sql := "insert into v_gateways (" + strings.Join(names, ", ") + ") values (" + strings.Join(values, ", ") + ")"
	if _, err := d.q.Exec(ctx, sql, args...); err != nil {
		return fmt.Errorf("inserting gateway %s: %w", g.UUID, err)
	}
	return nil
}

// UpdateGateway writes the columns that are in g.Values, as changed by that user ("" for none);
// ErrNotFound where the row is gone.
func (d *DB) UpdateGateway(ctx context.Context, g Gateway, userUUID string) error {
	var sets []string
	args := []any{g.UUID}
	for _, column := range d.gatewayColumns() {
		if _, held := g.Values[column]; !held {
			continue
		}
		value, err := d.cast(column, len(args)+1)
		if err != nil {
			return err
		}
		sets, args = append(sets, column+" = "+value), append(args, g.Values[column])
	}
	if d.stamped("update") {
		sets, args = append(sets, "update_date = now()", fmt.Sprintf("update_user = nullif($%d, '')::uuid", len(args)+1)), append(args, userUUID)
	}
	if len(sets) == 0 {
		return fmt.Errorf("updating gateway %s: there is nothing to write", g.UUID)
	}
	tag, err := d.q.Exec(ctx, "update v_gateways set "+strings.Join(sets, ", ")+" where gateway_uuid = $1::uuid", args...)
	if err != nil {
		return fmt.Errorf("updating gateway %s: %w", g.UUID, err)
	}
	if tag.RowsAffected() == 0 {
		return ErrNotFound
	}
	return nil
}

// RestoreGateway puts a row back as it was read, with the time and the user of its last change.
func (d *DB) RestoreGateway(ctx context.Context, g Gateway) error {
	if err := d.UpdateGateway(ctx, g, ""); err != nil || !d.stamped("update") {
		return err
	}
	_, err := d.q.Exec(ctx, `
		update v_gateways set update_date = $2::text::timestamptz, update_user = $3::text::uuid where gateway_uuid = $1::uuid`,
		g.UUID, g.UpdateDate, g.UpdateUser)
	if err != nil {
		return fmt.Errorf("restoring gateway %s: %w", g.UUID, err)
	}
	return nil
}

// DeleteGateway deletes the row; one that is not there is no error.
func (d *DB) DeleteGateway(ctx context.Context, uuid string) error {
	if _, err := d.q.Exec(ctx, "delete from v_gateways where gateway_uuid = $1::uuid", uuid); err != nil {
		return fmt.Errorf("deleting gateway %s: %w", uuid, err)
	}
	return nil
}

// OutboundRoutes is the number of dial plans that send calls to the gateway; 0 where this version keeps
// them elsewhere.
func (d *DB) OutboundRoutes(ctx context.Context, gatewayUUID string) (int, error) {
	details := d.columns["v_dialplan_details"]
	if details["dialplan_uuid"] == "" || details["dialplan_detail_data"] == "" {
		return 0, nil
	}
	var routes int
	err := d.q.QueryRow(ctx, `
		select count(distinct dialplan_uuid) from v_dialplan_details
		where dialplan_detail_data like '%sofia/gateway/' || $1 || '/%'`, gatewayUUID).Scan(&routes)
	if err != nil {
		return 0, fmt.Errorf("counting the outbound routes of gateway %s: %w", gatewayUUID, err)
	}
	return routes, nil
}

// cast is the n-th parameter, a text, as what the column of v_gateways is. A type of characters gets
// the text as it is: a cast to varchar(10) would cut off what is longer, where an assignment fails.
func (d *DB) cast(column string, n int) (string, error) {
	columnType := d.columns["v_gateways"][column]
	if strings.HasPrefix(columnType, "character") {
		return fmt.Sprintf("$%d::text", n), nil
	}
	if !slices.Contains(castable, columnType) {
		return "", fmt.Errorf("column v_gateways.%s is of type %s, which Trunkline cannot write; make it the type that FusionPBX gives it: %w",
			column, columnType, errors.ErrUnsupported)
	}
	return fmt.Sprintf("$%d::text::%s", n, columnType), nil
}

// stamped reports whether v_gateways records who inserted or updated a row, and when.
func (d *DB) stamped(verb string) bool {
	columns := d.columns["v_gateways"]
	return columns[verb+"_date"] != "" && columns[verb+"_user"] != ""
}

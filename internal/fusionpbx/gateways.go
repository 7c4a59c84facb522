package fusionpbx

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/postgres"
	"trunkline/internal/tenant"
)

// Gateway is a row of v_gateways, with the columns of it that the database has, each as Postgres prints it ('true' and
// 'false' for a flag in every version). DomainUUID is "" for a global gateway. It holds the password in plain text, as
// FusionPBX does: never log one. A copy of it is another row: Set changes nothing in the one it is a copy of.
type Gateway struct {
	UUID       string
	DomainUUID string
	UpdateDate *string // when and by whom it was last changed;
	UpdateUser *string // read, and written by Restore alone

	packed *packed
}

// columnNames are the columns that FusionPBX's gateway page writes, but for the two UUIDs.
var columnNames = [...]string{
	"gateway", "username", "password", "distinct_to", "auth_username", "realm", "from_user", "from_domain", "proxy",
	"register_proxy", "outbound_proxy", "expire_seconds", "register", "register_transport", "contact_params", "retry_seconds",
	"extension", "ping", "ping_min", "ping_max", "contact_in_ping", "channels", "caller_id_in_from", "supress_cng", "sip_cid_type",
	"codec_prefs", "extension_in_contact", "context", "profile", "hostname", "enabled", "description",
}

// GatewayColumns are those columns.
var GatewayColumns = columnNames[:]

// LoadedColumns are those of GatewayColumns that a loaded gateway is made of. The others FusionPBX never gives
// to FreeSWITCH, codec_prefs and channels included.
var LoadedColumns = without(GatewayColumns, "gateway", "channels", "codec_prefs", "hostname", "enabled", "description")

// SwitchColumns are those that reach FreeSWITCH, or decide whether it loads the gateway.
var SwitchColumns = append(slices.Clone(LoadedColumns), "hostname", "enabled")

func without(columns []string, some ...string) []string {
	return slices.DeleteFunc(slices.Clone(columns), func(column string) bool { return slices.Contains(some, column) })
}

// NewGateway returns a new gateway with the defaults of FusionPBX's page.
func NewGateway(uuid, domainUUID, label string) Gateway {
	g := Gateway{UUID: strings.ToLower(uuid), DomainUUID: domainUUID, packed: pageDefaults()}
	g.Set("gateway", label)
	return g
}

var pageDefaults = sync.OnceValue(func() *packed {
	var g Gateway
	for column, value := range map[string]string{
		"enabled": "true", "register": "false", "distinct_to": "false", "contact_in_ping": "false",
		"caller_id_in_from": "false", "supress_cng": "false", "expire_seconds": "800", "retry_seconds": "30",
		"context": "public", "profile": "external", "channels": "0",
	} {
		g.Set(column, value)
	}
	return g.packed
})

// Label is the gateway's name for people; FreeSWITCH knows it by its UUID.
func (g Gateway) Label() string { return g.Get("gateway") }

// Profile is the SIP profile that the gateway belongs to.
func (g Gateway) Profile() string { return g.Get("profile") }

// Enabled reports whether FusionPBX gives the gateway to FreeSWITCH. If the flag is text, it looks for
// this very word.
func (g Gateway) Enabled() bool { return g.Get("enabled") == "true" }

// Address is the carrier's address: the realm, else the proxy.
func (g Gateway) Address() string { return cmp.Or(g.Get("realm"), g.Get("proxy")) }

// Same reports whether both rows have the same values in the given columns; NULL is the same as "".
func (g Gateway) Same(other Gateway, columns ...string) bool {
	return g.packed == other.packed || !slices.ContainsFunc(columns, func(column string) bool { return g.Get(column) != other.Get(column) })
}

// Label names a gateway as people do: its domain ("" for a global gateway) and its name there. Several can
// bear the same, since nothing in FusionPBX forbids it.
type Label struct{ DomainUUID, Name string }

// GatewaysByLabel returns the gateways that bear the label in one domain ("" for global ones).
func (d *DB) GatewaysByLabel(ctx context.Context, domainUUID, label string) ([]Gateway, error) {
	return d.gateways(ctx, "domain_uuid is not distinct from nullif($1, '')::uuid and gateway = $2", domainUUID, label)
}

// GatewaysByLabels returns the gateways that bear each of the labels, by the label as it was given, in one
// query.
func (d *DB) GatewaysByLabels(ctx context.Context, labels []Label) (map[Label][]Gateway, error) {
	domains, names := make([]string, len(labels)), make([]string, len(labels))
	for i, label := range labels {
		domains[i], names[i] = strings.ToLower(label.DomainUUID), label.Name
	}
	// Joined by the name alone: the domains of all other rows are not looked at.
	found, err := d.gateways(ctx, `exists (select from unnest($1::text[], $2::text[]) as named (domain, name)
		where named.name = gateway and domain_uuid is not distinct from nullif(named.domain, '')::uuid)`, domains, names)
	if err != nil {
		return nil, err
	}
	bearing := map[Label][]Gateway{}
	for _, g := range found {
		bearing[Label{g.DomainUUID, g.Label()}] = append(bearing[Label{g.DomainUUID, g.Label()}], g)
	}
	for i, label := range labels {
		if rows, some := bearing[Label{domains[i], names[i]}]; some { // of ten thousand new ones, none has
			bearing[label] = rows
		}
	}
	return bearing, nil
}

// GatewaysSimilar returns the gateways whose labels differ from these in case at most, by the label in lower case, in
// one query.
func (d *DB) GatewaysSimilar(ctx context.Context, labels []Label) (map[Label][]Gateway, error) {
	domains, names := make([]string, len(labels)), make([]string, len(labels))
	for i, label := range labels {
		domains[i], names[i] = strings.ToLower(label.DomainUUID), label.Name
	}
	found, err := d.gateways(ctx, `exists (select from unnest($1::text[], $2::text[]) as named (domain, name)
		where lower(named.name) = lower(gateway) and domain_uuid is not distinct from nullif(named.domain, '')::uuid)`, domains, names)
	similar := map[Label][]Gateway{}
	for _, g := range found {
		label := Label{g.DomainUUID, strings.ToLower(g.Label())}
		similar[label] = append(similar[label], g)
	}
	return similar, err
}

// Locking is the same database within a transaction that locks the gateways' rows that it reads until it
// ends: FusionPBX's own pages wait too.
func (d *DB) Locking(tx pgx.Tx) *DB { return &DB{q: forUpdate{tx}, known: d.known, within: true} }

// forUpdate is a transaction whose queries lock the rows that they read.
type forUpdate struct{ pgx.Tx }

func (f forUpdate) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return f.Tx.Query(ctx, sql+" for update", args...)
}

// GatewayByUUID returns the gateway, or ErrNotFound.
func (d *DB) GatewayByUUID(ctx context.Context, uuid string) (Gateway, error) {
	return first(d.gateways(ctx, "gateway_uuid = $1::uuid", uuid))
}

// GatewaysByUUIDs returns the gateways that there are of these, by uuid, in one question.
func (d *DB) GatewaysByUUIDs(ctx context.Context, uuids []string) (map[string]Gateway, error) {
	byUUID := make(map[string]Gateway, len(uuids))
	err := d.EachGatewayByUUID(ctx, uuids, func(g Gateway) { byUUID[g.UUID] = g })
	return byUUID, err
}

// EachGatewayByUUID calls do with each of them as it comes, for who keeps little of many. It may begin anew, if
// FusionPBX's columns change meanwhile.
func (d *DB) EachGatewayByUUID(ctx context.Context, uuids []string, do func(Gateway)) error {
	_, err := again(ctx, d, func() ([]struct{}, error) {
		return eachGateway(ctx, d, d.gatewayColumns(), func(g Gateway) struct{} {
			do(g)
			return struct{}{}
		}, "gateway_uuid = any($1::uuid[])", uuids)
	})
	return err
}

// Gateways returns all gateways, or those of one domain ("" for global ones), by label.
func (d *DB) Gateways(ctx context.Context, all bool, domainUUID string) ([]Gateway, error) {
	return d.gateways(ctx, "$1 or domain_uuid is not distinct from nullif($2, '')::uuid", all, domainUUID)
}

// GatewaysIn returns the gateways of the domains with these of GatewayColumns alone, by label: what is read of many, in
// one question.
func (d *DB) GatewaysIn(ctx context.Context, domains tenant.Domains, columns ...string) ([]Gateway, error) {
	return again(ctx, d, func() ([]Gateway, error) {
		has := slices.DeleteFunc(d.gatewayColumns(), func(column string) bool { return !slices.Contains(columns, column) })
		return d.readGateways(ctx, has, "$1 or coalesce(domain_uuid::text, '') = any($2::text[])", domains.All, domains.UUIDs())
	})
}

func (d *DB) gateways(ctx context.Context, condition string, args ...any) ([]Gateway, error) {
	return again(ctx, d, func() ([]Gateway, error) { return d.readGateways(ctx, d.gatewayColumns(), condition, args...) })
}

func (d *DB) readGateways(ctx context.Context, columns []string, condition string, args ...any) ([]Gateway, error) {
	return eachGateway(ctx, d, columns, func(g Gateway) Gateway { return g }, condition, args...)
}

// eachGateway is what of makes of each gateway.
func eachGateway[T any](ctx context.Context, d *DB, columns []string, of func(Gateway) T, condition string, args ...any) ([]T, error) {
	texts := make([]string, len(columns))
	for i, column := range columns {
		texts[i] = column + "::text"
	}
	stamps := "null::text, null::text"
	if d.stamped("update") {
		stamps = "update_date::text, update_user::text"
	}
	places := make([]int, len(columns))
	for i, column := range columns {
		places[i] = columnPlaces[column]
	}
	// All of them are texts, so that the bytes that came are the values.
	read := func(row pgx.CollectableRow) (T, error) {
		raw := row.RawValues()
		return of(Gateway{
			UUID: string(raw[0]), DomainUUID: string(raw[1]), UpdateDate: textOf(raw[2]), UpdateUser: textOf(raw[3]),
			packed: pack(places, raw[4:]),
		}), nil
	}
	return postgres.Rows(ctx, d.q, "reading gateways", read, `
		select gateway_uuid::text, coalesce(domain_uuid::text, ''), `+stamps+`, `+strings.Join(texts, ", ")+`
		from v_gateways where `+condition+` order by gateway, gateway_uuid`, args...)
}

// gatewayColumns are those of GatewayColumns that this database has.
func (d *DB) gatewayColumns() []string {
	return slices.DeleteFunc(slices.Clone(GatewayColumns), func(column string) bool { return !d.hasColumn("v_gateways", column) })
}

// OutboundRoutes are the names of the dial plans that send calls to each of the gateways, in one question; one
// that is not in the map has none. A dial plan without a name has its uuid in place of it. There are none if this
// version keeps them elsewhere.
func (d *DB) OutboundRoutes(ctx context.Context, gatewayUUIDs []string) (map[string][]string, error) {
	if len(gatewayUUIDs) == 0 || !d.hasColumn("v_dialplan_details", "dialplan_uuid") || !d.hasColumn("v_dialplan_details", "dialplan_detail_data") {
		return nil, nil
	}
	name, plans := "null", ""
	if d.hasColumn("v_dialplans", "dialplan_uuid") && d.hasColumn("v_dialplans", "dialplan_name") {
		name, plans = "nullif(p.dialplan_name, '')", "left join v_dialplans p on p.dialplan_uuid::text = d.dialplan_uuid::text"
	}
	type route struct{ Gateway, Name string }
	found, err := again(ctx, d, func() ([]route, error) {
		return postgres.Rows(ctx, d.q, "looking for outbound routes", pgx.RowToStructByPos[route], `
			select distinct on (named[1], d.dialplan_uuid) named[1], coalesce(`+name+`, d.dialplan_uuid::text, '')
			from v_dialplan_details d `+plans+`, regexp_matches(d.dialplan_detail_data, 'sofia/gateway/([^/]+)/', 'g') as named
			where d.dialplan_detail_data like '%sofia/gateway/%' and named[1] = any($1)
			order by 1, d.dialplan_uuid`, gatewayUUIDs)
	})
	routes := map[string][]string{}
	for _, r := range found {
		routes[r.Gateway] = append(routes[r.Gateway], r.Name)
	}
	for _, names := range routes {
		slices.Sort(names)
	}
	return routes, err
}

// stamped reports whether v_gateways records who inserted or updated a row, and when.
func (d *DB) stamped(verb string) bool {
	columns := d.tables()["v_gateways"]
	return columns[verb+"_date"] != "" && columns[verb+"_user"] != ""
}

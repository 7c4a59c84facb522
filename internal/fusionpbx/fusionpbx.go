// Package fusionpbx knows FusionPBX's tables, and nothing else: users, domains, extensions, gateways,
// SIP profiles, settings and CDRs. It knows nothing of jobs, of HTTP or of the switch.
//
// The types of FusionPBX's columns differ between versions and, after an upgrade, within one
// database: flags are text holding 'true' or 'false', or boolean. Probe reads each column's type from
// the catalogue, values travel as text, and a statement casts them to what the column is.
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

// Querier is a pool, a connection or a transaction of pgx.
type Querier interface {
	postgres.Querier
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
	CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, rows pgx.CopyFromSource) (int64, error)
}

// ErrNotFound is returned if there is no such domain, extension or gateway.
var ErrNotFound = errors.New("not found in FusionPBX")

// DB is one FusionPBX database: where its statements run, and what is known of its tables and the types
// of their columns.
type DB struct {
	q      Querier
	known  *catalogue
	within bool // q may be a transaction
}

// required are the columns without which nothing works, by table. Others may be missing: they are
// left out of what is written and empty in what is read.
var required = map[string][]string{
	"v_domains":          {"domain_uuid", "domain_name", "domain_enabled"},
	"v_users":            {"user_uuid", "domain_uuid", "username", "password", "salt", "user_enabled"},
	"v_groups":           {"group_uuid", "group_name"},
	"v_user_groups":      {"group_uuid", "user_uuid"},
	"v_gateways":         {"gateway_uuid", "domain_uuid", "gateway", "profile", "enabled", "proxy", "username", "password", "register", "hostname"},
	"v_sip_profiles":     {"sip_profile_name", "sip_profile_enabled"},
	"v_extensions":       {"extension_uuid", "domain_uuid", "extension"},
	"v_xml_cdr":          {"xml_cdr_uuid", "domain_uuid", "start_stamp"},
	"v_default_settings": {"default_setting_category", "default_setting_subcategory", "default_setting_name", "default_setting_value", "default_setting_enabled"},
	"v_domain_settings":  {"domain_uuid", "domain_setting_category", "domain_setting_subcategory", "domain_setting_name", "domain_setting_value", "domain_setting_enabled"},
	"v_software":         {"software_version"},
}

// castable are the column types that a value in text form is cast to, besides those of characters.
var castable = []string{"text", "boolean", "numeric", "uuid", "bigint", "integer", "smallint"}

// Probe reads the types of FusionPBX's columns from the catalogue, along the connection's search path.
// The DB's statements run on q. The error names every table and column that is missing.
func Probe(ctx context.Context, q Querier) (*DB, error) {
	type column struct{ Table, Name, Type string }
	found, err := postgres.Rows(ctx, q, "reading FusionPBX's tables", pgx.RowToStructByPos[column], `
		select c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
		from pg_class c join pg_attribute a on a.attrelid = c.oid
		where c.relkind in ('r', 'p', 'v') and c.relname like 'v\_%' and pg_table_is_visible(c.oid)
		and a.attnum > 0 and not a.attisdropped`)
	if err != nil {
		return nil, err
	}
	all := tables{}
	for _, c := range found {
		if all[c.Table] == nil {
			all[c.Table] = map[string]string{}
		}
		all[c.Table][c.Name] = c.Type
	}
	db := &DB{q: q, known: &catalogue{q: q}}
	db.known.tables.Store(&all)
	return db, db.complete()
}

// In is the same database with its statements run on q: within a transaction, or on another connection.
func (d *DB) In(q Querier) *DB { return &DB{q: q, known: d.known, within: true} }

func (d *DB) complete() error {
	var missing []string
	for table, columns := range required {
		if d.tables()[table] == nil {
			missing = append(missing, "table "+table)
			continue
		}
		for _, column := range columns {
			if !d.hasColumn(table, column) {
				missing = append(missing, "column "+table+"."+column)
			}
		}
	}
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	return fmt.Errorf("this is not a FusionPBX database that Trunkline knows (5.3 to 5.6): missing %s; "+
		"check the database's name and user in TRUNKLINE_DATABASE_URL, and that the user may read FusionPBX's tables", strings.Join(missing, ", "))
}

// ColumnType returns the type of a column as Postgres names it ("text", "boolean", "numeric"...), and
// whether this database has the column.
func (d *DB) ColumnType(table, column string) (string, bool) {
	columnType, ok := d.tables()[table][column]
	return columnType, ok
}

// hasColumn reports whether this database has the column.
func (d *DB) hasColumn(table, column string) bool { return d.tables()[table][column] != "" }

// typeOf is the type of a column that is named as in e.enabled; "": this version lacks it.
func (d *DB) typeOf(table, qualified string) string {
	_, column, _ := strings.Cut(qualified, ".")
	return d.tables()[table][column]
}

// orNull is an SQL expression of the column, NULL if this version lacks it.
func (d *DB) orNull(table, qualified string) string {
	if d.typeOf(table, qualified) == "" {
		return "null::text"
	}
	return qualified
}

// isTrue is an SQL condition that holds if a flag is set, whatever its type; NULL if this version lacks it.
func (d *DB) isTrue(table, qualified string) string {
	if d.typeOf(table, qualified) == "boolean" {
		return qualified
	}
	return "lower(" + d.orNull(table, qualified) + "::text) in ('true', 't', '1')"
}

// Version returns FusionPBX's own version, "" if it keeps none.
func (d *DB) Version(ctx context.Context) (string, error) {
	return again(ctx, d, func() (string, error) {
		return postgres.Value[string](ctx, d.q, "reading FusionPBX's version", "select coalesce(max(software_version), '') from v_software")
	})
}

// counts reads rows of a name and a number.
func (d *DB) counts(ctx context.Context, doing, sql string, args ...any) (map[string]int, error) {
	type count struct {
		Name   string
		Number int
	}
	found, err := again(ctx, d, func() ([]count, error) {
		return postgres.Rows(ctx, d.q, doing, pgx.RowToStructByPos[count], sql, args...)
	})
	counts := make(map[string]int, len(found))
	for _, c := range found {
		counts[c.Name] = c.Number
	}
	return counts, err
}

// first is the first that was found, or ErrNotFound.
func first[T any](found []T, err error) (one T, _ error) {
	if err != nil {
		return one, err
	}
	if len(found) == 0 {
		return one, ErrNotFound
	}
	return found[0], nil
}

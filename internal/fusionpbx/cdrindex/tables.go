package cdrindex

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/postgres"
)

// Kinds of tables, as pg_class has them.
const (
	ordinary    = "r"
	partitioned = "p"
)

// otherKinds are what can have no index of ours.
var otherKinds = map[string]string{"v": "view", "m": "materialized view", "f": "foreign table"}

// table is v_xml_cdr or, somewhere below it, one of its partitions.
type table struct {
	OID          uint32
	Above        uint32 // the table that it is a partition of; 0 is none
	Schema, Name string
	Kind         string
	Owner        string // a role
	Owned        bool   // this user has that role's rights
	Creates      bool   // this user may make something in the schema
	User         string // this user
	Bytes        int64  // on disk, without indexes
}

func (t table) identifier() pgx.Identifier { return pgx.Identifier{t.Schema, t.Name} }

// String is the name as SQL has it: quoted.
func (t table) String() string { return t.identifier().Sanitize() }

func (t table) partitioned() bool { return t.Kind == partitioned }

// selectTable are a table's columns but for the first two, of c in pg_class and n in pg_namespace.
const selectTable = `n.nspname::text, c.relname::text, c.relkind::text, pg_get_userbyid(c.relowner)::text, pg_has_role(c.relowner, 'usage'),
	has_schema_privilege(n.oid, 'create'), current_user::text, coalesce(pg_table_size(c.oid), 0)`

// findRoot finds v_xml_cdr along the search path, as everything else does. Where that leads to none, as it can for the role
// that owns the tables, it is the one that there is in any schema.
func findRoot(ctx context.Context, q postgres.Querier) (table, error) {
	found, err := postgres.Rows(ctx, q, "finding v_xml_cdr", pgx.RowToStructByPos[table], `
		select c.oid, 0::oid, `+selectTable+`
		from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where c.relname = 'v_xml_cdr' and c.relkind in ('r', 'p', 'v', 'm', 'f') and not pg_is_other_temp_schema(n.oid)
		order by pg_table_is_visible(c.oid) desc, n.nspname`)
	if err != nil {
		return table{}, err
	}
	if len(found) == 0 {
		return table{}, errors.New("there is no table v_xml_cdr in this database; check the database's name in TRUNKLINE_DATABASE_URL")
	}
	visible, err := postgres.Value[bool](ctx, q, "finding v_xml_cdr", "select pg_table_is_visible($1)", found[0].OID)
	if err != nil || visible || len(found) == 1 {
		return found[0], err
	}
	var schemas []string
	for _, t := range found {
		schemas = append(schemas, t.Schema)
	}
	return table{}, fmt.Errorf("there is a v_xml_cdr in each of the schemas %s, and none of them is on the search path; add ?search_path=SCHEMA to TRUNKLINE_DATABASE_URL", strings.Join(schemas, ", "))
}

// tree is a table and what is below it, what is above first.
func tree(ctx context.Context, q postgres.Querier, root uint32) ([]table, error) {
	return postgres.Rows(ctx, q, "reading the partitions of v_xml_cdr", pgx.RowToStructByPos[table], `
		with recursive tree as (
			select $1::oid as oid, 0::oid as above, 0 as depth
			union all
			select h.inhrelid, t.oid, t.depth + 1 from tree t join pg_inherits h on h.inhparent = t.oid
		)
		select t.oid, t.above, `+selectTable+`
		from tree t join pg_class c on c.oid = t.oid join pg_namespace n on n.oid = c.relnamespace
		order by t.depth, n.nspname, c.relname`, root)
}

// partitions are those right below a table.
func partitions(ctx context.Context, q postgres.Querier, above uint32) ([]table, error) {
	return postgres.Rows(ctx, q, "reading the partitions of v_xml_cdr", pgx.RowToStructByPos[table], `
		select c.oid, h.inhparent, `+selectTable+`
		from pg_inherits h join pg_class c on c.oid = h.inhrelid join pg_namespace n on n.oid = c.relnamespace
		where h.inhparent = $1
		order by n.nspname, c.relname`, above)
}

// obstacles say what keeps this user from building, each thing once.
func obstacles(tables []table) (all []error) {
	kinds, said := map[uint32]string{}, map[string]bool{}
	say := func(format string, args ...any) {
		if err := fmt.Errorf(format, args...); !said[err.Error()] {
			said[err.Error()] = true
			all = append(all, err)
		}
	}
	for _, t := range tables {
		kinds[t.OID] = t.Kind
		other := otherKinds[t.Kind]
		switch {
		case other != "" && t.Above == 0:
			say("%s is a %s, which can have no such index; have one made on (start_stamp, xml_cdr_uuid) of the table that it shows", t, other)
		case other != "":
			say("%s is a %s among the partitions, without an index of which the whole table can have none; detach it, or have the other partitions' indexes made by hand", t, other)
		case t.Above != 0 && kinds[t.Above] != partitioned:
			say("%s inherits from the table and is no partition of it, so that the table's index would not hold its rows; have an index on (start_stamp, xml_cdr_uuid) made by hand on each", t)
		case !t.Owned:
			say("%s belongs to the role %q, and only that role may have an index made: run this once more with that role's name and password in TRUNKLINE_DATABASE_URL, or have a superuser run: grant %s to %s", t, t.Owner, pgx.Identifier{t.Owner}.Sanitize(), pgx.Identifier{t.User}.Sanitize())
		case !t.Creates:
			say("the role %q may not make anything in the schema of %s: have the schema's owner run: grant create on schema %s to %s", t.User, t, pgx.Identifier{t.Schema}.Sanitize(), pgx.Identifier{t.User}.Sanitize())
		}
	}
	return all
}

package fusionpbx

import (
	"context"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/postgres"
)

// CDRIndex is a btree index, of v_xml_cdr or of a partition of it, whose first column is start_stamp and which holds
// every row.
type CDRIndex struct {
	OID          uint32
	Schema, Name string
	Valid        bool   // it can be used; that of a partitioned table, once each partition has one that is attached to it
	InOrder      bool   // xml_cdr_uuid is second, so that its order is that of an export
	Plain        bool   // InOrder, not unique, and of no further column: what can be attached to such an index of the table above
	Above        uint32 // the index that it is attached to; 0 is none
}

// CDRIndexUse is what the indexes of v_xml_cdr are good for.
type CDRIndexUse int

// From nothing to all.
const (
	NoCDRIndex      CDRIndexUse = iota // each question about a span of time reads the whole table
	CDRIndexByStart                    // a span is found; rows that have the same start_stamp are still to be put in order
	CDRIndexInOrder                    // and its rows come in the order of an export
)

// HasCDRIndex reports whether an index leads to the CDRs of a span of time. On a partitioned table that takes one on
// every partition.
func (d *DB) HasCDRIndex(ctx context.Context) (bool, error) {
	use, err := d.CDRIndexUse(ctx)
	return use != NoCDRIndex, err
}

// CDRIndexUse looks in the catalogue at what there is, anew each time.
func (d *DB) CDRIndexUse(ctx context.Context) (use CDRIndexUse, err error) {
	table, err := postgres.Value[uint32](ctx, d.q, "finding v_xml_cdr", "select coalesce(to_regclass('v_xml_cdr')::oid, 0)")
	if err != nil {
		return NoCDRIndex, err
	}
	indexes, err := CDRIndexes(ctx, d.q, table)
	for _, index := range indexes {
		switch {
		case index.Valid && index.InOrder:
			return CDRIndexInOrder, nil
		case index.Valid:
			use = CDRIndexByStart
		}
	}
	return use, err
}

// CDRIndexes are the indexes of v_xml_cdr, or of a partition of it, by their names; the table is given by its OID. A
// table whose partitions only inherit from it has none, since no index of it holds their rows.
//
// An index is read backwards as well, so that it is in order if both columns descend.
func CDRIndexes(ctx context.Context, q postgres.Querier, table uint32) ([]CDRIndex, error) {
	return postgres.Rows(ctx, q, "reading the indexes of v_xml_cdr", pgx.RowToStructByPos[CDRIndex], `
		select oid, nspname::text, relname::text, valid, in_order, in_order and indnatts = 2 and not indisunique, above
		from (
			select x.oid, n.nspname, x.relname, i.indisvalid and i.indisready and i.indislive as valid, i.indnatts, i.indisunique, coalesce(h.inhparent, 0) as above,
				i.indnkeyatts >= 2 and i.indkey[1] = second.attnum and i.indoption[0] = i.indoption[1] and i.indoption[0] in (0, 3) as in_order
			from pg_index i
			join pg_class x on x.oid = i.indexrelid
			join pg_namespace n on n.oid = x.relnamespace
			join pg_am m on m.oid = x.relam and m.amname = 'btree'
			join pg_class t on t.oid = i.indrelid
			join pg_attribute first on first.attrelid = t.oid and first.attname = 'start_stamp' and first.attnum = i.indkey[0]
			join pg_attribute second on second.attrelid = t.oid and second.attname = 'xml_cdr_uuid'
			left join pg_inherits h on h.inhrelid = x.oid
			where t.oid = $1 and i.indpred is null
			and (t.relkind = 'p' or not exists (select from pg_inherits below where below.inhparent = t.oid))
		) found
		order by relname`, table)
}

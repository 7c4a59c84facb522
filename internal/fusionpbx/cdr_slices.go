package fusionpbx

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/postgres"
)

// NthCDRQuery is the statement that reads the start_stamp of the nth CDR of the filter, in their order, or nothing if there are
// fewer.
func (d *DB) NthCDRQuery(f CDRFilter, n int64) (sql string, args []any, err error) {
	from, args, err := d.cdrsOf(f)
	return fmt.Sprintf("select v_xml_cdr.start_stamp from v_xml_cdr%s order by v_xml_cdr.start_stamp limit 1 offset %d", from, n-1), args, err
}

// CDRDigest are the CDRs of a span, in number and digested.
type CDRDigest struct {
	CDRs int64
	// Digest is the sum over all of them of the first 56 bits of xml_cdr_uuid times one more than xmin, in decimal.
	Digest string
}

// CDRDigests are those of the filter's window, which is cut where each of starts begins; the first of those is Start.
func (d *DB) CDRDigests(ctx context.Context, f CDRFilter, starts []time.Time) ([]CDRDigest, error) {
	from, args, err := d.cdrsOf(f)
	if err != nil {
		return nil, err
	}
	args = append(args, starts)
	type found struct {
		slice int
		CDRDigest
	}
	rows, err := postgres.Rows(ctx, d.q, "comparing CDRs", func(row pgx.CollectableRow) (f found, err error) {
		err = row.Scan(&f.slice, &f.CDRs, &f.Digest)
		return f, err
	}, fmt.Sprintf(`
		select width_bucket(v_xml_cdr.start_stamp, $%d::timestamptz[]), count(*), sum(
			('x' || left(replace(v_xml_cdr.xml_cdr_uuid::text, '-', ''), 14))::bit(56)::bigint * (v_xml_cdr.xmin::text::numeric + 1))::text
		from v_xml_cdr%s group by 1`, len(args), from), args...)
	if err != nil {
		return nil, err
	}
	digests := make([]CDRDigest, len(starts))
	for i := range digests {
		digests[i].Digest = "0"
	}
	for _, f := range rows {
		digests[f.slice-1] = f.CDRDigest
	}
	return digests, nil
}

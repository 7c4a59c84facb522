package fusionpbx

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/postgres"
)

// CDRPage asks for a part of the CDRs that a filter holds, the newest first.
type CDRPage struct {
	CDRFilter
	After string // the xml_cdr_uuid of the row that the page before ended with; "" for the first page
	Limit int
}

// CDRs returns a page of CDRs, each as a JSON object of the filter's columns, whose times are in the session's time zone.
// Errors: ErrNotFound if the domain has no row that the page before ended with, those of CDRQuery.
func (d *DB) CDRs(ctx context.Context, p CDRPage) ([]json.RawMessage, error) {
	from, args, err := d.cdrsOf(p.CDRFilter)
	if err != nil {
		return nil, err
	}
	selected, args, err := d.selectCDRs(p.CDRFilter, args)
	if err != nil {
		return nil, err
	}
	if p.After != "" {
		there, err := postgres.Value[bool](ctx, d.q, "looking for a CDR", "select exists (select from v_xml_cdr"+whereOneCDR+")", p.After, p.All, p.DomainUUID)
		if err != nil {
			return nil, err
		}
		if !there {
			return nil, ErrNotFound
		}
		args = append(args, p.After)
		from += fmt.Sprintf(` and (v_xml_cdr.start_stamp, v_xml_cdr.xml_cdr_uuid) <
			(select last.start_stamp, last.xml_cdr_uuid from v_xml_cdr as last where last.xml_cdr_uuid = $%d::uuid)`, len(args))
	}
	return d.cdrObjects(ctx, selected, fmt.Sprintf("%s order by v_xml_cdr.start_stamp desc, v_xml_cdr.xml_cdr_uuid desc limit %d", from, p.Limit), args)
}

// CDR returns one CDR with all columns that can be asked for. ErrNotFound: there is none of that UUID, or it is of another
// domain than the filter's.
func (d *DB) CDR(ctx context.Context, f CDRFilter, uuid string) (json.RawMessage, error) {
	f.Columns = allowedCDRColumns
	selected, args, err := d.selectCDRs(f, []any{uuid, f.All, f.DomainUUID})
	if err != nil {
		return nil, err
	}
	found, err := d.cdrObjects(ctx, selected, whereOneCDR, args)
	if err == nil && len(found) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return found[0], nil
}

// whereOneCDR chooses the CDR of a UUID, if it is of the domain. Arguments: the UUID, whether any domain will do, and else which.
const whereOneCDR = " where v_xml_cdr.xml_cdr_uuid = $1::uuid and ($2 or v_xml_cdr.domain_uuid = nullif($3, '')::uuid)"

// errNoCDRDomain is that a filter is neither for all domains nor for one.
var errNoCDRDomain = errors.New("reading CDRs: no domain is given, and not all are asked for")

// cdrObjects reads rows as JSON objects. What is not valid UTF-8, as a database that checks nothing may hold, becomes
// U+FFFD.
func (d *DB) cdrObjects(ctx context.Context, selected, from string, args []any) ([]json.RawMessage, error) {
	return postgres.Rows(ctx, d.q, "reading CDRs", func(row pgx.CollectableRow) (json.RawMessage, error) {
		var object []byte
		err := row.Scan(&object)
		return json.RawMessage(strings.ToValidUTF8(string(object), "\uFFFD")), err
	}, "select row_to_json(cdr)::text from ("+selected+from+") as cdr", args...)
}

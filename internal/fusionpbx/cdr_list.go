package fusionpbx

import (
	"context"
	"errors"
	"fmt"

	"trunkline/internal/postgres"
)

// CDRPage asks for a part of the CDRs that a filter holds, the newest first.
type CDRPage struct {
	CDRFilter
	After string // the xml_cdr_uuid of the row that the page before ended with; "" for the first page
	Limit int
}

// CDRPageQuery is the statement that reads a page of CDRs. Errors: ErrNotFound if the domain has no row that the page before
// ended with, those of CDRQuery.
func (d *DB) CDRPageQuery(ctx context.Context, p CDRPage) (sql string, args []any, err error) {
	from, args, err := d.cdrsOf(p.CDRFilter)
	if err != nil {
		return "", nil, err
	}
	selected, err := d.selectCDRs(p.CDRFilter)
	if err != nil {
		return "", nil, err
	}
	if p.After != "" {
		there, err := postgres.Value[bool](ctx, d.q, "looking for a CDR", "select exists (select from v_xml_cdr"+whereOneCDR+")", p.After, p.All, p.DomainUUID)
		if err != nil {
			return "", nil, err
		}
		if !there {
			return "", nil, ErrNotFound
		}
		args = append(args, p.After)
		from += fmt.Sprintf(` and (v_xml_cdr.start_stamp, v_xml_cdr.xml_cdr_uuid) <
			(select last.start_stamp, last.xml_cdr_uuid from v_xml_cdr as last where last.xml_cdr_uuid = $%d::uuid)`, len(args))
	}
	return fmt.Sprintf("%s%s order by v_xml_cdr.start_stamp desc, v_xml_cdr.xml_cdr_uuid desc limit %d", selected, from, p.Limit), args, nil
}

// OneCDRQuery is the statement that reads the CDR of a UUID, if it is of the filter's domain. Errors: those of CDRQuery.
func (d *DB) OneCDRQuery(f CDRFilter, uuid string) (sql string, args []any, err error) {
	selected, err := d.selectCDRs(f)
	return selected + whereOneCDR, []any{uuid, f.All, f.DomainUUID}, err
}

// whereOneCDR chooses the CDR of a UUID, if it is of the domain. Arguments: the UUID, whether any domain will do, and else which.
const whereOneCDR = " where v_xml_cdr.xml_cdr_uuid = $1::uuid and ($2 or v_xml_cdr.domain_uuid = nullif($3, '')::uuid)"

// errNoCDRDomain is that a filter is neither for all domains nor for one.
var errNoCDRDomain = errors.New("reading CDRs: no domain is given, and not all are asked for")

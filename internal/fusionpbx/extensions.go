package fusionpbx

import (
	"context"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/postgres"
)

// Extension is a telephone's account within a domain.
type Extension struct {
	UUID    string
	Number  string // what it registers as; it may be a name
	Alias   string // the other name that a telephone may register as, often ""
	Enabled bool
}

// Extension returns the domain's extension of that number or, if none has it, of that number alias,
// compared as written; else ErrNotFound. A disabled one is returned too.
func (d *DB) Extension(ctx context.Context, domainUUID, number string) (Extension, error) {
	return first(again(ctx, d, func() ([]Extension, error) {
		alias := "coalesce(" + d.orNull("v_extensions", "e.number_alias") + ", '')"
		return postgres.Rows(ctx, d.q, "reading an extension", pgx.RowToStructByPos[Extension], `
		select e.extension_uuid::text, e.extension, `+alias+`, coalesce(`+d.isTrue("v_extensions", "e.enabled")+`, true)
		from v_extensions e where e.domain_uuid = $1::uuid and (e.extension = $2 or $2 <> '' and `+alias+` = $2)
		order by e.extension = $2 desc nulls last, e.extension_uuid limit 1`, domainUUID, number)
	}))
}

// ExtensionCounts returns how many extensions each domain has, disabled ones too, by domain_uuid; "" is
// those of no domain.
func (d *DB) ExtensionCounts(ctx context.Context) (map[string]int, error) {
	return d.counts(ctx, "counting extensions", "select coalesce(domain_uuid::text, ''), count(*) from v_extensions group by domain_uuid")
}

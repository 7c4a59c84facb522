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

// ExtensionNames are an extension's number and the name that its calls show; nil is NULL.
type ExtensionNames struct{ Number, Name *string }

// ExtensionNames returns those of every extension of the domain, or of "" those of all, by extension_uuid.
func (d *DB) ExtensionNames(ctx context.Context, domainUUID string) (map[[16]byte]ExtensionNames, error) {
	type named struct {
		UUID [16]byte
		ExtensionNames
	}
	found, err := again(ctx, d, func() ([]named, error) {
		return postgres.Rows(ctx, d.q, "reading the names of extensions", func(row pgx.CollectableRow) (n named, err error) {
			err = row.Scan(&n.UUID, &n.Number, &n.Name)
			return n, err
		}, "select extension_uuid, extension, "+d.orNull("v_extensions", "v_extensions.effective_caller_id_name")+" from v_extensions where $1 = '' or domain_uuid = nullif($1, '')::uuid", domainUUID)
	})
	names := make(map[[16]byte]ExtensionNames, len(found))
	for _, n := range found {
		names[n.UUID] = n.ExtensionNames
	}
	return names, err
}

// ExtensionCounts returns how many extensions each domain has, disabled ones too, by domain_uuid; "" is
// those of no domain.
func (d *DB) ExtensionCounts(ctx context.Context) (map[string]int, error) {
	return d.counts(ctx, "counting extensions", "select coalesce(domain_uuid::text, ''), count(*) from v_extensions group by domain_uuid")
}

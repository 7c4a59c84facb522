package fusionpbx

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
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
	alias, enabled := "''", "true"
	if d.hasColumn("v_extensions", "number_alias") {
		alias = "coalesce(e.number_alias, '')"
	}
	if d.hasColumn("v_extensions", "enabled") {
		enabled = "coalesce(" + d.isTrue("v_extensions", "e.enabled") + ", true)"
	}
	var e Extension
	err := d.q.QueryRow(ctx, `
		select e.extension_uuid::text, e.extension, `+alias+`, `+enabled+`
		from v_extensions e where e.domain_uuid = $1::uuid and (e.extension = $2 or $2 <> '' and `+alias+` = $2)
		order by e.extension = $2 desc nulls last, e.extension_uuid limit 1`, domainUUID, number).
		Scan(&e.UUID, &e.Number, &e.Alias, &e.Enabled)
	if errors.Is(err, pgx.ErrNoRows) {
		return Extension{}, ErrNotFound
	}
	if err != nil {
		return Extension{}, fmt.Errorf("reading an extension: %w", err)
	}
	return e, nil
}

// ExtensionCounts returns how many extensions each domain has, disabled ones too, by domain_uuid; "" is
// those of no domain.
func (d *DB) ExtensionCounts(ctx context.Context) (map[string]int, error) {
	rows, err := d.q.Query(ctx, "select coalesce(domain_uuid::text, ''), count(*) from v_extensions group by domain_uuid")
	if err != nil {
		return nil, fmt.Errorf("counting extensions: %w", err)
	}
	counts := map[string]int{}
	var domain string
	var n int
	_, err = pgx.ForEachRow(rows, []any{&domain, &n}, func() error {
		counts[domain] = n
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("counting extensions: %w", err)
	}
	return counts, nil
}

package pbxtest

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// SampleExtension is one extension of a sample, as a device registers.
type SampleExtension struct{ Number, Domain string }

// Extensions are the first n extensions of the sample, of its domains in turn; fewer where it has fewer.
func (s Sample) Extensions(n int) []SampleExtension {
	var all []SampleExtension
	for number := 0; len(all) < n; number++ {
		before := len(all)
		for _, d := range s.Domains {
			if number < d.Extensions && len(all) < n {
				all = append(all, SampleExtension{Number: strconv.Itoa(firstExtension + number), Domain: d.Name})
			}
		}
		if len(all) == before {
			break
		}
	}
	return all
}

// RegisterExtensions registers a device for each of the first n extensions in a sample's database, in the
// order of Sample.Extensions.
func (s *Switch) RegisterExtensions(ctx context.Context, database string, n int) error {
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return fmt.Errorf("registering extensions: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	rows, err := conn.Query(ctx, `
		select extension, domain_name from v_extensions join v_domains using (domain_uuid)
		order by extension::bigint, domain_name limit $1`, n)
	if err != nil {
		return fmt.Errorf("registering extensions: %w", err)
	}
	extensions, err := pgx.CollectRows(rows, pgx.RowToStructByPos[SampleExtension])
	if err != nil {
		return fmt.Errorf("registering extensions: %w", err)
	}
	for i, e := range extensions {
		s.AddRegistration(Registration{
			Profile: "internal", User: e.Number, Domain: e.Domain,
			Agent: "Yealink SIP-T46U 108.86.0.20", IP: "192.0.2." + strconv.Itoa(1+i%250), Port: 5060,
		})
	}
	return nil
}

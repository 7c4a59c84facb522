package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/delivery"
	"trunkline/internal/export"
	"trunkline/internal/fault"
	"trunkline/internal/postgres"
)

// checkNames refuses a schedule whose files could get the names that those of another one have at the same destination, as
// fault.InvalidRequest, which names file_name. id is the schedule's own.
func checkNames(ctx context.Context, tx pgx.Tx, id string, d Definition) error {
	for _, to := range slices.Sorted(slices.Values(d.Destinations)) {
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", postgres.LockKey("names at "+strings.ToLower(to))); err != nil {
			return fmt.Errorf("locking the names at a destination: %w", err)
		}
	}
	others, err := read(ctx, tx, "where s.destinations && $1::uuid[] and s.id <> $2 order by s.id", append([]string{}, d.Destinations...), id)
	if err != nil {
		return err
	}
	for _, other := range others {
		if sameName(d, other.Definition) {
			return fault.Invalid("file_name", "another schedule brings files of the same names to one of these destinations; put {schedule} into it, or choose another folder or destination")
		}
	}
	return nil
}

// sameName reports whether files of the same day and number are called the same.
func sameName(a, b Definition) bool {
	ofA, ofB := a.DomainName, b.DomainName
	switch { // one that has a file for each domain has one of the other's
	case a.EachDomain && b.EachDomain:
		ofA, ofB = sampleDomain, sampleDomain
	case a.EachDomain:
		ofA = ofB
	case b.EachDomain:
		ofB = ofA
	}
	name := func(d Definition, domain string) string {
		name, err := d.FileName.Name(delivery.Named{
			Domain: domain, Schedule: d.Name, Number: "000001", Start: sampleDay, End: sampleDay.AddDate(0, 0, 1), Extension: export.Extension(d.Request.Format, d.Request.Compression),
		})
		if err != nil {
			return ""
		}
		return strings.ToLower(name)
	}
	of := name(a, ofA)
	return of != "" && of == name(b, ofB)
}

const sampleDomain = "a.example"

var sampleDay = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

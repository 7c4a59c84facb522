package tasks

import (
	"context"
	"fmt"

	"trunkline/internal/fault"
	"trunkline/internal/postgres"
)

// CheckKept refuses another file of the domain ("": of none, or of all) while those that are kept have as many bytes
// as a domain's may have together. Errors: a fault.InsufficientStorage.
func (c *Client) CheckKept(ctx context.Context, kind Kind, domainUUID string) error {
	kept, err := postgres.Value[int64](ctx, c.pool, "adding up the bytes that a domain has", `
		select coalesce(sum(result_bytes), 0)::bigint from trunkline.jobs
		where domain_uuid is not distinct from nullif($1, '')::uuid and kind = $2 and state = 'succeeded' and finished_at > now() - $3::interval`,
		domainUUID, kind, c.settings.ExportRetention)
	if most := int64(c.settings.ExportDomainBytes); err == nil && kept >= most {
		return fault.Errorf(fault.InsufficientStorage, "the export files of this domain have %s, and may have %s together (TRUNKLINE_EXPORT_DOMAIN_BYTES); "+
			"export again when old ones were deleted, each %s after it was made", megabytes(kept), megabytes(most), c.settings.ExportRetention)
	}
	return err
}

// megabytes prints a number of bytes for people.
func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

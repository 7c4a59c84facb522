package destinations

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/fault"
	"trunkline/internal/tenant"
)

// mostGrace is the longest that a secret which was replaced may stay good.
const mostGrace = 30 * 24 * time.Hour

// checkGrace refuses one that is too long.
func checkGrace(grace time.Duration) error {
	if grace < 0 || grace > mostGrace {
		return fault.Invalid("grace", "is not from 0 to %s; an old secret is good no longer", mostGrace)
	}
	return nil
}

// withSecret are the credentials with a secret of ours, if the kind has one, and that secret if it was made now.
func (k kind) withSecret(credentials json.RawMessage) (json.RawMessage, string, error) {
	lacks, err := k.lacksSecret(credentials)
	if err != nil || !lacks {
		return credentials, "", err
	}
	return k.renew(credentials, time.Now())
}

// Rotate gives a destination of these domains a new secret. What is sent is signed with the old one too until the grace is over.
// Errors: ErrNotFound; a fault.InvalidRequest if it has no secret that we make, or the grace is too long.
func (s *Store) Rotate(ctx context.Context, id string, domains tenant.Domains, grace time.Duration) (rotated Destination, err error) {
	if err := checkGrace(grace); err != nil {
		return rotated, err
	}
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		d, err := get(ctx, tx, id, domains, " for update")
		if err != nil {
			return err
		}
		k, credentials, err := s.credentials(ctx, tx, d)
		if err != nil {
			return err
		}
		if k.renew == nil {
			return fault.Errorf(fault.InvalidRequest, "a destination of kind %s has no secret that Trunkline makes; change its credentials in its place", k.name)
		}
		credentials, secret, err := k.renew(credentials, time.Now().Add(grace))
		if err != nil {
			return err
		}
		settings, credentials, err := k.check(d.Settings, credentials)
		if err != nil {
			return err
		}
		sealed, err := s.seal(d.ID, credentials)
		if err != nil {
			return err
		}
		rotated, err = one(ctx, tx, "update trunkline.destinations set settings = $2, sealed = $3, changed_at = now() where id = $1 returning "+columns, d.ID, settings, sealed)
		rotated.Secret = secret
		return err
	})
	return rotated, explained(err)
}

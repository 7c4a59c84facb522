package destinations

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/delivery"
	"trunkline/internal/delivery/dial"
	"trunkline/internal/delivery/webhook"
	"trunkline/internal/fault"
	"trunkline/internal/postgres"
)

// CallbackSecret is what the messages to the callback_url of a domain's jobs are signed with.
type CallbackSecret struct {
	Secret   string // as a receiver keeps it, if it was made now; else ""
	MadeAt   time.Time
	OldUntil time.Time // until when one before it signs too; zero: none does
}

// callbackSecretFor says for what the secrets of a domain, "" for none, are sealed; package sealing knows that too.
func callbackSecretFor(owner string) string { return "webhook-secret/" + owner }

// CallbackSecret says how the secret of a domain stands, "" for that of jobs that are of no one domain. Errors: ErrNoSecret.
func (s *Store) CallbackSecret(ctx context.Context, owner string) (CallbackSecret, error) {
	kept, madeAt, err := s.callbackSecrets(ctx, s.pool, owner, "")
	return CallbackSecret{MadeAt: madeAt, OldUntil: oldUntil(kept)}, err
}

// ErrNoSecret: none was made yet.
var ErrNoSecret error = fault.Errorf(fault.NotFound, "no secret was made yet: POST /v1/webhook-secret makes one")

// NewCallbackSecret makes a secret for a domain and returns it, this once. Messages are signed with those before it too until
// the grace is over. Errors: a fault.InvalidRequest if that is too long.
func (s *Store) NewCallbackSecret(ctx context.Context, owner string, grace time.Duration) (made CallbackSecret, err error) {
	if err := checkGrace(grace); err != nil {
		return made, err
	}
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", postgres.LockKey("webhook secret of "+owner)); err != nil {
			return fmt.Errorf("locking the secret of a domain: %w", err)
		}
		kept, _, err := s.callbackSecrets(ctx, tx, owner, " for update")
		if err != nil && !errors.Is(err, ErrNoSecret) {
			return err
		}
		kept, made.Secret = kept.Renewed(time.Now().Add(grace))
		made.OldUntil = oldUntil(kept)
		sealed, err := s.keys.Seal(callbackSecretFor(owner), kept.Secrets)
		if err != nil {
			return err
		}
		made.MadeAt, err = postgres.Value[time.Time](ctx, tx, "keeping the secret of a domain", `
			insert into trunkline.webhook_secrets (owner, sealed) values ($1, $2)
			on conflict (owner) do update set sealed = excluded.sealed, made_at = now() returning made_at`, owner, sealed)
		return err
	})
	return made, err
}

// oldUntil is until when one of the secrets before the one in use signs.
func oldUntil(c webhook.Credentials) (last time.Time) {
	for _, s := range c.Secrets {
		if s.Until != nil && s.Until.After(last) && s.Until.After(time.Now()) {
			last = *s.Until
		}
	}
	return last
}

func (s *Store) callbackSecrets(ctx context.Context, q postgres.Querier, owner, lock string) (kept webhook.Credentials, madeAt time.Time, err error) {
	type row struct {
		Sealed []byte
		MadeAt time.Time
	}
	rows, err := postgres.Rows(ctx, q, "reading the secret of a domain", pgx.RowToStructByPos[row],
		"select sealed, made_at from trunkline.webhook_secrets where owner = $1"+lock, owner)
	switch {
	case err != nil:
		return kept, madeAt, err
	case len(rows) == 0:
		return kept, madeAt, ErrNoSecret
	}
	if err := s.keys.Open(callbackSecretFor(owner), rows[0].Sealed, &kept.Secrets); err != nil {
		return kept, madeAt, fault.Errorf(fault.ServerError, "the secret that messages are signed with cannot be opened with this TRUNKLINE_SECRET_KEY; make a new one: POST /v1/webhook-secret")
	}
	return kept, rows[0].MadeAt, nil
}

// CheckCallback refuses a URL that a job of the domain cannot call back, as far as can be known now. The error names the
// parameter.
func (s *Store) CheckCallback(ctx context.Context, owner, url string) error {
	if _, err := s.CallbackSecret(ctx, owner); errors.Is(err, ErrNoSecret) {
		return fault.Invalid(CallbackParameter, "messages are signed, and %w", err)
	} else if err != nil {
		return err
	}
	return webhook.CheckReachable(ctx, dial.Guard{Allowed: s.settings.DeliveryNetworks}, CallbackParameter, url)
}

// CallbackParameter is what callers call the URL that is told of a job's end.
const CallbackParameter = "callback_url"

// OpenCallback opens the receiver of a job of the domain. Errors are a *fault.Error whose Passes says whether a retry may help,
// or of our own database.
func (s *Store) OpenCallback(ctx context.Context, owner, url string) (delivery.Teller, error) {
	kept, _, err := s.callbackSecrets(ctx, s.pool, owner, "")
	if err != nil {
		return nil, err
	}
	kept.URL = url
	return webhook.Open(s.settings, dial.Guard{Allowed: s.settings.DeliveryNetworks}, kept)
}

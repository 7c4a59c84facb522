package sealing

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/postgres"
)

// DatabaseHasKey reports whether the database was set up with a secret key already: then another one
// must not be made.
func DatabaseHasKey(ctx context.Context, pool *pgxpool.Pool) (bool, error) {
	return postgres.Value[bool](ctx, pool, readingFingerprint, `
		select exists (select from trunkline.settings where name = 'secret_key_fingerprint')`)
}

const readingFingerprint = "reading the secret key's fingerprint"

// CheckDatabase compares the secret key with the one that the database was set up with, and makes it
// that one if there is none yet.
func (k *Keys) CheckDatabase(ctx context.Context, pool *pgxpool.Pool) error {
	stored, err := postgres.Value[string](ctx, pool, readingFingerprint, `
		with new as (
			insert into trunkline.settings (name, value) values ('secret_key_fingerprint', $1)
			on conflict (name) do nothing returning value)
		select value from new union all
		select value from trunkline.settings where name = 'secret_key_fingerprint' limit 1`,
		k.fingerprint)
	if err != nil {
		return err
	}
	if stored != k.fingerprint {
		return fmt.Errorf("TRUNKLINE_SECRET_KEY is not the key that this database was set up with (fingerprint %s, expected %s); "+
			"use the same key in every process, or delete the row secret_key_fingerprint of trunkline.settings to start over with this one "+
			"(sealed passwords of unfinished jobs and open download links are lost then)", k.fingerprint, stored)
	}
	return nil
}

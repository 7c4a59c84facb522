package sealing

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/postgres"
)

const (
	// lookTimeout bounds looking for a key that is not known yet.
	lookTimeout = 5 * time.Second
	// readingFingerprint and readingKeys say in errors what was being done.
	readingFingerprint = "reading the secret key's fingerprint"
	readingKeys        = "reading the secret keys"
)

// DatabaseHasKey reports whether the database was set up with a secret key already: then another one
// must not be made.
func DatabaseHasKey(ctx context.Context, pool *pgxpool.Pool) (bool, error) {
	return postgres.Value[bool](ctx, pool, readingFingerprint, `
		select exists (select from trunkline.settings where name = 'secret_key_fingerprint')`)
}

// CheckDatabase compares the secret key with the one that the database was set up with, and makes it
// that one if there is none yet. A key that was rotated leads to the one in use as long as the database
// keeps both.
func (k *Keys) CheckDatabase(ctx context.Context, pool *pgxpool.Pool) error {
	_, err := pool.Exec(ctx, `
		insert into trunkline.settings (name, value) values ('secret_key_fingerprint', $1) on conflict (name) do nothing`,
		k.own.fingerprint)
	if err != nil {
		return fmt.Errorf("%s: %w", readingFingerprint, err)
	}
	if err := k.look(ctx, pool); err != nil {
		return err
	}
	k.pool.Store(pool)
	return nil
}

// Superseded reports whether TRUNKLINE_SECRET_KEY is no longer the key in use.
func (k *Keys) Superseded() bool { return k.ring.Load().current != k.own }

// Refresh looks which keys there are by now.
func (k *Keys) Refresh(ctx context.Context) error { return k.look(ctx, k.pool.Load()) }

// lookAgain looks for keys in the database that CheckDatabase was given. It reports whether that went well.
func (k *Keys) lookAgain() bool {
	pool := k.pool.Load()
	if pool == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookTimeout)
	defer cancel()
	return k.look(ctx, pool) == nil
}

// keptKey is a row of trunkline.secret_keys.
type keptKey struct {
	Fingerprint, SealedBy string
	Sealed                []byte
	RetiredAt             *time.Time
}

// look reads which key is in use, and all keys to which one that is known leads.
func (k *Keys) look(ctx context.Context, pool *pgxpool.Pool) error {
	// One statement sees one state of both tables.
	rows, err := postgres.Rows(ctx, pool, readingKeys, pgx.RowToStructByPos[struct {
		Current string
		keptKey
	}], `
		select value, coalesce(fingerprint, ''), coalesce(sealed_by, ''), coalesce(sealed, ''), retired_at
		from trunkline.settings left join trunkline.secret_keys on true where name = 'secret_key_fingerprint'
		order by retired_at nulls last`)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return fmt.Errorf("%s: it is not there any more; start Trunkline again", readingFingerprint)
	}
	reached := maps.Clone(k.ring.Load().reached)
	for found := true; found; {
		found = false
		for _, row := range rows {
			if by := reached[row.SealedBy]; by == nil || reached[row.Fingerprint] != nil {
				continue
			}
			secret, ok := (&ring{reached: reached}).open(row.Fingerprint, row.Sealed)
			if !ok {
				return fmt.Errorf("%s: the one with fingerprint %s cannot be opened", readingKeys, row.Fingerprint)
			}
			if reached[row.Fingerprint], err = newKey(secret); err != nil {
				return err
			}
			found = true
		}
	}
	current := reached[rows[0].Current]
	if current == nil {
		return fmt.Errorf("TRUNKLINE_SECRET_KEY is not the key that this database was set up with (fingerprint %s, expected %s); "+
			"use the same key in every process, or delete the row secret_key_fingerprint of trunkline.settings to start over with this one "+
			"(sealed passwords of unfinished jobs and open download links are lost then)", k.own.fingerprint, rows[0].Current)
	}
	next := &ring{current: current, valid: []*key{current}, reached: reached}
	for _, row := range rows { // the retired ones first
		known := reached[row.Fingerprint]
		if known == nil || slices.ContainsFunc(next.valid, func(k *key) bool { return k.fingerprint == known.fingerprint }) {
			continue
		}
		valid := *known
		if row.RetiredAt != nil {
			valid.retired = *row.RetiredAt
		}
		next.valid = append(next.valid, &valid)
	}
	k.ring.Store(next)
	return nil
}

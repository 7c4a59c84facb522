package sealing

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/postgres"
)

const (
	// followInterval is how often a process looks whether the key was rotated. One that meets a value of a
	// key that it does not know looks at once.
	followInterval = time.Second
	// leastRetirement is how long a retired key is kept whatever names it: by then every process that can
	// write has followed.
	leastRetirement = time.Hour
	// resealBatch is how many values are sealed again at a time.
	resealBatch = 500
)

// named are the columns whose values name their key.
var named = []struct {
	table, column string
	sealedFor     string // what says for what it is sealed; "" if it is a hash, which stays as it is
	row           string // the row of which $2 says that
}{
	{table: "jobs", column: "sealed", sealedFor: "id::text", row: "id = $2"},
	{table: "items", column: "sealed", sealedFor: "job_id || '/' || number", row: "job_id = split_part($2, '/', 1)::uuid and number = split_part($2, '/', 2)::integer"},
	{table: "destinations", column: "sealed", sealedFor: "'destination/' || id", row: "id = split_part($2, '/', 2)::uuid"},
	{table: "deliveries", column: "sealed", sealedFor: "'delivery/' || id", row: "id = split_part($2, '/', 2)::uuid"},
	{table: "callbacks", column: "sealed", sealedFor: "'callback/' || job_id", row: "job_id = split_part($2, '/', 2)::uuid"},
	{table: "webhook_secrets", column: "sealed", sealedFor: "'webhook-secret/' || owner", row: "owner = split_part($2, '/', 2)"},
	{table: "uploads", column: "sealed", sealedFor: "'upload/' || id", row: "id = split_part($2, '/', 2)::uuid"},
	{table: "items", column: "left_hash"},
	{table: "jobs", column: "body_hash"},
	{table: "jobs", column: "left_hash"},
	{table: "loaded_gateways", column: "settings"},
	{table: "sessions", column: "secret_hash"},
	{table: "sessions", column: "mark_hash"},
	{table: "sign_ons", column: "code_hash"},
	{table: "sign_ons", column: "mark_hash"},
}

// ErrRotatedMeanwhile says that somebody else rotated the key at the same time.
var ErrRotatedMeanwhile = errors.New("somebody else rotates the secret key at the same time; nothing was changed")

// Current returns the secret key in use, as TRUNKLINE_SECRET_KEY takes it: 64 hex digits.
func (k *Keys) Current() string { return hex.EncodeToString(k.ring.Load().current.secret) }

// Name is what begins whatever the key in use seals or hashes.
func (k *Keys) Name() []byte { return k.ring.Load().current.name }

// Rotated reports whether an old key is kept.
func (k *Keys) Rotated() bool { return len(k.ring.Load().retired()) > 0 }

// Rotate puts the 32-byte secret key in place of the one in use, in two steps: it makes the new one known to
// every process, sealed with the old one, and a moment later the one in use. From then on the database keeps
// the old one, sealed with the new one, for what names it.
func (k *Keys) Rotate(ctx context.Context, pool *pgxpool.Pool, secret []byte) error {
	next, err := newKey(secret)
	if err != nil {
		return err
	}
	now := k.ring.Load()
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		// One that was made known and never came into use, since its rotation broke off, is nobody's.
		_, err := tx.Exec(ctx, `
			delete from trunkline.secret_keys where fingerprint <> $1
			and fingerprint not in (select fingerprint from trunkline.secret_keys where retired_at is not null)`, now.current.fingerprint)
		if err != nil {
			return err
		}
		return keep(ctx, tx, next, now.current, nil)
	})
	if err != nil {
		return fmt.Errorf("making the new secret key known: %w", err)
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(2 * followInterval):
	}
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return use(ctx, tx, now, next) })
	if err != nil {
		return fmt.Errorf("rotating the secret key: %w", err)
	}
	return k.look(ctx, pool)
}

// use makes next the key in use, and the one that was an old one.
func use(ctx context.Context, tx pgx.Tx, now *ring, next *key) error {
	changed, err := tx.Exec(ctx, `update trunkline.settings set value = $1 where name = 'secret_key_fingerprint' and value = $2`,
		next.fingerprint, now.current.fingerprint)
	if err != nil {
		return err
	}
	if changed.RowsAffected() != 1 {
		return ErrRotatedMeanwhile
	}
	for _, old := range now.valid {
		retired := old.retired
		if old == now.current {
			retired = time.Now()
		}
		if retired.IsZero() {
			continue // it was made known and never used
		}
		if err := keep(ctx, tx, old, next, &retired); err != nil {
			return err
		}
	}
	return keep(ctx, tx, next, now.current, nil)
}

// keep keeps a key, sealed by another one.
func keep(ctx context.Context, tx pgx.Tx, key, by *key, retired *time.Time) error {
	_, err := tx.Exec(ctx, `
		insert into trunkline.secret_keys (fingerprint, sealed_by, sealed, retired_at) values ($1, $2, $3, $4) on conflict do nothing`,
		key.fingerprint, by.fingerprint, by.sealFor(key.fingerprint, key.secret), retired)
	return err
}

// Follow has this process use the key that is in use, whoever rotates it, until ctx ends.
func (k *Keys) Follow(ctx context.Context, log *slog.Logger) error {
	tick := time.Tick(followInterval)
	for {
		before := k.ring.Load().current
		select {
		case <-ctx.Done():
			return nil
		case <-tick:
		}
		if !k.lookAgain() {
			continue // the database is away, which others say; or the key, which whoever opens something says
		}
		if now := k.ring.Load().current; now != before {
			log.Info("the secret key was rotated; this process uses the new one", "fingerprint", now.fingerprint)
		}
	}
}

// Upkeep is what Upkeep has done and what is left.
type Upkeep struct {
	Resealed int64
	Dropped  int64
	Old      int // how many retired keys something still names
}

// Upkeep seals again with the key in use what others have sealed, and drops each retired key that nothing
// names any more.
func (k *Keys) Upkeep(ctx context.Context) (done Upkeep, err error) {
	pool := k.pool.Load()
	if !k.Rotated() {
		return done, nil
	}
	for _, n := range named {
		if n.sealedFor == "" {
			continue
		}
		resealed, err := k.reseal(ctx, pool, n.table, n.column, n.sealedFor, n.row)
		done.Resealed += resealed
		if err != nil {
			return done, err
		}
	}
	for _, old := range k.ring.Load().retired() {
		dropped, err := k.drop(ctx, pool, old)
		if err != nil {
			return done, err
		}
		done.Dropped += dropped
	}
	if err := k.look(ctx, pool); err != nil {
		return done, err
	}
	done.Old = len(k.ring.Load().retired())
	return done, nil
}

// reseal seals again what is not sealed with the key in use. A value that somebody else changes meanwhile is
// theirs.
func (k *Keys) reseal(ctx context.Context, pool *pgxpool.Pool, table, column, sealedFor, row string) (resealed int64, err error) {
	type value struct {
		For    string
		Sealed []byte
	}
	r := k.ring.Load()
	from := ""
	for {
		values, err := postgres.Rows(ctx, pool, "reading what is sealed", pgx.RowToStructByPos[value], fmt.Sprintf(`
			select %[3]s, %[2]s from trunkline.%[1]s
			where %[2]s is not null and substring(%[2]s for %[4]d) <> $1 and %[3]s > $2 order by %[3]s limit %[5]d`,
			table, column, sealedFor, nameSize, resealBatch), r.current.name, from)
		if err != nil || len(values) == 0 {
			return resealed, err
		}
		for _, v := range values {
			from = v.For
			plain, ok := r.open(v.For, v.Sealed)
			if !ok {
				continue // sealed with a key that was lost; whoever needs it is told
			}
			done, err := pool.Exec(ctx, fmt.Sprintf(`update trunkline.%[1]s set %[2]s = $1 where %[3]s and %[2]s = $3`, table, column, row),
				r.current.sealFor(v.For, plain), v.For, v.Sealed)
			if err != nil {
				return resealed, fmt.Errorf("sealing again: %w", err)
			}
			resealed += done.RowsAffected()
		}
	}
}

// drop deletes the retired key if nothing names it. What names no key is from before keys had names, and is
// taken to be the oldest one's.
func (k *Keys) drop(ctx context.Context, pool *pgxpool.Pool, old *key) (int64, error) {
	if time.Since(old.retired) < leastRetirement {
		return 0, nil
	}
	var names [][]byte
	for _, other := range k.ring.Load().valid {
		if other.fingerprint != old.fingerprint {
			names = append(names, other.name)
		}
	}
	for _, n := range named {
		is, err := postgres.Value[bool](ctx, pool, "looking for what names an old secret key", fmt.Sprintf(
			`select exists (select from trunkline.%[1]s where %[2]s is not null and not substring(%[2]s for %[3]d) = any($1))`,
			n.table, n.column, nameSize), names)
		if err != nil || is {
			return 0, err
		}
	}
	if _, err := pool.Exec(ctx, `delete from trunkline.secret_keys where fingerprint = $1 or sealed_by = $1`, old.fingerprint); err != nil {
		return 0, fmt.Errorf("dropping an old secret key: %w", err)
	}
	return 1, nil
}

package sealing_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/postgres/postgrestest"
	"trunkline/internal/sealing"
)

// keysOn are the keys of a process whose secret key is 32 times this byte.
func keysOn(t *testing.T, pool *pgxpool.Pool, secret byte) *sealing.Keys {
	t.Helper()
	keys, err := sealing.NewKeys(bytes.Repeat([]byte{secret}, 32))
	must(t, err)
	keys.LinkLife = time.Hour
	must(t, keys.CheckDatabase(t.Context(), pool))
	return keys
}

// job is a row of trunkline.jobs.
type job struct {
	id           string
	sealed, hash []byte
}

func newJob(t *testing.T, pool *pgxpool.Pool, keys *sealing.Keys) job {
	t.Helper()
	j := job{id: uuid.NewString(), hash: keys.BodyHash("the body")}
	var err error
	j.sealed, err = keys.Seal(j.id, "hunter2")
	must(t, err)
	_, err = pool.Exec(t.Context(), `
		insert into trunkline.jobs (id, kind, state, created_by, created_by_name, subject, body_hash, params, sealed)
		values ($1, 'provision', 'queued', gen_random_uuid(), '', 'gateway', $2, '{}', $3)`, j.id, j.hash, j.sealed)
	must(t, err)
	return j
}

func opens(t *testing.T, keys *sealing.Keys, j job) {
	t.Helper()
	var opened string
	if err := keys.Open(j.id, j.sealed, &opened); err != nil || opened != "hunter2" {
		t.Errorf("got %q, %v", opened, err)
	}
}

func TestRotate(t *testing.T) {
	t.Parallel()
	pool := postgrestest.Migrated(t, pbxtest.Database(t, sample.V55, postgrestest.Tables))
	running, command := keysOn(t, pool, 1), keysOn(t, pool, 1)
	until := time.Now().Add(time.Minute).Unix()
	before, link := newJob(t, pool, running), running.DownloadSignature("job", "a", until)
	forged := running.DownloadSignature("job", "a", time.Now().AddDate(0, 0, 1).Unix())
	for _, secret := range []byte{2, 3} {
		must(t, command.Rotate(t.Context(), pool, bytes.Repeat([]byte{secret}, 32)))
	}

	// One that ran all the time meets what a new key has sealed, and uses that key from then on.
	after := newJob(t, pool, command)
	opens(t, running, after)
	opens(t, running, before)
	if !bytes.Equal(running.Name(), command.Name()) || !bytes.HasPrefix(after.sealed, command.Name()) || !bytes.HasPrefix(after.hash, command.Name()) {
		t.Error("what is sealed and hashed does not name the new key")
	}
	// So does one that starts, with whichever key.
	for _, secret := range []byte{1, 2, 3} {
		started := keysOn(t, pool, secret)
		opens(t, started, before)
		opens(t, started, after)
		if got := started.Superseded(); got != (secret != 3) {
			t.Errorf("key %d is superseded: %v", secret, got)
		}
		if !started.SameBody(before.hash, "the body") || !started.SameBody(after.hash, "the body") {
			t.Errorf("key %d does not know a body again", secret)
		}
		if !started.ValidDownload("job", "a", until, link) || started.ValidDownload("job", "a", time.Now().AddDate(0, 0, 1).Unix(), forged) {
			t.Errorf("key %d: an open link has to hold, and none that is signed after the old key was retired", secret)
		}
	}

	done, err := command.Upkeep(t.Context())
	must(t, err)
	if done.Resealed != 1 || done.Dropped != 0 || done.Old != 2 {
		t.Errorf("got %+v", done)
	}
	must(t, pool.QueryRow(t.Context(), "select sealed from trunkline.jobs where id = $1", before.id).Scan(&before.sealed))
	if !bytes.HasPrefix(before.sealed, command.Name()) {
		t.Error("it was not sealed again")
	}
	opens(t, running, before)

	// An old key goes when nothing names it and no process can still use it: not the one of a body's hash.
	_, err = pool.Exec(t.Context(), "update trunkline.secret_keys set retired_at = retired_at - interval '1 day'")
	must(t, err)
	must(t, command.Refresh(t.Context()))
	if done, err = command.Upkeep(t.Context()); err != nil || done.Dropped != 1 || done.Old != 1 {
		t.Errorf("got %+v, %v", done, err)
	}
	_, err = pool.Exec(t.Context(), "delete from trunkline.jobs where id = $1", before.id)
	must(t, err)
	if done, err = command.Upkeep(t.Context()); err != nil || done.Dropped != 1 || done.Old != 0 {
		t.Errorf("got %+v, %v", done, err)
	}
	must(t, running.Refresh(t.Context()))
	opens(t, running, after)
	if running.ValidDownload("job", "a", until, link) {
		t.Error("a link of a key that is gone still holds")
	}
	old, err := sealing.NewKeys(bytes.Repeat([]byte{1}, 32))
	must(t, err)
	if err := old.CheckDatabase(t.Context(), pool); err == nil {
		t.Error("a process starts with a key that is gone")
	}
}

// Two rotations at once: one of them holds.
func TestRotateTwiceAtOnce(t *testing.T) {
	t.Parallel()
	pool := postgrestest.Migrated(t, pbxtest.Database(t, sample.V55, postgrestest.Tables))
	first, second := keysOn(t, pool, 1), keysOn(t, pool, 1)
	must(t, first.Rotate(t.Context(), pool, bytes.Repeat([]byte{2}, 32)))
	if err := second.Rotate(t.Context(), pool, bytes.Repeat([]byte{3}, 32)); err == nil {
		t.Error("the second rotation took the first one's place")
	}
}

// Whatever our tables hold in bytes names its key, or is none's: a new column has to be put with one of them.
func TestEveryColumnOfBytesIsKnown(t *testing.T) {
	t.Parallel()
	pool := postgrestest.Migrated(t, pbxtest.Database(t, sample.V55, postgrestest.Tables))
	var columns []string
	must(t, pool.QueryRow(t.Context(), `select array_agg(table_name || '.' || column_name order by 1) from information_schema.columns
		where table_schema = 'trunkline' and data_type = 'bytea'`).Scan(&columns))
	withoutKey := []string{"exported_keys.keys", "secret_keys.sealed", "tokens.previous_sha256", "tokens.sha256"}
	for _, column := range columns {
		if !slices.Contains(withoutKey, column) && !slices.Contains(sealing.Named(), column) {
			t.Errorf("%s: neither is it known to name its key nor to have none", column)
		}
	}
}

package main

import (
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/config"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway"
	"trunkline/internal/sealing"
	"trunkline/internal/service"
)

type keyCommand struct {
	Rotate keyRotateCommand `cmd:"" help:"Put a new secret key in place of the one in use, while Trunkline runs."`
}

type keyRotateCommand struct{}

func (keyRotateCommand) Help() string {
	return `Processes that run use the new key within a second. What is sealed is sealed again; what is hashed or signed stays
good, for which the database keeps the old key, sealed with the new one, until nothing names it: as long as jobs are kept
(TRUNKLINE_JOB_RETENTION). Until then a process may also start with the old key, and says so in its log.
The file of TRUNKLINE_SECRET_KEY is written anew; if that setting is the key itself, the new one is printed. Copy it to each
other host, or run this command there: where the key is an old one it only brings the one in use.

Example: trunkline key rotate`
}

func (keyRotateCommand) Run(cmd *command) error {
	return cmd.withDatabase(func(settings config.Settings, pool *pgxpool.Pool) error {
		known, err := sealing.DatabaseHasKey(cmd.ctx, pool)
		if err != nil {
			return err
		}
		if !known {
			return errors.New("this database has no secret key yet; the first start of trunkline serve makes one")
		}
		keys, err := service.Keys(cmd.ctx, settings, pool, false)
		if err != nil {
			return err
		}
		if err := keys.CheckDatabase(cmd.ctx, pool); err != nil {
			return err
		}
		if keys.Superseded() {
			cmd.printf("The key was rotated before; this brings the one in use here.\n")
			return cmd.storeKey(settings, keys.Current(), nil)
		}
		secret := make([]byte, 32)
		_, _ = rand.Read(secret) // never fails
		// The database changes keys last, once the file is ready, and the file comes to its place after that:
		// whenever this is interrupted, the key that is there leads to the one in use.
		if err := cmd.storeKey(settings, fmt.Sprintf("%x", secret), func() error { return keys.Rotate(cmd.ctx, pool, secret) }); err != nil {
			return err
		}
		cmd.record(cmd.ctx, pool, "key.rotate", "the secret key")
		return cmd.sealAgain(settings, pool, keys)
	})
}

// storeKey writes the key to the file of the setting, or prints it if the setting is no file; last comes
// before that, and keeps it from being done if it fails.
func (cmd *command) storeKey(settings config.Settings, secret string, last func() error) error {
	path, isFile := settings.SecretKeyFile()
	if isFile {
		if err := config.ReplaceKeyFile(path, secret, last); err != nil {
			return err
		}
		cmd.printf("%s holds the new key; keep a copy of it, and bring it to the other hosts.\n", path)
		return nil
	}
	if last != nil {
		if err := last(); err != nil {
			return err
		}
	}
	fmt.Fprintln(cmd.err, "TRUNKLINE_SECRET_KEY is the key itself. Set it to this one for every process:")
	cmd.printf("%s\n", secret)
	return nil
}

func (cmd *command) sealAgain(settings config.Settings, pool *pgxpool.Pool, keys *sealing.Keys) error {
	db, err := fusionpbx.Probe(cmd.ctx, pool)
	if err != nil {
		return err
	}
	if err := gateway.Rehash(cmd.ctx, service.NewPBX(settings, pool, db), keys); err != nil {
		return err
	}
	done, err := keys.Upkeep(cmd.ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.err, "Sealed again: %d. Old keys that are kept, until nothing names them: %d.\n", done.Resealed, done.Old)
	return nil
}

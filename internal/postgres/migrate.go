package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// versionTable records the migrations that were applied.
const versionTable = "trunkline.schema_version"

// Migrate creates the schema trunkline and brings its tables up to this build's version, which it
// returns. It may run in several processes at once: one does the work and the others wait.
func Migrate(ctx context.Context, pool *pgxpool.Pool) (int64, error) {
	db := stdlib.OpenDBFromPool(pool)
	defer db.Close()
	// goose keeps its version table inside the schema, so the schema has to be there first. Two
	// processes that create it at once can collide in the catalogue despite IF NOT EXISTS.
	if _, err := db.ExecContext(ctx, `
		do $$ begin
			create schema if not exists trunkline;
		exception when unique_violation or duplicate_schema then null;
		end $$`); err != nil {
		return 0, fmt.Errorf("creating schema trunkline: %w; grant CREATE on the database to this user", err)
	}
	provider, err := newProvider(db)
	if err != nil {
		return 0, err
	}
	if _, err := provider.Up(ctx); err != nil {
		return 0, fmt.Errorf("migrating schema trunkline: %w", err)
	}
	return provider.GetDBVersion(ctx)
}

// ErrNoSchema says that Trunkline's tables are not there yet.
var ErrNoSchema = errors.New("schema trunkline is not there; run: trunkline migrate")

// CheckVersion returns an error that says what to do if the schema trunkline is missing, older or newer
// than this build.
func CheckVersion(ctx context.Context, pool *pgxpool.Pool) error {
	exists, err := Value[bool](ctx, pool, "reading the version of schema trunkline", "select to_regclass($1) is not null", versionTable)
	if err != nil {
		return err
	}
	if !exists {
		return ErrNoSchema
	}
	db := stdlib.OpenDBFromPool(pool)
	defer db.Close()
	provider, err := newProvider(db)
	if err != nil {
		return err
	}
	have, want, err := provider.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("reading the version of schema trunkline: %w", err)
	}
	if have < want {
		return fmt.Errorf("schema trunkline has version %d and this build needs %d; run: trunkline migrate", have, want)
	}
	if have > want {
		return fmt.Errorf("schema trunkline has version %d, newer than this build's %d; run the newer trunkline", have, want)
	}
	return nil
}

func newProvider(db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	locker, err2 := lock.NewPostgresSessionLocker()
	if err := errors.Join(err, err2); err != nil {
		return nil, fmt.Errorf("preparing the migrations: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithTableName(versionTable), goose.WithSessionLocker(locker))
	if err != nil {
		return nil, fmt.Errorf("reading the migrations: %w", err)
	}
	return provider, nil
}

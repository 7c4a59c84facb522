package servers

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"

	"trunkline/internal/pbxtest/sample"

	"github.com/jackc/pgx/v5"
)

// DatabaseOption changes how CreateDatabase makes a database.
type DatabaseOption func(*databaseOptions)

type databaseOptions struct {
	encoding string
	more     *Tables
	types    []columnType // other types than the version's
}

// Tables are more than FusionPBX's own. Databases that share them are copies of one in which Make made them.
type Tables struct {
	Make func(ctx context.Context, url string) error
}

type columnType struct{ table, column, sqlType string }

// WithEncoding makes the database in another encoding than UTF8. SQL_ASCII takes any byte and checks
// nothing; old installations have it.
func WithEncoding(encoding string) DatabaseOption {
	return func(o *databaseOptions) { o.encoding = encoding }
}

// WithTables makes the database with more tables.
func WithTables(more *Tables) DatabaseOption {
	return func(o *databaseOptions) { o.more = more }
}

// WithColumnType gives a column another type than the version has, written as in SQL.
func WithColumnType(table, name, sqlType string) DatabaseOption {
	return func(o *databaseOptions) { o.types = append(o.types, columnType{table, name, sqlType}) }
}

// WithTextColumn leaves a column text, as an upgrade does whose cast failed on one value.
func WithTextColumn(table, name string) DatabaseOption {
	return WithColumnType(table, name, "text")
}

// template names one template database: the tables of a version in an encoding, and more.
type template struct {
	version  sample.Version
	encoding string
	more     *Tables
}

// CreateDatabase makes a database with FusionPBX's tables of that version in schema public, empty but
// for the version in v_software, and returns its URL. The URL's user owns the database and is no
// superuser.
func (s *Pair) CreateDatabase(ctx context.Context, name string, v sample.Version, opts ...DatabaseOption) (string, error) {
	o := databaseOptions{encoding: "UTF8"}
	for _, opt := range opts {
		opt(&o)
	}
	from, err := s.template(ctx, template{v, o.encoding, o.more})
	if err != nil {
		return "", err
	}
	url, err := s.CopyDatabase(ctx, name, from)
	if err != nil {
		return "", err
	}
	for _, c := range o.types {
		alter := fmt.Sprintf("alter table %s alter column %s type %[3]s using %[2]s::text::%[3]s",
			quoteName(c.table), quoteName(c.column), c.sqlType)
		if err := execIn(ctx, url, "changing the type of "+c.table+"."+c.column, alter); err != nil {
			return "", err
		}
	}
	return url, nil
}

// CopyDatabase makes a database like the one of that name, to which nothing may be connected, and returns its URL.
func (s *Pair) CopyDatabase(ctx context.Context, name, original string) (string, error) {
	create := fmt.Sprintf("create database %s template %s owner %s", quoteName(name), quoteName(original), owner)
	return s.postgres.url(name, owner), execIn(ctx, s.AdminURL(), "copying database "+original, create)
}

// DropDatabase drops a database that CreateDatabase made, if it is still there, and breaks off its
// connections.
func (s *Pair) DropDatabase(ctx context.Context, name string) error {
	return execIn(ctx, s.AdminURL(), "dropping database "+name,
		"drop database if exists "+quoteName(name)+" with (force)")
}

// template returns the name of the template database, which it makes when it is first asked for.
func (s *Pair) template(ctx context.Context, t template) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if name, ok := s.templates[t]; ok {
		return name, nil
	}
	// A name of its own, so that an attempt that failed halfway is in nobody's way.
	name := "template_" + strings.ToLower(rand.Text())
	locale := ""
	if t.encoding != "UTF8" {
		locale = " lc_collate 'C' lc_ctype 'C'" // the one locale that goes with every encoding
	}
	create := fmt.Sprintf("create database %s template template0 owner %s encoding %s%s",
		name, owner, quoteLiteral(t.encoding), locale)
	if err := execIn(ctx, s.AdminURL(), "creating a template database", create); err != nil {
		return "", err
	}
	conn, err := pgx.Connect(ctx, s.postgres.url(name, owner))
	if err != nil {
		return "", fmt.Errorf("creating a template database: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := sample.CreateTables(ctx, conn, t.version); err != nil {
		return "", err
	}
	if t.more != nil {
		if err := t.more.Make(ctx, s.postgres.url(name, owner)); err != nil {
			return "", err
		}
	}
	s.templates[t] = name
	return name, nil
}

// execIn runs SQL without parameters, which may be several statements, on a connection of its own;
// doing says what for.
func execIn(ctx context.Context, url, doing, sql string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

func quoteName(name string) string { return pgx.Identifier{name}.Sanitize() }

func quoteLiteral(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

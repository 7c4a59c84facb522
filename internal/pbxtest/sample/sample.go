// Package sample is a sample PBX: FusionPBX's tables in each known version, as recorded in schema/, and
// tenants, users, extensions, gateways and CDRs to put into them. It knows a database connection and
// nothing of who serves it.
package sample

import (
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	defaultDomains = 3
	defaultDays    = 90
)

// Demo are the options of the PBX that the demo shows.
var Demo = Options{Domains: 3, Extensions: 300, CDRs: 200_000, Days: 90, Gateways: 5}

// Options says how large a sample PBX is. The zero value has three domains with their users,
// and no extension, gateway or CDR.
type Options struct {
	Domains    int // 3 if it is 0
	Extensions int // of all domains together, spread evenly
	Gateways   int
	CDRs       int
	Days       int       // the CDRs' calls began in the last so many days before Now; 90 if it is 0
	Now        time.Time // the time of loading if it is zero
	Seed       int64     // the same seed, options and Now give the same rows, password hashes apart

	SuperadminPassword string // random if empty
	AdminPassword      string // random if empty
	BcryptCost         int    // of the superadmin's hash; FusionPBX's if it is 0
}

// PBX tells what Load put into a database.
type PBX struct {
	Domains  []Domain
	Gateways []Gateway
	CDRs     int64 // of all domains, and those of no domain

	SuperadminName     string // in the first domain; its password is kept as bcrypt
	SuperadminUUID     string
	SuperadminPassword string

	AdminName     string // in the domain AdminDomain; its password is kept as a salted MD5, as old versions did
	AdminUUID     string
	AdminPassword string
	AdminDomain   string // the name of the second domain, of the first if there is but one
}

// Domain is one tenant of a sample.
type Domain struct {
	UUID, Name string
	TimeZone   string // the one that holds for it, by its own setting or the default setting
	Extensions int
	CDRs       int64
}

// Gateway is one gateway of a sample.
type Gateway struct {
	UUID       string
	Name       string // the label, column gateway
	DomainUUID string // empty for a global gateway
	Profile    string
	Register   bool
	Enabled    bool
}

// Load fills the empty FusionPBX tables of a database, of any version and with any mixture of column
// types, in one transaction. What is in it is said in rows.go and cdr.go.
func Load(ctx context.Context, conn *pgx.Conn, o Options) (PBX, error) {
	if o.Domains == 0 {
		o.Domains = defaultDomains
	}
	if o.Days == 0 {
		o.Days = defaultDays
	}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	if o.SuperadminPassword == "" {
		o.SuperadminPassword = rand.Text()
	}
	if o.BcryptCost == 0 {
		o.BcryptCost = bcryptCost
	}
	if o.AdminPassword == "" {
		o.AdminPassword = rand.Text()
	}
	tx, err := conn.Begin(ctx)
	if err != nil {
		return PBX{}, fmt.Errorf("loading the sample PBX: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	s, err := load(ctx, tx, o)
	if err != nil {
		return PBX{}, fmt.Errorf("loading the sample PBX: %w", err)
	}
	if err := tx.Commit(ctx); err != nil {
		return PBX{}, fmt.Errorf("loading the sample PBX: %w", err)
	}
	// The planner would take the tables for empty until autovacuum comes by.
	if _, err := conn.Exec(ctx, "analyze v_xml_cdr, v_extensions"); err != nil {
		return PBX{}, fmt.Errorf("analysing the sample PBX: %w", err)
	}
	return s, nil
}

func load(ctx context.Context, tx pgx.Tx, o Options) (PBX, error) {
	types, err := columnTypes(ctx, tx)
	if err != nil {
		return PBX{}, err
	}
	l := &loader{
		types: types, options: o,
		random: mathrand.New(mathrand.NewPCG(uint64(o.Seed), 0)),
		batch:  &pgx.Batch{},
	}
	l.settings()
	l.domains()
	if err := l.users(); err != nil {
		return PBX{}, err
	}
	l.profiles()
	l.extensions()
	l.gateways()
	if l.err != nil {
		return PBX{}, l.err
	}
	if err := tx.SendBatch(ctx, l.batch).Close(); err != nil {
		return PBX{}, err
	}
	if err := l.cdrs(ctx, tx); err != nil {
		return PBX{}, err
	}
	return l.sample, nil
}

// loader gathers the rows of a sample. The first row that does not fit the tables is kept in
// err, and nothing is sent then.
type loader struct {
	options Options
	types   map[column]string
	random  *mathrand.Rand
	batch   *pgx.Batch
	sample  PBX
	err     error

	extensionUUIDs []string // in the order in which they were dealt out
}

// uuid returns a random UUID that the seed determines.
func (l *loader) uuid() string {
	var u uuid.UUID
	for i := range u {
		u[i] = byte(l.random.Uint32())
	}
	u[6] = u[6]&0x0f | 0x40 // version 4: random
	u[8] = u[8]&0x3f | 0x80 // variant of RFC 9562
	return u.String()
}

// column names a column of a table.
type column struct{ table, name string }

// columnTypes reads the type of each column in schema public, as SQL writes it.
func columnTypes(ctx context.Context, tx pgx.Tx) (map[column]string, error) {
	rows, err := tx.Query(ctx, `
		select c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
		from pg_attribute a join pg_class c on c.oid = a.attrelid
		where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped`)
	if err != nil {
		return nil, fmt.Errorf("reading the column types: %w", err)
	}
	types := make(map[column]string)
	var c column
	var sqlType string
	_, err = pgx.ForEachRow(rows, []any{&c.table, &c.name, &sqlType}, func() error {
		types[c] = sqlType
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the column types: %w", err)
	}
	return types, nil
}

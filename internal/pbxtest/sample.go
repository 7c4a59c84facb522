package pbxtest

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
	defaultSampleDomains = 3
	defaultSampleDays    = 90
)

// DemoSample is the PBX that the demo shows.
var DemoSample = SampleOptions{Domains: 3, Extensions: 300, CDRs: 200_000, Days: 90, Gateways: 5}

// SampleOptions says how large a sample PBX is. The zero value has three domains with their users,
// and no extension, gateway or CDR.
type SampleOptions struct {
	Domains    int // 3 where it is 0
	Extensions int // of all domains together, spread evenly
	Gateways   int
	CDRs       int
	Days       int       // the CDRs' calls began in the last so many days before Now; 90 where it is 0
	Now        time.Time // the time of loading where it is zero
	Seed       int64     // the same seed, options and Now give the same rows, password hashes apart

	SuperadminPassword string // random where empty
	AdminPassword      string // random where empty
}

// Sample tells what LoadSample put into a database.
type Sample struct {
	Domains  []SampleDomain
	Gateways []SampleGateway
	CDRs     int64 // of all domains, and those of no domain

	SuperadminName     string // in the first domain; its password is kept as bcrypt
	SuperadminUUID     string
	SuperadminPassword string

	AdminName     string // in the domain AdminDomain; its password is kept as a salted MD5, as old versions did
	AdminUUID     string
	AdminPassword string
	AdminDomain   string // the name of the second domain, of the first where there is but one
}

// SampleDomain is one tenant of a sample.
type SampleDomain struct {
	UUID, Name string
	TimeZone   string // the one that holds for it, by its own setting or the default setting
	Extensions int
	CDRs       int64
}

// SampleGateway is one gateway of a sample.
type SampleGateway struct {
	UUID       string
	Name       string // the label, column gateway
	DomainUUID string // empty for a global gateway
	Profile    string
	Register   bool
	Enabled    bool
}

// LoadSample fills the empty FusionPBX tables of a database that CreateDatabase made, of any version
// and with any mixture of column types, in one transaction. What is in it is said in sample_rows.go
// and sample_cdr.go.
func LoadSample(ctx context.Context, conn *pgx.Conn, o SampleOptions) (Sample, error) {
	if o.Domains == 0 {
		o.Domains = defaultSampleDomains
	}
	if o.Days == 0 {
		o.Days = defaultSampleDays
	}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	if o.SuperadminPassword == "" {
		o.SuperadminPassword = rand.Text()
	}
	if o.AdminPassword == "" {
		o.AdminPassword = rand.Text()
	}
	tx, err := conn.Begin(ctx)
	if err != nil {
		return Sample{}, fmt.Errorf("loading the sample PBX: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	s, err := loadSample(ctx, tx, o)
	if err != nil {
		return Sample{}, fmt.Errorf("loading the sample PBX: %w", err)
	}
	if err := tx.Commit(ctx); err != nil {
		return Sample{}, fmt.Errorf("loading the sample PBX: %w", err)
	}
	// The planner would take the tables for empty until autovacuum comes by.
	if _, err := conn.Exec(ctx, "analyze v_xml_cdr, v_extensions"); err != nil {
		return Sample{}, fmt.Errorf("analysing the sample PBX: %w", err)
	}
	return s, nil
}

func loadSample(ctx context.Context, tx pgx.Tx, o SampleOptions) (Sample, error) {
	types, err := columnTypes(ctx, tx)
	if err != nil {
		return Sample{}, err
	}
	l := &sampleLoader{
		types: types, options: o,
		random: mathrand.New(mathrand.NewPCG(uint64(o.Seed), 0)),
		batch:  &pgx.Batch{},
	}
	l.settings()
	l.domains()
	if err := l.users(); err != nil {
		return Sample{}, err
	}
	l.profiles()
	l.extensions()
	l.gateways()
	if l.err != nil {
		return Sample{}, l.err
	}
	if err := tx.SendBatch(ctx, l.batch).Close(); err != nil {
		return Sample{}, err
	}
	if err := l.cdrs(ctx, tx); err != nil {
		return Sample{}, err
	}
	return l.sample, nil
}

// sampleLoader gathers the rows of a sample. The first row that does not fit the tables is kept in
// err, and nothing is sent then.
type sampleLoader struct {
	options SampleOptions
	types   map[column]string
	random  *mathrand.Rand
	batch   *pgx.Batch
	sample  Sample
	err     error

	extensionUUIDs []string // in the order in which they were dealt out
}

// uuid returns a random UUID that the seed determines.
func (l *sampleLoader) uuid() string {
	var u uuid.UUID
	for i := range u {
		u[i] = byte(l.random.Uint32())
	}
	u[6] = u[6]&0x0f | 0x40 // version 4: random
	u[8] = u[8]&0x3f | 0x80 // variant of RFC 9562
	return u.String()
}

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

// Package testbed is a PBX at work, for tests of the rooms that do something with one: its database with the
// sample and Trunkline's own tables, Redis, simulated switches, and the client of jobs on them. It runs
// none of the rooms itself.
package testbed

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"trunkline/internal/config"
	"trunkline/internal/freeswitch"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/pbx"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/fssim"
	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/pbxtest/servers"
	"trunkline/internal/postgres/postgrestest"
	"trunkline/internal/sealing"
	"trunkline/tasks"
)

// defaultTimeout is a switch's command time-out: a simulated one answers at once, if the machine is idle.
const defaultTimeout = 5 * time.Second

// Options say what a test needs that is not usual.
type Options struct {
	Version  sample.Version // 5.5 if empty
	Database []servers.DatabaseOption
	Sample   sample.Options // three extensions and five gateways, if it has none of its own
	Switches int            // 1 if 0
	Timeout  time.Duration  // a switch's command time-out
	Files    bool           // FusionPBX keeps gateways as files
	RedisURL string         // a database of the shared Redis if empty
	// DatabaseURL is an empty database with FusionPBX's tables and ours, of a server of the test's own; else there is one
	// of the shared Postgres.
	DatabaseURL string
}

// Bed is a PBX of the test's own, gone when the test ends.
type Bed struct {
	*pbx.PBX
	Sample    sample.PBX
	Simulated []*fssim.Switch // behind Switches
	Profiles  string          // the folder of gateway files, in file mode
	Redis     *redis.Client
	RedisURL  string
	Tasks     *tasks.Client
	Log       *slog.Logger
	Logged    *pbxtest.LogBuffer // what Log was told, down to debug
}

// New makes a PBX.
func New(t testing.TB, o Options) *Bed {
	t.Helper()
	if o.Version == "" {
		o.Version = sample.V55
	}
	if o.Sample.Extensions == 0 && o.Sample.Gateways == 0 {
		o.Sample.Extensions, o.Sample.Gateways = 3, 5
	}
	if o.RedisURL == "" {
		o.RedisURL = pbxtest.RedisURL(t)
	}
	database := o.DatabaseURL
	if database == "" {
		database = pbxtest.Database(t, o.Version, append(o.Database, postgrestest.Tables)...)
	}
	b := &Bed{PBX: &pbx.PBX{}, RedisURL: o.RedisURL, Redis: pbxtest.RedisClient(t, o.RedisURL), Logged: &pbxtest.LogBuffer{}}
	b.Log = slog.New(slog.NewTextHandler(b.Logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	b.Sample = pbxtest.Sample(t, database, o.Sample)
	b.Pool = postgrestest.Migrated(t, database)
	db, err := fusionpbx.Probe(t.Context(), b.Pool)
	if err != nil {
		t.Fatal(err)
	}
	b.FusionPBX = db
	b.Tasks = Tasks(t, b.Pool, b.Redis, b.Log)
	if o.Files {
		b.keepFiles(t)
	}
	for range max(o.Switches, 1) {
		b.addSwitch(t, database, o.Timeout)
	}
	return b
}

// GatewayRows is the whole of v_gateways, for comparing before and after.
func GatewayRows(t testing.TB, pool *pgxpool.Pool) string {
	t.Helper()
	var rows string
	err := pool.QueryRow(t.Context(), `
		select coalesce(string_agg(to_jsonb(g)::text, E'\n' order by gateway_uuid), '') from v_gateways g`).Scan(&rows)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// Tasks is a client of jobs on that database and Redis, under a key that every test has.
func Tasks(t testing.TB, pool *pgxpool.Pool, rdb redis.UniversalClient, log *slog.Logger) *tasks.Client {
	t.Helper()
	keys, err := sealing.NewKeys(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	return tasks.NewClient(pool, keys, rdb, JobSettings, log)
}

// JobSettings are what jobs and workers go by.
var JobSettings = config.Settings{
	ProvisionTimeout:     time.Minute,
	ExportTimeout:        time.Hour,
	ExportSnapshotAge:    time.Hour,
	BulkTimeout:          time.Hour,
	ProvisionConcurrency: 16,
	ExportConcurrency:    2,
	BulkConcurrency:      2,
	ProvisionPoll:        10 * time.Millisecond,
	ExportPoll:           10 * time.Millisecond,
	BulkPoll:             10 * time.Millisecond,
	StatePoll:            time.Hour, // a look at once, when its events are listened to
	QueuedJobs:           10_000,
	QueuedItems:          100_000,
	ExportRetention:      time.Hour,
	ExportDomainBytes:    1 << 40,
	RoundChanges:         10_000,
	RoundKills:           500,
	HeartbeatInterval:    50 * time.Millisecond,
	HeartbeatTimeout:     10 * time.Second,
	JobMaxAttempts:       3,
	SecretRetention:      24 * time.Hour,
	JobRetention:         720 * time.Hour,
	ShutdownTimeout:      10 * time.Second,

	DeliverConcurrency:    4,
	DeliverPoll:           10 * time.Millisecond,
	DeliverTimeout:        time.Hour,
	DeliverRetryFor:       time.Hour,
	DeliverRetryFirst:     50 * time.Millisecond,
	DeliverRetryMost:      time.Second,
	WebhookTimeout:        30 * time.Second,
	DeliveryDomainBytes:   1 << 40,
	DestinationsPerDomain: 50,
	ScheduleLate:          168 * time.Hour,
}

// addSwitch adds a simulated switch on the database, with everything loaded that is in it.
func (b *Bed) addSwitch(t testing.TB, database string, timeout time.Duration) {
	t.Helper()
	sw, err := fssim.Start(fssim.Options{
		Hostname:     fmt.Sprintf("pbx-%d", len(b.Simulated)+1),
		Gateways:     fssim.GatewaysFromDatabase(database),
		AccessLists:  fssim.AccessListsFromDatabase(database),
		GatewayFiles: b.Profiles,
	})
	if err != nil {
		t.Fatal(err)
	}
	if timeout == 0 {
		timeout = defaultTimeout
	}
	client := freeswitch.New(sw.Addr(), fssim.Password, freeswitch.Options{CommandTimeout: timeout, Logger: b.Log})
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
		if err := sw.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := sw.LoadProfiles(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.Simulated = append(b.Simulated, sw)
	b.Switches = append(b.Switches, client)
}

// keepFiles makes the folder of gateway files, and sets FusionPBX so that it uses it.
func (b *Bed) keepFiles(t testing.TB) {
	t.Helper()
	b.Profiles = filepath.Join(t.TempDir(), "sip_profiles")
	for _, profile := range []string{"external", "internal"} {
		if err := os.MkdirAll(filepath.Join(b.Profiles, profile), 0o770); err != nil {
			t.Fatal(err)
		}
	}
	// An untyped literal serves a flag that is text and one that is boolean.
	_, err := b.Pool.Exec(t.Context(), `
		insert into v_default_settings (default_setting_uuid, default_setting_category, default_setting_subcategory, default_setting_name,
			default_setting_value, default_setting_enabled)
		values (gen_random_uuid(), 'switch', 'sip_profiles', 'dir', $1, 'true')`, b.Profiles)
	if err != nil {
		t.Fatal(err)
	}
}

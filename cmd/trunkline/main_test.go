package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/fssim"
	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/pbxtest/servers"
	"trunkline/internal/pbxtest/testbed"
	"trunkline/internal/postgres/postgrestest"
	"trunkline/internal/sealing"
	"trunkline/tasks"
)

func TestMain(m *testing.M) { os.Exit(pbxtest.MainWith(m, "trunkline")) }

// patience bounds every wait for a condition.
const patience = 60 * time.Second

// samplePBX is a sample PBX of the test's own, with the settings of a Trunkline on it.
type samplePBX struct {
	database, redis string
	sample          sample.PBX
	sw              *fssim.Switch
	dir             string
	env             []string
	pool            *pgxpool.Pool
	client          *tasks.Client
}

func newSamplePBX(t *testing.T, cdrs int) *samplePBX {
	t.Helper()
	database, loaded := loadSample(t, cdrs)
	return samplePBXOn(t, database, loaded)
}

func loadSample(t *testing.T, cdrs int, opts ...servers.DatabaseOption) (database string, loaded sample.PBX) {
	t.Helper()
	database = pbxtest.Database(t, sample.V55, opts...)
	return database, pbxtest.Sample(t, database, sample.Options{CDRs: cdrs, Gateways: 5, Extensions: 9})
}

// samplePBXOn is the PBX of a database that is there.
func samplePBXOn(t *testing.T, database string, loaded sample.PBX) *samplePBX {
	t.Helper()
	ctx := t.Context()
	p := &samplePBX{database: database, sample: loaded, redis: pbxtest.RedisURL(t), dir: t.TempDir()}
	var err error
	p.sw, err = fssim.Start(fssim.Options{Gateways: fssim.GatewaysFromDatabase(p.database)})
	must(t, err)
	t.Cleanup(func() { must(t, p.sw.Close()) })
	must(t, p.sw.LoadProfiles(ctx))
	must(t, p.sw.RegisterExtensions(ctx, p.database, sampleRegistered))
	whitelist := filepath.Join(p.dir, "chkcon_whitelist.conf")
	must(t, os.WriteFile(whitelist, []byte("127.0.0.1\n"), 0o600))
	must(t, os.WriteFile(filepath.Join(p.dir, "secret.key"), []byte(testSecretKey), 0o600))
	p.env = []string{
		"PATH=" + os.Getenv("PATH"),
		"TRUNKLINE_DATABASE_URL=" + p.database,
		"TRUNKLINE_REDIS_URL=" + p.redis,
		"TRUNKLINE_SWITCHES=" + p.sw.Addr(),
		"TRUNKLINE_SWITCH_PASSWORD=ClueCon",
		"TRUNKLINE_WHITELIST=" + whitelist,
		"TRUNKLINE_EXPORT_DIR=" + p.exports(),
		"TRUNKLINE_EXPORT_MIN_FREE_BYTES=1MiB",
		// A call waits for its job's end, also on a machine that is slow.
		"TRUNKLINE_WAIT_DEFAULT=60s", "TRUNKLINE_WAIT_MAX=60s",
		// Tests ask again until a condition holds.
		"TRUNKLINE_RATE_LIMIT=1000000", "TRUNKLINE_RATE_LIMIT_GATEWAY=1000000", "TRUNKLINE_RATE_LIMIT_UNAUTHENTICATED=1000000",
		"TRUNKLINE_LOGIN_FAILURES_ADDRESS=1000000", "TRUNKLINE_AUTH_LOG=none",
		"TRUNKLINE_SECRET_KEY=" + filepath.Join(p.dir, "secret.key"),
	}
	return p
}

// sampleRegistered is how many of the sample's nine extensions have a device registered.
const sampleRegistered = 6

const testSecretKey = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"

func (p *samplePBX) exports() string { return filepath.Join(p.dir, "exports") }

// open migrates the database and returns a client that submits jobs to it.
func (p *samplePBX) open(t *testing.T) *tasks.Client {
	t.Helper()
	p.pool = postgrestest.Migrated(t, p.database)
	keys, err := sealing.NewKeys(bytesOf(t, testSecretKey))
	must(t, err)
	p.client = tasks.NewClient(p.pool, keys, pbxtest.RedisClient(t, p.redis), testbed.JobSettings, slog.New(slog.DiscardHandler))
	return p.client
}

// start runs a trunkline command until the test ends, or it is killed.
func (p *samplePBX) start(t *testing.T, command string, env ...string) *pbxtest.Process {
	t.Helper()
	return pbxtest.StartProgram(t, append(p.env, env...), "trunkline", command)
}

var must = pbxtest.Must

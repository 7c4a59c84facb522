package worker_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"trunkline/internal/freeswitch"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/pbx"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/fssim"
	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/pbxtest/servers"
	"trunkline/internal/postgres"
	"trunkline/internal/sealing"
	"trunkline/tasks"
	"trunkline/worker"
)

func TestMain(m *testing.M) { os.Exit(pbxtest.Main(m)) }

// patience bounds every wait for a condition.
const patience = 30 * time.Second

// bundle is a running worker on a PBX of the test's own.
type bundle struct {
	*tasks.Client
	options  worker.Options
	pool     *pgxpool.Pool
	db       *fusionpbx.DB
	sample   sample.PBX
	switches []*fssim.Switch
	dir      string
	profiles string // the folder of gateway files, in file mode
	log      *pbxtest.LogBuffer
}

type setUp struct {
	version  sample.Version
	switches int // 1 where 0
	cdrs     int
	timeout  time.Duration // a switch's command time-out
	stopped  bool          // no worker runs
	files    bool          // FusionPBX keeps gateways as files
	redisURL string        // a database of the shared Redis where empty
	database []servers.DatabaseOption
}

func newBundle(t *testing.T, o setUp) *bundle {
	t.Helper()
	ctx := t.Context()
	if o.version == "" {
		o.version = sample.V55
	}
	if o.timeout == 0 {
		o.timeout = 5 * time.Second
	}
	url := pbxtest.Database(t, o.version, o.database...)
	b := &bundle{log: &pbxtest.LogBuffer{}, dir: t.TempDir()}
	b.sample = pbxtest.Sample(t, url, sample.Options{Extensions: 3, Gateways: 5, CDRs: o.cdrs})
	var err error
	b.pool, err = postgres.Open(ctx, url, 20)
	must(t, err)
	t.Cleanup(b.pool.Close)
	_, err = postgres.Migrate(ctx, b.pool)
	must(t, err)
	b.db, err = fusionpbx.Probe(ctx, b.pool)
	must(t, err)
	if o.redisURL == "" {
		o.redisURL = pbxtest.RedisURL(t)
	}
	options, err := redis.ParseURL(o.redisURL)
	must(t, err)
	rdb := redis.NewClient(options)
	t.Cleanup(func() { rdb.Close() })
	keys, err := sealing.NewKeys(make([]byte, 32))
	must(t, err)
	log := slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	timeouts := map[tasks.Kind]time.Duration{tasks.KindProvision: time.Minute, tasks.KindExport: time.Hour}
	b.Client = tasks.NewClient(tasks.NewStore(b.pool, keys), rdb, timeouts, log)
	if o.files {
		b.keepFiles(t)
	}
	var clients []*freeswitch.Switch
	for i := range max(o.switches, 1) {
		options := fssim.Options{Hostname: fmt.Sprintf("pbx-%d", i+1), Gateways: fssim.GatewaysFromDatabase(url), GatewayFiles: b.profiles}
		sw, err := fssim.Start(options)
		must(t, err)
		t.Cleanup(func() { must(t, sw.Close()) })
		must(t, sw.LoadProfiles(ctx))
		b.switches = append(b.switches, sw)
		client := freeswitch.New(sw.Addr(), "ClueCon", freeswitch.Options{CommandTimeout: o.timeout, Logger: log})
		t.Cleanup(func() { must(t, client.Close()) })
		clients = append(clients, client)
	}
	b.options = worker.Options{
		PBX: &pbx.PBX{Pool: b.pool, FusionPBX: b.db, Switches: clients}, Redis: rdb, Tasks: b.Client, Log: log,
		Exporter: tasks.Exporter{
			Pool: b.pool, FusionPBX: b.db, Dir: b.dir, FormulaGuard: true, Retention: time.Hour,
		},
		ProvisionConcurrency: 16, ExportConcurrency: 2,
		ProvisionPoll: 10 * time.Millisecond, ExportPoll: 10 * time.Millisecond,
		HeartbeatInterval: 50 * time.Millisecond, ShutdownTimeout: 10 * time.Second,
	}
	if !o.stopped {
		b.start(t)
	}
	return b
}

// keepFiles makes the folder of gateway files, and sets FusionPBX so that it uses it.
func (b *bundle) keepFiles(t *testing.T) {
	t.Helper()
	b.profiles = filepath.Join(t.TempDir(), "sip_profiles")
	for _, profile := range []string{"external", "internal"} {
		must(t, os.MkdirAll(filepath.Join(b.profiles, profile), 0o770))
	}
	// An untyped literal serves a flag that is text and one that is boolean.
	_, err := b.pool.Exec(t.Context(), `
		insert into v_default_settings (default_setting_uuid, default_setting_category, default_setting_subcategory, default_setting_name,
			default_setting_value, default_setting_enabled)
		values (gen_random_uuid(), 'switch', 'sip_profiles', 'dir', $1, 'true')`, b.profiles)
	must(t, err)
}

// start runs a worker until the test ends or stop is called.
func (b *bundle) start(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	w := worker.New(b.options)
	go func() { ended <- w.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		must(t, <-ended)
	})
	t.Cleanup(stop)
	return stop
}

// gateway is a provision request for domain, "" for a global gateway. A password among the values is
// sealed.
func (b *bundle) gateway(domain, name string, values map[string]string) tasks.NewJob {
	params := tasks.ProvisionParams{Name: name, DomainUUID: domain, Values: map[string]string{}}
	var secrets tasks.ProvisionSecrets
	for column, value := range values {
		if column == "password" {
			secrets.Password = &value
			continue
		}
		params.Values[column] = value
	}
	return tasks.NewJob{
		Kind: tasks.KindProvision, DomainUUID: domain, CreatedBy: b.sample.SuperadminUUID, CreatedByName: "superadmin",
		Subject: "gateway:" + domain + ":" + name, BodyHash: []byte(uuid.NewString()), Params: params, Secrets: secrets,
	}
}

func carrier(more ...string) map[string]string {
	values := map[string]string{"proxy": "sip.carrier.example", "realm": "sip.carrier.example", "username": "account", "password": "s3cret-pw"}
	for i := 0; i < len(more); i += 2 {
		values[more[i]] = more[i+1]
	}
	return values
}

// run submits the job and waits for its end.
func (b *bundle) run(t *testing.T, n tasks.NewJob) tasks.Job {
	t.Helper()
	job, err := b.Submit(t.Context(), n)
	must(t, err)
	return b.ended(t, job)
}

func (b *bundle) ended(t *testing.T, job tasks.Job) tasks.Job {
	t.Helper()
	job, err := b.Wait(t.Context(), job.ID, patience)
	must(t, err)
	if !job.State.Done() {
		t.Fatalf("job %s is still %s\n%s", job.ID, job.State, b.log)
	}
	return job
}

// provisioned runs the job, which has to succeed, and returns its result.
func (b *bundle) provisioned(t *testing.T, n tasks.NewJob) tasks.ProvisionResult {
	t.Helper()
	job := b.run(t, n)
	if job.State != tasks.StateSucceeded {
		t.Fatalf("the job %s: %v", job.State, job.Error)
	}
	var result tasks.ProvisionResult
	must(t, json.Unmarshal(job.Result, &result))
	return result
}

// rows is the whole of v_gateways, for comparing before and after.
func (b *bundle) rows(t *testing.T) string {
	t.Helper()
	var rows string
	must(t, b.pool.QueryRow(t.Context(), `
		select coalesce(string_agg(to_jsonb(g)::text, E'\n' order by gateway_uuid), '') from v_gateways g`).Scan(&rows))
	return rows
}

// loaded is what each switch has loaded, for comparing before and after.
func (b *bundle) loaded() []map[string]fssim.LoadedGateway {
	var all []map[string]fssim.LoadedGateway
	for _, sw := range b.switches {
		all = append(all, sw.Loaded())
	}
	return all
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// rescanned answers a rescan as one that went well.
func rescanned(conn net.Conn) {
	const body = "Reload XML [Success]\n+OK scan complete\n"
	fmt.Fprintf(conn, "Content-Type: api/response\nContent-Length: %d\n\n%s", len(body), body)
}

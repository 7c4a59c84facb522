package worker_test

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/cdr"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/fssim"
	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/pbxtest/servers"
	"trunkline/internal/pbxtest/testbed"
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
	log      *pbxtest.LogBuffer
}

type setUp struct {
	version  sample.Version
	switches int // 1 if 0
	cdrs     int
	timeout  time.Duration // a switch's command time-out
	stopped  bool          // no worker runs
	redisURL string        // a database of the shared Redis if empty
	database []servers.DatabaseOption
	// databaseURL is as testbed.Options has it.
	databaseURL string
}

func newBundle(t *testing.T, o setUp) *bundle {
	t.Helper()
	bed := testbed.New(t, testbed.Options{
		Version: o.version, Database: o.database, Sample: sample.Options{CDRs: o.cdrs},
		Switches: o.switches, Timeout: o.timeout, RedisURL: o.redisURL, DatabaseURL: o.databaseURL,
	})
	b := &bundle{
		Client: bed.Tasks, pool: bed.Pool, db: bed.FusionPBX, sample: bed.Sample, switches: bed.Simulated,
		dir: t.TempDir(), log: bed.Logged,
	}
	b.options = worker.Options{
		Settings: testbed.JobSettings, PBX: bed.PBX, Redis: bed.Redis, Tasks: b.Client, Log: bed.Log,
		Exporter: cdr.Exporter{PBX: bed.PBX, Store: cdr.Folder{Dir: b.dir}, FormulaGuard: true, Retention: time.Hour, SliceRows: 100},
	}
	if !o.stopped {
		b.start(t)
	}
	return b
}

// start runs a worker until the test ends or stop is called.
func (b *bundle) start(t *testing.T) (stop func()) {
	t.Helper()
	return pbxtest.Start(t, worker.New(b.options).Run)
}

// gateway is a provision request for domain, "" for a global gateway. A password among the values is
// sealed.
func (b *bundle) gateway(domain, name string, values map[string]string) tasks.NewJob {
	params := gateway.Request{Name: name, DomainUUID: domain, Values: map[string]string{}}
	var secrets gateway.Secrets
	for column, value := range values {
		if column == "password" {
			secrets.Password = &value
			continue
		}
		params.Values[column] = value
	}
	return tasks.NewJob{
		Kind: tasks.KindProvision, DomainUUID: domain, CreatedBy: b.sample.SuperadminUUID, CreatedByName: "superadmin",
		Subject: "gateway:" + domain + ":" + name, OrderKeys: []string{"gateway:" + domain + ":" + name}, Urgent: params.Stops(),
		BodyHash: []byte(uuid.NewString()), Params: params, Secrets: secrets,
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
	return b.runAll(t, n)[0]
}

// runAll submits the jobs, one after the other, and waits for their ends.
func (b *bundle) runAll(t *testing.T, all ...tasks.NewJob) (ended []tasks.Job) {
	t.Helper()
	for _, n := range all {
		job, err := b.Submit(t.Context(), n)
		must(t, err)
		ended = append(ended, job)
	}
	for i, job := range ended {
		ended[i] = b.ended(t, job)
	}
	return ended
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
func (b *bundle) provisioned(t *testing.T, n tasks.NewJob) gateway.Result {
	t.Helper()
	job := b.run(t, n)
	if job.State != tasks.StateSucceeded {
		t.Fatalf("the job %s: %v", job.State, job.Error)
	}
	var result gateway.Result
	must(t, json.Unmarshal(job.Result, &result))
	return result
}

var must = pbxtest.Must

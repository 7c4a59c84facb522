package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"trunkline/internal/gateway"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/servers"
	"trunkline/internal/pbxtest/tour"
	"trunkline/internal/tenant"
	"trunkline/tasks"
)

// billing provisions gateways over HTTP, as a billing system does.
type billing struct{ tour *tour.Tour }

func (p *samplePBX) billing(t *testing.T, base string) billing {
	return billing{&tour.Tour{Out: io.Discard, Base: base, Sample: p.sample}}
}

// provision asks for a gateway of that name and waits a second for it.
func (b billing) provision(ctx context.Context, name string) (status int, jobID string, err error) {
	got, err := b.tour.Send(ctx, tour.Call{Method: http.MethodPost, Path: "/app/gateways/provision.php", Login: true, Form: url.Values{
		"gateway_name": {name}, "gateway_domain": {"sip.carrier.example"}, "gateway_username": {"account"}, "gateway_password": {"secret"}, "wait": {"1"},
	}})
	if err != nil {
		return 0, "", err
	}
	var answer struct {
		JobID string `json:"job_id"`
	}
	err = json.Unmarshal(got.Body, &answer)
	return got.Status, answer.JobID, err
}

// Redis dies under a served PBX and comes back empty: what was asked for meanwhile is done, and so is
// what is asked for afterwards.
func TestRedisDiesAndComesBackEmpty(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 0)
	private := pbxtest.NewRedis(t)
	base, proc := p.serve(t, "serve", "TRUNKLINE_REDIS_URL="+private.URL())
	client, system := p.open(t), p.billing(t, base)
	must(t, private.Kill())
	status, jobID, err := system.provision(t.Context(), "while-away")
	must(t, err)
	if status != http.StatusAccepted || jobID == "" {
		t.Fatalf("without Redis: got %d, job %q, want 202 and a job\n%s", status, jobID, proc.Log)
	}
	must(t, private.RestartEmpty(t.Context()))
	p.succeeds(t, client, jobID)
	pbxtest.Eventually(t, "a new request is answered at once again", func() bool {
		status, _, err := system.provision(t.Context(), "afterwards")
		must(t, err)
		return status == http.StatusOK
	})
}

// succeeds waits until the job has succeeded.
func (p *samplePBX) succeeds(t *testing.T, client *tasks.Client, jobID string) (job tasks.Job) {
	t.Helper()
	pbxtest.Eventually(t, "the job succeeds", func() bool {
		var err error
		job, err = client.Get(t.Context(), jobID, tenant.All)
		must(t, err)
		return job.State == tasks.StateSucceeded
	})
	return job
}

// Where Redis is away nothing is kept from starting, and once it is there it is checked.
func TestStartWithoutRedis(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 0)
	private := pbxtest.NewRedis(t, servers.WithPolicy("volatile-lru"), servers.WithPassword("Geheim77"))
	must(t, private.Kill())
	addr := pbxtest.FreeAddr(t)
	proc := p.start(t, "serve", "TRUNKLINE_REDIS_URL="+private.URL(), "TRUNKLINE_LISTEN="+addr)
	system := p.billing(t, "http://"+addr)
	var jobID string
	pbxtest.Eventually(t, "a request is accepted", func() bool {
		status, id, err := system.provision(t.Context(), "carrier")
		jobID = id
		return err == nil && status == http.StatusAccepted
	})
	if !strings.Contains(proc.Log.String(), "jobs wait in Postgres") {
		t.Errorf("the log does not say that Redis is away\n%s", proc.Log)
	}
	must(t, private.Restart(t.Context()))
	p.succeeds(t, p.open(t), jobID)
	pbxtest.Eventually(t, "the log says what is wrong with this Redis", func() bool {
		return strings.Contains(proc.Log.String(), "maxmemory-policy is volatile-lru")
	})
	if strings.Contains(proc.Log.String(), "Geheim77") {
		t.Error("the log holds the password")
	}
}

func TestEveryRoomSaysWhatIsWrongWithRedis(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 0)
	must(t, p.open(t).Keys().CheckDatabase(t.Context(), p.pool)) // as the first start does
	evicting := pbxtest.NewRedis(t, servers.WithPolicy("allkeys-lru"), servers.WithPassword("Geheim77"))
	wrong := strings.Replace(evicting.URL(), "Geheim77", "Geheim78", 1)
	for _, room := range []string{"serve", "api", "worker", "scheduler"} {
		t.Run(room, func(t *testing.T) {
			t.Parallel()
			got := runHere(t, append(p.env, "TRUNKLINE_REDIS_URL="+wrong), room)
			if got.status == 0 || !strings.Contains(got.err, "TRUNKLINE_REDIS_URL") || strings.Contains(got.err, "Geheim") {
				t.Errorf("with a wrong password: %s", got)
			}
			proc := p.start(t, room, "TRUNKLINE_REDIS_URL="+evicting.URL(), "TRUNKLINE_LISTEN="+pbxtest.FreeAddr(t))
			pbxtest.Eventually(t, "it warns of the policy", func() bool {
				log := proc.Log.String()
				return strings.Contains(log, "level=ERROR") && strings.Contains(log, "maxmemory-policy is allkeys-lru")
			})
		})
	}
	checked := runHere(t, append(p.env, "TRUNKLINE_REDIS_URL="+evicting.URL()), "check")
	if checked.status == 0 || !strings.Contains(checked.out, "NOT RIGHT: maxmemory-policy is allkeys-lru") {
		t.Errorf("check: %s", checked)
	}
}

// The rights that docs/redis.md gives to a user of its own suffice.
func TestRedisUserOfItsOwn(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 0)
	private := pbxtest.NewRedis(t)
	doc, err := os.ReadFile("../../docs/redis.md")
	must(t, err)
	_, command, _ := strings.Cut(string(doc), "ACL SETUSER trunkline ")
	rights, _, found := strings.Cut(command, "\n")
	if !found {
		t.Fatal("docs/redis.md does not have the command any more")
	}
	admin := redis.NewClient(&redis.Options{Addr: private.Addr()})
	defer admin.Close()
	setUser := []any{"ACL", "SETUSER", "trunkline"}
	for right := range strings.FieldsSeq(rights) {
		setUser = append(setUser, right)
	}
	must(t, admin.Do(t.Context(), setUser...).Err())
	p.env = append(p.env, "TRUNKLINE_REDIS_URL=redis://trunkline:PASSWORD@"+private.Addr())
	base, proc := p.serve(t, "serve")
	status, _, err := p.billing(t, base).provision(t.Context(), "carrier")
	if err != nil || status != http.StatusOK || strings.Contains(proc.Log.String(), "NOPERM") {
		t.Errorf("got %d, %v\n%s", status, err, proc.Log)
	}
	must(t, os.MkdirAll(p.exports(), 0o750))
	if checked := runHere(t, p.env, "check"); checked.status != 0 {
		t.Errorf("check: %s", checked)
	}
}

const (
	// loadStreams is how many callers ask for one gateway after the other during a fail-over.
	loadStreams = 4
	// loadAnswered is how many of them have to be loaded before it, and again after it.
	loadAnswered = 20
)

// load asks for one gateway after the other until it is stopped.
type load struct {
	answered atomic.Int32 // with 200: the gateway is loaded

	mu   sync.Mutex
	jobs map[string]string // job by gateway
	errs []string
	stop context.CancelFunc
	done sync.WaitGroup
}

func startLoad(t *testing.T, system billing) *load {
	ctx, stop := context.WithCancel(t.Context())
	l := &load{jobs: map[string]string{}, stop: stop}
	t.Cleanup(func() {
		stop()
		l.done.Wait()
	})
	for stream := range loadStreams {
		l.done.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				// Not ctx: what was begun is ended.
				l.ask(t.Context(), system, fmt.Sprintf("load-%d-%d", stream, i))
			}
		})
	}
	return l
}

func (l *load) ask(ctx context.Context, system billing, gateway string) {
	status, jobID, err := system.provision(ctx, gateway)
	if status == http.StatusOK {
		l.answered.Add(1)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil || jobID == "" || status != http.StatusOK && status != http.StatusAccepted {
		l.errs = append(l.errs, fmt.Sprintf("%s: status %d, job %q, %v", gateway, status, jobID, err))
	}
	l.jobs[gateway] = jobID
}

// more waits until so many more requests were answered with their gateway loaded.
func (l *load) more(t *testing.T, n int32) {
	t.Helper()
	before := l.answered.Load()
	pbxtest.Eventually(t, "gateways are loaded", func() bool { return l.answered.Load() >= before+n })
}

// The primary is lost under load, and later comes back: no caller gets an error, each job is done, and
// done once.
func TestSentinelFailoverUnderLoad(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name      string
		lose      func(*servers.Redis) error
		comesBack func(*servers.Redis, context.Context) error
	}{
		{"killed", (*servers.Redis).Kill, (*servers.Redis).Restart},
		{"cut off", (*servers.Redis).Hang, func(r *servers.Redis, _ context.Context) error { return r.Resume() }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := newSamplePBX(t, 0)
			set := pbxtest.NewSentinels(t)
			p.env = append(p.env, "TRUNKLINE_REDIS_URL="+set.URL(),
				// All callers are one here, and no worker is lost: a second attempt would be a mistake.
				"TRUNKLINE_RATE_LIMIT=1000000", "TRUNKLINE_RATE_LIMIT_GATEWAY=1000000", "TRUNKLINE_HEARTBEAT_TIMEOUT=10m")
			client := p.open(t)
			must(t, client.Keys().CheckDatabase(t.Context(), p.pool)) // as the first start does
			base, api := p.serve(t, "api")
			processes := []*pbxtest.Process{api, p.start(t, "worker"), p.start(t, "worker")}
			l := startLoad(t, p.billing(t, base))
			l.more(t, loadAnswered)

			first, err := set.Primary(t.Context())
			must(t, err)
			must(t, set.Sentinels[0].Kill()) // as if it ran on the same host
			must(t, tc.lose(first))
			pbxtest.Eventually(t, "another server is the primary", func() bool {
				now, err := set.Primary(t.Context())
				return err == nil && now != first
			})
			l.more(t, loadAnswered)
			must(t, tc.comesBack(first, t.Context()))
			l.more(t, loadAnswered)
			l.stop()
			l.done.Wait()

			p.checkLoad(t, client, l)
			for _, proc := range processes {
				log := proc.Log.String()
				if strings.Contains(log, servers.SentinelsRedisPassword) || strings.Contains(log, servers.SentinelsPassword) {
					t.Error("a log holds a password of Redis")
				}
				if t.Failed() {
					t.Log(log)
				}
			}
		})
	}
}

// checkLoad checks that no request of the load failed and that each job was done once.
func (p *samplePBX) checkLoad(t *testing.T, client *tasks.Client, l *load) {
	t.Helper()
	t.Logf("%d gateways, %d of them loaded while their caller waited", len(l.jobs), l.answered.Load())
	for _, problem := range l.errs {
		t.Error(problem)
	}
	for name, jobID := range l.jobs {
		job := p.succeeds(t, client, jobID)
		var result gateway.Result
		must(t, json.Unmarshal(job.Result, &result))
		var rows int
		must(t, p.pool.QueryRow(t.Context(), "select count(*) from v_gateways where gateway = $1", name).Scan(&rows))
		if _, loaded := p.sw.Loaded()[result.GatewayUUID]; job.Attempt != 1 || rows != 1 || !loaded {
			t.Errorf("%s: attempt %d, %d rows, loaded %t; want each once", name, job.Attempt, rows, loaded)
		}
	}
}

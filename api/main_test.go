package api_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"trunkline/api"
	"trunkline/internal/audit"
	"trunkline/internal/authlog"
	"trunkline/internal/cdr"
	"trunkline/internal/config"
	"trunkline/internal/delivery/destinations"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/fssim"
	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/pbxtest/servers"
	"trunkline/internal/pbxtest/testbed"
	"trunkline/internal/ratelimit"
	"trunkline/internal/schedule/store"
	"trunkline/tasks"
	"trunkline/worker"
)

func TestMain(m *testing.M) { os.Exit(pbxtest.Main(m)) }

const (
	// patience bounds every wait for a condition.
	patience = 30 * time.Second
	// caller is an address on every test's whitelist, and stranger one that is not.
	caller   = "192.0.2.10"
	stranger = "198.51.100.66"
	// fresh is a StatusMaxAge with which every request asks the switches anew.
	fresh = time.Nanosecond
)

// bundle is a front end on a PBX of the test's own, and a worker behind it.
type bundle struct {
	server    *api.Server
	options   api.Options
	pool      *pgxpool.Pool
	sample    sample.PBX
	switches  []*fssim.Switch
	tasks     *tasks.Client
	redis     *redis.Client
	redisURL  string
	whitelist string
	exports   string // the folder of export files
	profiles  string // the folder of gateway files, in file mode
	log       *pbxtest.LogBuffer
}

// plenty is a limit that no test reaches that is not about limits.
const plenty = 1_000_000

type setUp struct {
	version  sample.Version
	switches int // 1 where 0
	cdrs     int
	now      time.Time // of the newest CDR
	noWorker bool
	files    bool // FusionPBX keeps gateways as files
	settings func(*config.Settings)
	minFree  uint64        // bytes that must be free to export
	bucket   string        // the name of one on the shared server of S3, in which export files are kept; "": in a folder
	server   string        // another way to that server
	stall    time.Duration // how long that may stand still; 0: as usual
	database []servers.DatabaseOption
}

func newBundle(t *testing.T, o setUp) *bundle {
	t.Helper()
	bed := testbed.New(t, testbed.Options{
		Version: o.version, Database: o.database, Sample: sample.Options{CDRs: o.cdrs, Days: 10, Now: o.now},
		Switches: o.switches, Timeout: 3 * time.Second, Files: o.files,
	})
	b := &bundle{
		pool: bed.Pool, sample: bed.Sample, switches: bed.Simulated, tasks: bed.Tasks, redis: bed.Redis, redisURL: bed.RedisURL,
		whitelist: filepath.Join(t.TempDir(), "chkcon_whitelist.conf"), profiles: bed.Profiles, log: bed.Logged,
	}
	pbxtest.Start(t, b.tasks.Run)
	must(t, os.WriteFile(b.whitelist, []byte("# the billing system\n"+caller+"\n127.0.0.0/8\n"), 0o600))
	b.exports = t.TempDir()
	var files cdr.Store = cdr.Folder{Dir: b.exports, MinFreeBytes: o.minFree}
	if o.bucket != "" {
		files = testbed.BucketStoreWithin(t, cmp.Or(o.server, pbxtest.S3(t).URL()), o.bucket, b.exports, o.stall)
	}
	b.options = api.Options{
		Settings: config.Settings{
			RedisURL: config.Secret(b.redisURL), Whitelist: b.whitelist, PublicURL: "https://pbx.example", MaxBodyBytes: 64 << 10, MaxParams: 500, MaxParamBytes: 4 << 10,
			CredentialCache: time.Minute, WaitDefault: 10 * time.Second, WaitMax: 20 * time.Second,
			RateLimit: plenty, RateLimitExport: plenty, RateLimitGateway: plenty, RateLimitJob: plenty, RateLimitShared: 5, RateLimitUnauthenticated: plenty,
			ConsoleIdle: time.Hour, ConsoleLife: 12 * time.Hour, ConsoleSessions: plenty, RateLimitConsole: plenty,
			LoginFailures: plenty, LoginFailuresAddress: plenty, LoginFailuresWindow: time.Minute, AuthLog: authlog.Off,
			SyncExportRows: 500, DownloadTTL: 30 * time.Minute, ShutdownTimeout: 10 * time.Second,
			TokensPerDomain: plenty, StatusMaxAge: fresh, StatusTimeout: 10 * time.Second, EventStreams: 10, CDRReads: plenty, JobRequests: 8, Downloads: plenty,
			ExportDir: b.exports, BulkRows: 10_000, BulkBytes: 16 << 20, BulkErrors: 1000, BulkUploads: 8, CSVFormulaGuard: true,
			DeliveryDir: t.TempDir(), DestinationsPerDomain: 50, DestinationTests: 8, WebhookTimeout: patience, WebhookGrace: time.Hour,
			SchedulesPerDomain: 50, ScheduleBackfill: 400,
		},
		PBX: bed.PBX, Tasks: b.tasks, Log: bed.Log,
		Exporter: cdr.Exporter{PBX: bed.PBX, Store: files, FormulaGuard: true, Retention: time.Hour},
		Audit:    audit.New(b.pool, bed.Log),
	}
	b.options.Limiter = b.limiter(t, b.redis)
	pbxtest.Start(t, b.options.Audit.Run)
	if o.settings != nil {
		o.settings(&b.options.Settings)
	}
	b.options.Schedules = &store.Store{
		Pool: b.pool, DB: bed.PBX.FusionPBX, Destinations: destinations.New(b.pool, b.tasks.Keys(), b.options.Settings), Now: time.Now,
		PerDomain: b.options.Settings.SchedulesPerDomain, MostBackfilled: b.options.Settings.ScheduleBackfill,
	}
	b.options.PBX.GatewayMode = fusionpbx.GatewayMode(b.options.Settings.GatewayMode)
	var err error
	b.server, err = api.New(b.options)
	must(t, err)
	if !o.noWorker {
		b.startWorker(t)
	}
	return b
}

// limiter is one whose Redis may be as slow as the machine is.
func (b *bundle) limiter(t *testing.T, rdb *redis.Client) *ratelimit.Limiter {
	t.Helper()
	l := ratelimit.New(rdb, slog.New(slog.NewTextHandler(b.log, nil)))
	l.Timeout = patience
	return l
}

// startWorker runs a worker until the test ends.
func (b *bundle) startWorker(t *testing.T) {
	t.Helper()
	settings := testbed.JobSettings
	front := b.options.Settings
	settings.DeliveryDir, settings.DeliveryNetworks, settings.DeliveryCA = front.DeliveryDir, front.DeliveryNetworks, front.DeliveryCA
	settings.PublicURL, settings.DownloadTTL = front.PublicURL, front.DownloadTTL
	pbxtest.Start(t, worker.New(worker.Options{
		Settings: settings, PBX: b.options.PBX, Redis: b.redis, Tasks: b.tasks,
		Exporter: b.options.Exporter, Log: b.options.Log,
	}).Run)
}

// call is a request as a test words it. The zero value but for the path is a GET of the caller's
// without credentials.
type call struct {
	method  string // POST where there is a form or a body, else GET
	path    string
	form    url.Values
	body    string
	headers map[string]string
	from    string // the peer's address; caller where empty
	user    string // by HTTP Basic
	pass    string
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// decode reads the body as JSON, of which no field may be unknown twice over: into a map.
func (a answer) decode(t *testing.T) map[string]any {
	t.Helper()
	m, err := a.json()
	if err != nil {
		t.Fatalf("not JSON: %v in %d %q", err, a.status, a.body)
	}
	return m
}

func (a answer) json() (map[string]any, error) {
	var m map[string]any
	err := json.Unmarshal([]byte(a.body), &m)
	return m, err
}

// text is one field of the JSON, "" where it is not there.
func (a answer) text(t *testing.T, field string) string {
	t.Helper()
	v, ok := a.decode(t)[field]
	if !ok || v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

func (c call) request() *http.Request {
	method, body, contentType := c.method, c.body, ""
	if c.form != nil {
		body, contentType = c.form.Encode(), "application/x-www-form-urlencoded"
	}
	if method == "" {
		method = http.MethodGet
		if body != "" || c.form != nil {
			method = http.MethodPost
		}
	}
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	req := httptest.NewRequest(method, c.path, reader)
	req.RemoteAddr = caller + ":40000"
	if c.from != "" {
		req.RemoteAddr = c.from
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for name, value := range c.headers {
		req.Header.Set(name, value)
	}
	if c.user != "" {
		req.SetBasicAuth(c.user, c.pass)
	}
	return req
}

func (b *bundle) do(t *testing.T, c call) answer {
	t.Helper()
	return b.send(t, c.request().WithContext(t.Context()))
}

// send holds every answer against openapi.json.
func (b *bundle) send(t *testing.T, req *http.Request) answer {
	t.Helper()
	recorder := httptest.NewRecorder()
	b.server.Handler().ServeHTTP(recorder, req)
	got := answer{status: recorder.Code, header: http.Header{}, body: recorder.Body.String()}
	for name, values := range recorder.Header() {
		got.header[http.CanonicalHeaderKey(name)] = values // as it comes from the network
	}
	c, err := theContract()
	if err == nil && !b.options.Settings.Always200 {
		err = c.holds(context.WithoutCancel(t.Context()), asDocumented(req), got)
	}
	if err != nil {
		t.Errorf("%s %s: %d %v is not as openapi.json says: %v\n%s", req.Method, req.URL.Path, got.status, got.header, err, got.body)
	}
	return got
}

// asSuperadmin and asAdmin sign the call in by HTTP Basic.
func (b *bundle) asSuperadmin(c call) call {
	c.user, c.pass = b.sample.SuperadminName, b.sample.SuperadminPassword
	return c
}

func (b *bundle) asAdmin(c call) call {
	c.user, c.pass = b.sample.AdminName, b.sample.AdminPassword
	return c
}

// want checks the status and, where there is one, the code.
func (a answer) want(t *testing.T, status int, code string) answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("got %d %s, want %d %s", a.status, a.body, status, code)
	}
	if code != "" && a.text(t, "code") != code {
		t.Fatalf("got code %s, want %s in %s", a.text(t, "code"), code, a.body)
	}
	return a
}

// says checks that the message names what a person has to know.
func (a answer) says(t *testing.T, words ...string) answer {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(a.body, word) {
			t.Fatalf("%q is not in %s", word, a.body)
		}
	}
	return a
}

// form makes a form of names and values in turn.
func form(pairs ...string) url.Values {
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		values.Add(pairs[i], pairs[i+1])
	}
	return values
}

// carrier is a provision request's form with the documented fields, and more in turn. An empty value
// takes a field out.
func carrier(name string, more ...string) url.Values {
	values := form("gateway_name", name, "gateway_domain", "sip.carrier.example", "gateway_username", "account", "gateway_password", gatewayPassword)
	for i := 0; i < len(more); i += 2 {
		values.Set(more[i], more[i+1])
		if more[i+1] == "" {
			values.Del(more[i])
		}
	}
	return values
}

// gatewayPassword is the secret that must be nowhere but in the database's own row.
const gatewayPassword = "carrier-s3cret-9f2"

func (b *bundle) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	if _, err := b.pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

// recorded counts the changes in the audit, of those whose subject holds the text.
func (b *bundle) recorded(t *testing.T, action, subject string) int {
	t.Helper()
	return b.count(t, "select count(*) from trunkline.audit where kind = 'change' and action = $1 and strpos(subject, $2) > 0", action, subject)
}

func (b *bundle) count(t *testing.T, sql string, args ...any) int {
	t.Helper()
	var n int
	must(t, b.pool.QueryRow(t.Context(), sql, args...).Scan(&n))
	return n
}

var must = pbxtest.Must

func prefixes(list ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range list {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"trunkline/api"
	"trunkline/internal/config"
	"trunkline/internal/pbxtest"
	"trunkline/internal/ratelimit"
)

// limited are settings with budgets that a test can use up.
func limited(s *config.Settings) {
	s.RateLimit, s.RateLimitGateway, s.RateLimitExport, s.RateLimitUnauthenticated = 4, 3, 2, 5
}

// wantBudget checks the documented headers.
func wantBudget(t *testing.T, got answer, limit, remaining int) {
	t.Helper()
	if got.header.Get("X-RateLimit-Limit") != strconv.Itoa(limit) || got.header.Get("X-RateLimit-Remaining") != strconv.Itoa(remaining) {
		t.Errorf("got %d of %s left, %s; want %d of %d", got.status, got.header.Get("X-RateLimit-Limit"), got.header.Get("X-RateLimit-Remaining"), remaining, limit)
	}
	reset, err := strconv.ParseInt(got.header.Get("X-RateLimit-Reset"), 10, 64)
	if left := time.Until(time.Unix(reset, 0)); err != nil || left <= 0 || left > time.Minute+2*time.Second {
		t.Errorf("the budget is whole again in %s, %v", left, err)
	}
}

func wantLimited(t *testing.T, got answer) {
	t.Helper()
	got.want(t, http.StatusTooManyRequests, "rate_limited")
	if wait, err := strconv.Atoi(got.header.Get("Retry-After")); err != nil || wait < 1 || wait > 61 {
		t.Errorf("Retry-After is %q", got.header.Get("Retry-After"))
	}
}

// allowAnother puts 192.0.2.11 on the whitelist too.
func (b *bundle) allowAnother(t *testing.T) {
	t.Helper()
	must(t, os.WriteFile(b.whitelist, []byte(caller+"\n192.0.2.11\n"), 0o600))
	var err error
	b.server, err = api.New(b.options) // with that whitelist
	must(t, err)
}

// Each class of endpoints has a budget of its own, per credential and address.
func TestRateLimits(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true, settings: limited})
	b.allowAnother(t)
	jobs := call{path: "/v1/jobs"}
	list := call{path: listPath}
	export := call{path: exportPath, form: everything("format", "CSV")}
	for _, c := range []struct {
		name  string
		call  call
		limit int
	}{{"standard", jobs, 4}, {"gateways", list, 3}, {"exports", export, 2}} {
		for n := range c.limit {
			got := b.do(t, b.asSuperadmin(c.call))
			if got.status == http.StatusTooManyRequests {
				t.Fatalf("%s: refused after %d of %d", c.name, n, c.limit)
			}
			wantBudget(t, got, c.limit, c.limit-n-1)
		}
		over := b.do(t, b.asSuperadmin(c.call))
		wantLimited(t, over)
		wantBudget(t, over, c.limit, 0)
	}
	if got := b.do(t, b.asSuperadmin(list)); !strings.HasPrefix(got.text(t, "message"), "Rate Limited: ") {
		t.Errorf("the documented label is missing: %s", got.body)
	}
	wantBudget(t, b.do(t, b.asAdmin(jobs)).want(t, http.StatusOK, ""), 4, 3) // another credential
	elsewhere := b.asSuperadmin(jobs)
	elsewhere.from = "192.0.2.11:1"
	wantBudget(t, b.do(t, elsewhere).want(t, http.StatusOK, ""), 4, 3) // another address
}

// Two front ends on one Redis count together.
func TestFrontEndsShareLimits(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true, settings: limited})
	options := b.options
	options.Limiter = b.limiter(t, b.redis)
	second, err := api.New(options)
	must(t, err)
	first := b.server
	for n := range 4 {
		b.server = []*api.Server{first, second}[n%2]
		wantBudget(t, b.do(t, b.asSuperadmin(call{path: "/v1/jobs"})).want(t, http.StatusOK, ""), 4, 3-n)
	}
	for _, server := range []*api.Server{first, second} {
		b.server = server
		wantLimited(t, b.do(t, b.asSuperadmin(call{path: "/v1/jobs"})))
	}
}

// Who is not let in has a budget of the address's own, which good credentials do not depend on.
func TestUnauthenticatedLimit(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true, settings: limited})
	for n := range 5 {
		wantBudget(t, b.do(t, call{path: "/v1/jobs", from: stranger + ":1"}).want(t, http.StatusForbidden, "not_whitelisted"), 5, 4-n)
	}
	for _, path := range []string{"/v1/jobs", provisionPath, "/nowhere", "/chkcon.php", "/healthz"} {
		wantLimited(t, b.do(t, call{path: path, from: stranger + ":1"}))
	}
	for range 5 {
		b.do(t, call{path: "/v1/jobs", user: "superadmin", pass: "wrong"}).want(t, http.StatusUnauthorized, "")
	}
	wantLimited(t, b.do(t, call{path: "/v1/jobs", user: "superadmin", pass: "wrong"}))
	b.do(t, b.asSuperadmin(call{path: "/v1/jobs"})).want(t, http.StatusOK, "")
	// This host's own health checks are never refused.
	for range 20 {
		wantBudget(t, b.do(t, call{path: "/healthz", from: "127.0.0.1:1"}).want(t, http.StatusOK, ""), 5, 5)
	}
}

// Asking for one's own job costs nothing, up to a ceiling, and for one that there is not as much as anything
// else.
func TestWaitingIsFree(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{settings: func(s *config.Settings) {
		limited(s)
		s.RateLimitJob = 26
	}})
	job := b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier("waited")})).want(t, http.StatusOK, "").text(t, "job_id")
	for range 20 {
		wantBudget(t, b.do(t, b.asSuperadmin(call{path: "/v1/jobs/" + job})).want(t, http.StatusOK, ""), 4, 4)
	}
	for n := range 4 {
		wantBudget(t, b.do(t, b.asSuperadmin(call{path: "/v1/jobs/0190b5a0-0000-7000-8000-000000000000"})).want(t, http.StatusNotFound, "not_found"), 4, 3-n)
	}
	wantLimited(t, b.do(t, b.asSuperadmin(call{path: "/v1/jobs/0190b5a0-0000-7000-8000-000000000000"})))
	for range 5 { // the question that was refused is the sixth
		b.do(t, b.asSuperadmin(call{path: "/v1/jobs/" + job})).want(t, http.StatusOK, "")
	}
	wantBudget(t, b.do(t, b.asSuperadmin(call{path: "/v1/jobs/" + job})).want(t, http.StatusTooManyRequests, "rate_limited").says(t, "questions about jobs"), 26, 0)
}

// What is refused as wrong has begun nothing, and takes from the limit of all requests alone.
func TestWrongRequestsAreNotCharged(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true, cdrs: 5, now: newest, settings: func(s *config.Settings) {
		limited(s)
		s.RateLimit = 10
	}})
	_, reader := b.issue(t, "reader", "read", "all_domains", "true") // one request
	left := 9
	for _, wrong := range []call{
		{path: exportPath, form: form("date_start", "nonsense", "date_end", "2024-01-01")},
		{path: exportPath, form: form("date_start", "2024-01-01")},
		{path: exportPath, form: everything("tenant_domain", "nobody.example")},
		{path: exportPath, form: everything("format", "EXE")},
		{path: provisionPath, form: form("gateway_name", "x")},
	} {
		got := b.do(t, b.asSuperadmin(wrong))
		if got.status != http.StatusBadRequest && got.status != http.StatusNotFound {
			t.Fatalf("got %d %s", got.status, got.body)
		}
		left--
		wantBudget(t, got, 10, left)
	}
	for n := range 3 {
		wantBudget(t, b.do(t, bearing(reader, call{path: exportPath, form: everything()})).want(t, http.StatusForbidden, "forbidden"), 10, 9-n)
	}
	for n := range 2 {
		wantBudget(t, b.do(t, b.asSuperadmin(call{path: exportPath, form: everything("format", "CSV")})).want(t, http.StatusOK, ""), 2, 1-n)
	}
	wantLimited(t, b.do(t, b.asSuperadmin(call{path: exportPath, form: everything("format", "CSV")})))
	for range left {
		b.do(t, b.asSuperadmin(call{path: provisionPath, form: form("gateway_name", "x")})).want(t, http.StatusBadRequest, "")
	}
	wantLimited(t, b.do(t, b.asSuperadmin(call{path: provisionPath, form: form("gateway_name", "x")})))
}

// However many tokens a domain or a user has, together they may do no more than the shared limit; another
// domain's are not concerned, whoever made them.
func TestTokensShareALimit(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	one, other := b.sample.Domains[0].Name, b.sample.Domains[1].Name
	secrets := map[string][]string{}
	for i := range 4 {
		for of, bounds := range map[string][]string{"one": {"domains", one}, "other": {"domains", other}, "several": {"domains", one + "," + other}, "all": {"all_domains", "true"}} {
			_, secret := b.issue(t, fmt.Sprint(of, i), "read", bounds...)
			secrets[of] = append(secrets[of], secret)
		}
	}
	b.options.Settings.RateLimit, b.options.Settings.RateLimitShared = 4, 2
	b.options.Limiter = ratelimit.New(nil, b.options.Log) // which has counted nothing
	var err error
	b.server, err = api.New(b.options)
	must(t, err)
	allowed := func(secrets ...string) (n int) {
		for _, secret := range secrets {
			for range 6 {
				got := b.do(t, bearing(secret, call{path: "/v1/jobs"}))
				if got.status == http.StatusOK {
					n++
					continue
				}
				wantLimited(t, got)
			}
		}
		return n
	}
	for _, c := range []struct {
		of   string
		who  []string
		want int
	}{
		{"one token", secrets["one"][:1], 4},
		{"a domain's", secrets["one"][1:], 4},
		{"another domain's, by the same user", secrets["other"], 8},
		{"a user's of several domains, or of all", append(secrets["several"], secrets["all"]...), 8},
	} {
		if got := allowed(c.who...); got != c.want {
			t.Errorf("%s: %d requests were allowed, want %d", c.of, got, c.want)
		}
	}
	b.do(t, b.asSuperadmin(call{path: "/v1/jobs"})).want(t, http.StatusTooManyRequests, "").says(t, "of one user", "8 requests") // who made them
	b.do(t, b.asAdmin(call{path: "/v1/jobs"})).want(t, http.StatusTooManyRequests, "").says(t, "of one domain", "8 requests")
}

// guarded are settings with which few logins may fail.
func guarded(t *testing.T) (func(*config.Settings), string) {
	path := filepath.Join(t.TempDir(), "auth.log")
	return func(s *config.Settings) {
		s.LoginFailures, s.LoginFailuresAddress, s.AuthLog = 3, 6, path
	}, path
}

// Too many wrong passwords lock out a name at an address, and nobody else.
func TestGuessingIsStopped(t *testing.T) {
	t.Parallel()
	settings, authLog := guarded(t)
	b := newBundle(t, setUp{noWorker: true, settings: settings})
	b.allowAnother(t)
	jobs := call{path: "/v1/jobs"}
	guess := func(user, from string) answer {
		return b.do(t, call{path: "/v1/jobs", user: user, pass: "guess", from: from})
	}
	name := b.sample.SuperadminName
	for range 3 {
		guess(strings.ToUpper(name), "").want(t, http.StatusUnauthorized, "authentication_failed")
	}
	wantLimitedLogin := func(got answer) {
		t.Helper()
		got.want(t, http.StatusTooManyRequests, "rate_limited").says(t, "failed logins")
		if wait, err := strconv.Atoi(got.header.Get("Retry-After")); err != nil || wait < 1 {
			t.Errorf("Retry-After is %q", got.header.Get("Retry-After"))
		}
	}
	wantLimitedLogin(guess(name, ""))
	wantLimitedLogin(b.do(t, b.asSuperadmin(jobs))) // even the right password, which would show itself
	elsewhere := b.asSuperadmin(jobs)
	elsewhere.from = "192.0.2.11:5"
	b.do(t, elsewhere).want(t, http.StatusOK, "")       // the same user from another address
	b.do(t, b.asAdmin(jobs)).want(t, http.StatusOK, "") // another user at the same address

	// A second front end knows of it.
	options := b.options
	options.Limiter = b.limiter(t, b.redis)
	first := b.server
	var err error
	b.server, err = api.New(options)
	must(t, err)
	wantLimitedLogin(b.do(t, b.asSuperadmin(jobs)))
	b.server = first

	elsewhere.path, elsewhere.form = tokensPath, form("name", "guarded", "scopes", "read", "all_domains", "true")
	secret := b.do(t, elsewhere).want(t, http.StatusCreated, "").text(t, "token")
	elsewhere.path, elsewhere.form = "/v1/jobs", nil

	// More failures, of whatever names: the address is refused, but not those who have a token.
	for i := range 3 {
		guess(fmt.Sprintf("name-%d", i), "").want(t, http.StatusUnauthorized, "")
	}
	wantLimitedLogin(guess("another", ""))
	b.do(t, call{path: "/v1/jobs", headers: map[string]string{"Authorization": "Bearer " + secret}}).want(t, http.StatusOK, "")
	wantLimitedLogin(b.do(t, call{path: "/v1/jobs", headers: map[string]string{"Authorization": "Bearer trunkline_guess"}}))
	b.do(t, elsewhere).want(t, http.StatusOK, "")

	content, err := os.ReadFile(authLog)
	must(t, err)
	if got := strings.Count(string(content), "FusionPBX: ["+caller+"] authentication failed for "); got != 7 {
		t.Errorf("%d lines for fail2ban, want 7: %s", got, content)
	}
}

// However many guesses come at once, to however many front ends, by whatever alias and from wherever in a
// /64: no more are checked than may fail.
func TestGuessesAtOnceToSeveralFrontEnds(t *testing.T) {
	t.Parallel()
	settings, authLog := guarded(t)
	b := newBundle(t, setUp{noWorker: true, settings: settings})
	must(t, os.WriteFile(b.whitelist, []byte("2001:db8::/32\n"), 0o600))
	b.exec(t, "update v_users set user_email = 'root@mail.example' where username = $1", b.sample.SuperadminName)
	var handlers []http.Handler
	for range 2 {
		options := b.options
		options.Limiter = b.limiter(t, b.redis)
		server, err := api.New(options)
		must(t, err)
		handlers = append(handlers, server.Handler())
	}
	name := b.sample.SuperadminName
	aliases := []string{name, strings.ToUpper(name), name + "@" + b.sample.Domains[0].Name, "Root@mail.example"}
	var wg sync.WaitGroup
	var mu sync.Mutex
	statuses := map[int]int{}
	for i := range 60 {
		wg.Go(func() {
			recorder := httptest.NewRecorder()
			guess := call{path: "/v1/jobs", user: aliases[i%len(aliases)], pass: fmt.Sprint("guess", i), from: fmt.Sprintf("[2001:db8:0:1:%x::1]:1", i)}
			handlers[i%2].ServeHTTP(recorder, guess.request())
			mu.Lock()
			defer mu.Unlock()
			statuses[recorder.Code]++
		})
	}
	wg.Wait()
	if statuses[http.StatusUnauthorized] != 3 || statuses[http.StatusTooManyRequests] != 57 {
		t.Errorf("got %v; want 3 that were checked", statuses)
	}
	content, err := os.ReadFile(authLog)
	must(t, err)
	if n := strings.Count(string(content), "\n"); n != 3 {
		t.Errorf("%d lines for fail2ban, want 3: %s", n, content)
	}
}

// A password that is right makes up for the ones before it.
func TestSuccessClearsFailures(t *testing.T) {
	t.Parallel()
	settings, _ := guarded(t)
	b := newBundle(t, setUp{noWorker: true, settings: settings})
	for range 2 {
		for range 2 {
			b.do(t, call{path: "/v1/jobs", user: b.sample.AdminName, pass: "typo"}).want(t, http.StatusUnauthorized, "")
		}
		b.do(t, b.asAdmin(call{path: "/v1/jobs"})).want(t, http.StatusOK, "")
	}
}

// Without Redis a front end limits by itself: it neither opens nor fails.
func TestLimitsWithoutRedis(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true, settings: func(s *config.Settings) {
		limited(s)
		s.LoginFailures = 3
	}})
	server := pbxtest.NewRedis(t)
	options := b.options
	rdb := pbxtest.RedisClient(t, server.URL(), func(o *redis.Options) { o.MaxRetries, o.DialerRetries = -1, 1 })
	options.Limiter = b.limiter(t, rdb)
	var err error
	b.server, err = api.New(options)
	must(t, err)
	b.do(t, b.asSuperadmin(call{path: "/v1/jobs"})).want(t, http.StatusOK, "")
	must(t, server.Kill())
	for range 3 {
		b.do(t, b.asSuperadmin(call{path: "/v1/jobs"})).want(t, http.StatusOK, "")
	}
	wantLimited(t, b.do(t, b.asSuperadmin(call{path: "/v1/jobs"})))
	for range 3 {
		b.do(t, call{path: "/v1/jobs", user: b.sample.AdminName, pass: "guess"}).want(t, http.StatusUnauthorized, "")
	}
	b.do(t, b.asAdmin(call{path: "/v1/jobs"})).want(t, http.StatusTooManyRequests, "rate_limited")
}

// The headers are spelled as they are documented.
func TestBudgetHeadersAsDocumented(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	recorder := httptest.NewRecorder()
	b.server.Handler().ServeHTTP(recorder, call{path: "/chkcon.php"}.request())
	for _, name := range []string{"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"} {
		if _, ok := recorder.Header()[name]; !ok {
			t.Errorf("no %s in %v", name, recorder.Header())
		}
	}
}

// By IPv6 a whole /64 has one budget, on the whitelist or not.
func TestUnauthenticatedLimitOfIPv6(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true, settings: limited})
	must(t, os.WriteFile(b.whitelist, []byte("2001:db8:1::/48\n"), 0o600))
	var err error
	b.server, err = api.New(b.options) // with that whitelist
	must(t, err)
	for n := range 5 {
		b.do(t, call{path: "/v1/jobs", from: fmt.Sprintf("[2001:db8:2::%x]:1", n)}).want(t, http.StatusForbidden, "not_whitelisted")
		b.do(t, call{path: "/v1/jobs", from: fmt.Sprintf("[2001:db8:1::%x:0:0:1]:1", n)}).want(t, http.StatusUnauthorized, "")
	}
	wantLimited(t, b.do(t, call{path: "/v1/jobs", from: "[2001:db8:2::ffff]:1"}))
	wantLimited(t, b.do(t, call{path: "/v1/jobs", from: "[2001:db8:1::ffff]:1"}))
	b.do(t, call{path: "/v1/jobs", from: "[2001:db8:3::1]:1"}).want(t, http.StatusForbidden, "not_whitelisted")
	b.do(t, call{path: "/v1/jobs", from: "[2001:db8:1:1::1]:1"}).want(t, http.StatusUnauthorized, "")
	// Those who have signed in too.
	for n := range 4 {
		wantBudget(t, b.do(t, b.asSuperadmin(call{path: "/v1/jobs", from: fmt.Sprintf("[2001:db8:1:2::%x]:1", n)})), 4, 3-n)
	}
	wantLimited(t, b.do(t, b.asSuperadmin(call{path: "/v1/jobs", from: "[2001:db8:1:2::ffff]:1"})))
}

// A database that is away is nobody's wrong credentials: callers are told of it, however many they are.
func TestOutagesAreNotCharged(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true, settings: limited})
	options := b.options
	away := *options.PBX
	options.PBX = &away
	var err error
	away.Pool, err = pgxpool.New(t.Context(), "postgres://nobody@127.0.0.1:1/none?sslmode=disable")
	must(t, err)
	t.Cleanup(away.Pool.Close)
	away.FusionPBX = away.FusionPBX.In(away.Pool)
	b.server, err = api.New(options)
	must(t, err)
	for range 10 {
		wantBudget(t, b.do(t, b.asSuperadmin(call{path: "/v1/jobs"})).want(t, http.StatusServiceUnavailable, "unavailable"), 5, 5)
	}
}

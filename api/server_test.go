package api_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"trunkline/api"
	"trunkline/internal/config"
	"trunkline/internal/pbxtest"
	"trunkline/tasks"
)

// serve runs the bundle's front end on a port of its own and returns its URL.
func (b *bundle) serve(t *testing.T) (base string, stop func()) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	b.options.Listener = listener
	b.server, err = api.New(b.options)
	must(t, err)
	return "http://" + listener.Addr().String(), pbxtest.Start(t, b.server.Run)
}

func TestRunServesAndLetsWaitingCallersGo(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	base, stop := b.serve(t)
	type result struct {
		status int
		body   string
		err    error
	}
	results := make(chan result, 1)
	send := func(path string, body string) result {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+path, strings.NewReader(body))
		if err != nil {
			return result{err: err}
		}
		req.SetBasicAuth(b.sample.SuperadminName, b.sample.SuperadminPassword)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return result{err: err}
		}
		defer resp.Body.Close()
		content, err := io.ReadAll(resp.Body)
		return result{resp.StatusCode, string(content), err}
	}
	if got := send("/chkcon.php", ""); got.status != http.StatusOK {
		t.Fatalf("got %+v", got)
	}
	go func() { results <- send(provisionPath, carrier("waiting", "wait", "20").Encode()) }()
	pbxtest.Eventually(t, "the job is there", func() bool { return b.count(t, "select count(*) from trunkline.jobs") == 1 })
	began := time.Now()
	stop()
	got := <-results
	if got.err != nil || got.status != http.StatusAccepted {
		t.Fatalf("the waiting caller got %+v", got)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the shutdown took %v", took)
	}
	if got := send("/chkcon.php", ""); got.err == nil {
		t.Errorf("it still serves: %+v", got)
	}
}

func TestRunOnATakenAddress(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	b.options.Settings.Listen = listener.Addr().String()
	server, err := api.New(b.options)
	must(t, err)
	if err := server.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "TRUNKLINE_LISTEN") {
		t.Errorf("got %v", err)
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	anybody := call{path: "/readyz", from: stranger + ":1"}
	b.do(t, call{path: "/healthz", from: stranger + ":1"}).want(t, http.StatusOK, "")
	if got := b.do(t, anybody).want(t, http.StatusOK, ""); got.body != `{"status":"ready"}`+"\n" {
		t.Errorf("a stranger got %s", got.body)
	}
	for _, from := range []string{"127.0.0.1:1", caller + ":1"} {
		ready := b.do(t, call{path: "/readyz", from: from}).want(t, http.StatusOK, "").decode(t)
		if version, _ := ready["version"].(string); version == "" {
			t.Error("/readyz does not say which build answers")
		}
		parts := ready["parts"].(map[string]any)
		for _, part := range []string{"database", "redis", "whitelist", "export folder", "switch " + b.switches[0].Addr()} {
			if parts[part] != "ok" {
				t.Errorf("%s is %v", part, parts[part])
			}
		}
	}
	// Behind a proxy that is not trusted the caller may be anybody.
	if got := b.do(t, withHeader(call{path: "/readyz", from: "127.0.0.1:1"}, "X-Forwarded-For", caller)); got.decode(t)["parts"] != nil || got.decode(t)["version"] != nil {
		t.Errorf("got %s", got.body)
	}
	must(t, b.switches[0].Stop())
	b.do(t, call{path: "/readyz"}).want(t, http.StatusOK, "").says(t, "not reachable")
	nobody := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", DialerRetries: 1})
	defer nobody.Close()
	b.options.Tasks = tasks.NewClient(b.pool, b.tasks.Keys(), nobody, config.Settings{QueuedJobs: plenty, ExportDomainBytes: plenty}, b.options.Log)
	server, err := api.New(b.options)
	must(t, err)
	b.server = server
	b.do(t, anybody).want(t, http.StatusServiceUnavailable, "")
	b.do(t, call{path: "/readyz"}).want(t, http.StatusServiceUnavailable, "").says(t, "TRUNKLINE_REDIS_URL")
	b.do(t, call{path: "/healthz"}).want(t, http.StatusOK, "")
}

package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/servers"
)

// health asks as a container's health check does: by the program, with the settings of the process.
func (p *samplePBX) health(t *testing.T, role string, env ...string) result {
	t.Helper()
	return runHere(t, append(append([]string{}, p.env...), env...), "health", role)
}

// becomes waits until the health of a role is that status, and checks what it says then.
func (p *samplePBX) becomes(t *testing.T, status int, says, role string, env ...string) {
	t.Helper()
	var got result
	pbxtest.Eventually(t, "health "+role+" says: "+says, func() bool {
		got = p.health(t, role, env...)
		return got.status == status && strings.Contains(got.out+got.err, says)
	})
}

func TestHealthOfWorkerAndScheduler(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 0)
	p.open(t)
	for _, role := range []string{"worker", "scheduler"} {
		if got := p.health(t, role); got.status != 1 || !strings.Contains(got.err, "no "+role) {
			t.Fatalf("before there is one: %s", got)
		}
	}
	worker := p.start(t, "worker")
	p.becomes(t, 0, "worker: ok", "worker")
	if got := p.health(t, "scheduler"); got.status != 1 {
		t.Errorf("a worker is no scheduler: %s", got)
	}
	scheduler := p.start(t, "scheduler")
	p.becomes(t, 0, "scheduler: ok", "scheduler")

	worker.Kill()
	if got := p.health(t, "worker"); got.status != 1 {
		t.Errorf("a killed worker: %s", got)
	}
	second := p.start(t, "worker") // as the container starts it again
	p.becomes(t, 0, "worker: ok", "worker")
	scheduler.Kill()
	if got := p.health(t, "scheduler"); got.status != 1 {
		t.Errorf("a killed scheduler: %s", got)
	}
	if got := p.health(t, "worker"); got.status != 0 {
		t.Errorf("the other one: %s\n%s", got, second.Log)
	}
	got := p.health(t, "worker", "TRUNKLINE_REDIS_URL=redis://:Geheim77@127.0.0.1:1")
	if got.status != 1 || !strings.Contains(got.err, "TRUNKLINE_REDIS_URL") || strings.Contains(got.err, "Geheim77") {
		t.Errorf("without Redis: %s", got)
	}
}

func TestHealthOfServe(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 0)
	cert, key := filepath.Join(p.dir, "cert.pem"), filepath.Join(p.dir, "key.pem")
	certPEM, keyPEM, err := servers.SelfSigned("pbx.example")
	must(t, err)
	must(t, os.WriteFile(cert, certPEM, 0o600))
	must(t, os.WriteFile(key, keyPEM, 0o600))
	for _, tc := range []struct {
		name, listen string // with the port behind
		env          []string
	}{
		{"loopback", "127.0.0.1", nil},
		{"every address", "0.0.0.0", []string{"TRUNKLINE_PUBLIC_URL=https://pbx.example"}},
		{"TLS, by another name", "127.0.0.1", []string{"TRUNKLINE_TLS_CERT=" + cert, "TRUNKLINE_TLS_KEY=" + key}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			must(t, err)
			_, port, err := net.SplitHostPort(listener.Addr().String())
			must(t, err)
			must(t, listener.Close())
			env := append(tc.env, "TRUNKLINE_LISTEN="+tc.listen+":"+port)
			if got := p.health(t, "api", env...); got.status != 1 || !strings.Contains(got.err, "TRUNKLINE_LISTEN") {
				t.Fatalf("before it is up: %s", got)
			}
			proc := p.start(t, "serve", env...)
			p.becomes(t, 0, "api: ok", "api", env...)
			for _, role := range []string{"worker", "scheduler"} {
				p.becomes(t, 0, role+": ok", role, env...)
			}
			proc.Kill()
			if got := p.health(t, "api", env...); got.status != 1 {
				t.Errorf("once it is killed: %s", got)
			}
		})
	}
}

// health without a word is of the front end; one that is not ready says why.
func TestHealthOfAFrontEndThatIsNotReady(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		status int
		body   string
		says   []string
	}{
		{"a part is away", 503, `{"status":"not ready","parts":{"database":"ok","redis":"dial tcp:\nrefused","whitelist":"empty"}}`, []string{"redis: dial tcp: refused; whitelist: empty"}},
		{"without saying which", 503, `{"status":"not ready"}`, []string{"not ready"}},
		{"something else listens", 404, "<html>", []string{"TRUNKLINE_LISTEN"}},
		{"something that sends one away", 302, "", []string{"TRUNKLINE_LISTEN"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/readyz" {
					w.Header().Set("Location", "/elsewhere")
					w.WriteHeader(tc.status)
					_, _ = w.Write([]byte(tc.body))
				}
			}))
			t.Cleanup(server.Close)
			got := runHere(t, []string{
				"TRUNKLINE_DATABASE_URL=postgres://u@127.0.0.1/x", "TRUNKLINE_LISTEN=" + strings.TrimPrefix(server.URL, "http://"),
			}, "health")
			if got.status != 1 {
				t.Errorf("got %s", got)
			}
			for _, words := range tc.says {
				if !strings.Contains(got.err, words) {
					t.Errorf("it does not say %q: %s", words, got)
				}
			}
		})
	}
	if got := runHere(t, nil, "health", "postman"); got.status != 2 || !strings.Contains(got.err, "worker") {
		t.Errorf("an unknown role: %s", got)
	}
}

func TestNearAddress(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		listen, want string
		loopback     bool
	}{
		{"127.0.0.1:8090", "127.0.0.1:8090", true},
		{"0.0.0.0:8090", "127.0.0.1:8090", true},
		{":8090", "127.0.0.1:8090", true},
		{"[::]:8090", "[::1]:8090", true},
		{"[::1]:8090", "[::1]:8090", true},
		{"localhost:8090", "localhost:8090", true},
		{"192.0.2.7:8090", "192.0.2.7:8090", false},
		{"pbx.example:8090", "pbx.example:8090", false},
	} {
		got, loopback, err := nearAddress(tc.listen)
		if err != nil || got != tc.want || loopback != tc.loopback {
			t.Errorf("%s: got %s, %v, %v", tc.listen, got, loopback, err)
		}
	}
}

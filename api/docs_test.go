package api_test

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/hibiken/asynq"

	"trunkline/internal/config"
	"trunkline/tasks"
)

// line is a command of docs/api.md with the status that stands behind it.
var line = regexp.MustCompile(`(?m)^(curl .*) # (\d{3})$`)

// remembered are the fields of answers that a later line needs, and the variables that it has them in.
var remembered = map[string]string{"job_id": "JOB", "gateway_uuid": "GATEWAY", "download_url": "LINK", "id": "ID", "version": "VERSION", "next": "CDR"}

// Every line of docs/api.md does what stands behind it, and every endpoint has a line.
func TestDocumentedLines(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	b := newBundle(t, setUp{cdrs: 100, now: newest, settings: func(s *config.Settings) { s.PublicURL = "http://" + listener.Addr().String() }})
	// Exports that are jobs wait, so that one can be cancelled before a worker takes it up.
	inspector := asynq.NewInspectorFromRedisClient(b.redis)
	must(t, inspector.PauseQueue(string(tasks.KindExport)))
	c, err := theContract()
	must(t, err)
	var mu sync.Mutex
	seen := map[string]bool{} // METHOD /path, and /path
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if route, _, err := c.router.FindRoute(req); err == nil {
			mu.Lock()
			seen[route.Path], seen[route.Method+" "+route.Path] = true, true
			mu.Unlock()
		}
		b.server.Handler().ServeHTTP(w, req)
	}))
	must(t, server.Listener.Close())
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)

	token := b.do(t, b.asSuperadmin(call{path: "/v1/tokens", form: form("name", "reader", "scopes", "read,provision,export,admin", "all_domains", "true")})).
		want(t, http.StatusCreated, "").text(t, "token")
	variables := map[string]string{
		"PBX": server.URL, "DOMAIN": b.sample.Domains[0].Name, "AUTH": "Authorization: Bearer " + token, "TOKEN": token,
		"NAME": b.sample.SuperadminName, "PASSWORD": b.sample.SuperadminPassword,
	}
	text, err := os.ReadFile("../docs/api.md")
	must(t, err)
	folder := t.TempDir()
	for _, match := range line.FindAllStringSubmatch(string(text), -1) {
		// The command runs as it stands; the function adds what says how it went.
		cmd := exec.CommandContext(t.Context(), "bash", "-c", `curl() { command curl -sS --max-time 60 -w '\n%{http_code}' "$@"; }; `+match[1])
		cmd.Dir, cmd.Env = folder, os.Environ()
		for name, value := range variables {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
		output, err := cmd.CombinedOutput()
		body, ok := strings.CutSuffix(string(output), "\n"+match[2])
		if err != nil || !ok {
			t.Fatalf("%s\n%v: want %s, got %s", match[1], err, match[2], output)
		}
		var answer map[string]any
		if json.Unmarshal([]byte(body), &answer) == nil {
			for field, variable := range remembered {
				if value, ok := answer[field].(string); ok {
					variables[variable] = value
				}
			}
		}
	}
	for path, item := range c.document.Paths.Map() {
		for method := range item.Operations() {
			// At a documented path every method does the same, and HEAD does what GET does.
			if !seen[method+" "+path] && method != http.MethodHead && !(strings.HasSuffix(path, ".php") && seen[path]) {
				t.Errorf("docs/api.md has no line for %s %s", method, path)
			}
		}
	}
}

package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"trunkline/internal/pbxtest"
)

// allTime are the flags of an export of all that there is.
var allTime = []string{"cdr", "export", "--date-start", "2000-01-01", "--date-end", "2100-01-01"}

// exporting starts a Trunkline with CDRs, and returns who may export them.
func exporting(t *testing.T, cdrs int, env ...string) (p *samplePBX, caller []string) {
	t.Helper()
	p = newSamplePBX(t, cdrs)
	base, _ := p.serve(t, "serve", env...)
	p.open(t)
	return p, p.caller(t, base, "--scope", "export", "--all-domains")
}

func TestCDRExportCommand(t *testing.T) {
	t.Parallel()
	p, env := exporting(t, 3000)
	rows := p.rows(t, "select count(*) from v_xml_cdr where start_stamp is not null")
	path := filepath.Join(t.TempDir(), "cdr.csv")
	got := runHere(t, env, append(allTime, "-o", path)...)
	got.wants(t, 0, fmt.Sprintf("%d rows", rows), "downloading", path)
	file, err := os.ReadFile(path)
	must(t, err)
	records, err := csv.NewReader(bytes.NewReader(file)).ReadAll()
	must(t, err)
	if sum := fmt.Sprintf("%x", sha256.Sum256(file)); got.out != "" || !strings.Contains(got.err, sum) || len(records) != rows+1 {
		t.Errorf("%d bytes, of SHA-256 %s: %s", len(file), sum, got)
	}
	var job string
	must(t, p.pool.QueryRow(t.Context(), "select id::text from trunkline.jobs where kind = 'export'").Scan(&job))
	if again := runHere(t, env, "cdr", "download", job); again.status != 0 || again.out != string(file) {
		t.Errorf("its download has %d bytes: %s", len(again.out), again.err)
	}

	some := runHere(t, env, append(allTime, "--template", "rating", "--domain", p.sample.Domains[0].Name, "--set", "min_billsec=1", "--set", "delimiter=tab")...)
	if lines := strings.Split(some.out, "\n"); some.status != 0 || !strings.HasPrefix(lines[0], "call_id\tdomain\t") || len(lines) < 10 || len(lines) > rows {
		t.Errorf("a template and a filter: %d lines, %s, %s", len(lines), lines[0], some.err)
	}
	jobs := p.rows(t, "select count(*) from trunkline.jobs")
	for name, c := range map[string]struct {
		args   []string
		status int
		says   []string
	}{
		"no dates":           {[]string{"cdr", "export"}, 2, []string{"--date-start"}},
		"no date":            {[]string{"cdr", "export", "--date-start", "soon", "--date-end", "2026-01-31"}, 1, []string{"date_start", "invalid_request"}},
		"no such filter":     {append(allTime, "--set", "min_seconds=5"), 1, []string{"min_seconds", "min_billsec"}},
		"another's domain":   {append(allTime, "--domain", "none.example"), 1, []string{"none.example"}},
		"no such format":     {append(allTime, "--format", "xls"), 1, []string{"format"}},
		"a job of no export": {[]string{"cdr", "download", "0190f3c2-7d1e-7c55-b2a4-5a1f6f0e9a11"}, 1, []string{"not_found"}},
	} {
		if got := runHere(t, env, c.args...); got.status != c.status || !containsAll(got.err, c.says...) || got.out != "" {
			t.Errorf("%s: %s", name, got)
		}
	}
	if now := p.rows(t, "select count(*) from trunkline.jobs"); now != jobs {
		t.Errorf("there are %d jobs more", now-jobs)
	}
	// What the server would only mention is an error here, and is not exported.
	runHere(t, env, append(allTime, "--set", "delimitr=tab")...).wants(t, 1, "--set delimitr", "openapi.json")
}

// A front end that is set to answer 200 throughout is understood.
func TestCDRExportCommandWhereAllIsWell(t *testing.T) {
	t.Parallel()
	_, env := exporting(t, 50, "TRUNKLINE_ALWAYS_200=true")
	if got := runHere(t, env, append(allTime, "--format", "ndjson")...); got.status != 0 || !strings.HasPrefix(got.out, `{"`) {
		t.Errorf("got %s", got)
	}
	runHere(t, env, append(allTime, "--format", "xls")...).wants(t, 1, "format", "invalid_request")
}

// breaking is a way to a front end on which the first downloads break off after so many bytes.
func breaking(t *testing.T, base string, times int32, after int) (way string, asked *atomic.Int32) {
	t.Helper()
	to, err := url.Parse(base)
	must(t, err)
	// What is forwarded in somebody's name would be refused.
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }}
	asked = new(atomic.Int32)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/file") && asked.Add(1) <= times {
			w = &breaksOff{w, after}
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, asked
}

type breaksOff struct {
	http.ResponseWriter
	left int
}

func (b *breaksOff) Write(p []byte) (int, error) {
	n, err := b.ResponseWriter.Write(p[:min(len(p), b.left)])
	if b.left -= n; b.left == 0 {
		_ = http.NewResponseController(b.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	return n, err
}

func TestCDRExportCommandGoesOn(t *testing.T) {
	t.Parallel()
	_, env := exporting(t, 3000)
	way, asked := breaking(t, strings.TrimPrefix(env[0], "TRUNKLINE_URL="), 2, 200_000)
	path := filepath.Join(t.TempDir(), "cdr.ndjson")
	runHere(t, append(env, "TRUNKLINE_URL="+way), append(allTime, "-o", path)...).wants(t, 0, "broke off after 200000 of ", "broke off after 400000 of ")
	if info, err := os.Stat(path); err != nil || info.Size() < 600_000 || asked.Load() != 3 {
		t.Errorf("after %d downloads: %v, %v", asked.Load(), info, err)
	}
}

// Who reads no more ends an export, and nothing is said of it.
func TestCDRExportCommandBeforeAPipe(t *testing.T) {
	t.Parallel()
	_, env := exporting(t, 3000)
	command := exec.Command(pbxtest.Program("trunkline"), append(allTime, "--format", "csv")...)
	command.Env = env
	var said bytes.Buffer
	command.Stderr = &said
	out, err := command.StdoutPipe()
	must(t, err)
	must(t, command.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	must(t, err)
	must(t, out.Close())
	err = command.Wait()
	status, _ := command.ProcessState.Sys().(syscall.WaitStatus)
	if !strings.Contains(line, "start_stamp") || status.Signal() != syscall.SIGPIPE {
		t.Errorf("it began with %q, and ended with %v", line, err)
	}
	for line := range strings.Lines(said.String()) {
		if !strings.HasPrefix(line, "queued") && !strings.HasPrefix(line, "running") && !strings.HasPrefix(line, "succeeded") && !strings.HasPrefix(line, "downloading, ") {
			t.Errorf("it says %q", line)
		}
	}
}

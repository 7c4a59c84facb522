package main

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"trunkline/internal/audit"
)

func TestAuditCommand(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 0)
	if got := runHere(t, p.env, "audit"); got.status != 1 || !strings.Contains(got.err, "trunkline migrate") {
		t.Errorf("before the tables are there: %s", got)
	}
	p.open(t)
	if got := runHere(t, p.env, "audit"); got.status != 0 || !strings.Contains(got.out, "--since") {
		t.Errorf("of an empty audit: %s", got)
	}
	log := audit.New(p.pool, slog.New(slog.DiscardHandler))
	for range 3 {
		log.Denial(audit.Denial{Address: "198.51.100.7", Who: "root\n\x1b[2J", Endpoint: "/v1/jobs", Code: "authentication_failed"})
	}
	log.Flush(t.Context())
	log.Change(t.Context(), audit.Event{Who: "admin@a.example", Address: "192.0.2.1", Action: "token.revoke", Subject: "whmcs"})
	_, err := p.pool.Exec(t.Context(), `insert into trunkline.audit (id, kind, at, last_at, address, who, action, subject)
		values (gen_random_uuid(), 'change', now() - interval '2 days', now() - interval '2 days', '', '', 'job.cancel', 'long ago')`)
	must(t, err)

	all := runHere(t, p.env, "audit")
	lines := strings.Split(strings.TrimSpace(all.out), "\n")
	if all.status != 0 || len(lines) < 3 || !strings.HasPrefix(lines[0], "LAST") || !strings.Contains(lines[1], "token.revoke") ||
		!strings.Contains(all.out, "198.51.100.7") || strings.ContainsAny(all.out, "\x1b") || strings.Contains(all.out, "long ago") {
		t.Errorf("got %s", all)
	}
	for _, tc := range []struct {
		args string
		want int
	}{
		{"--kind change", 1},
		{"--kind change --since 72h", 2},
		{"--kind change --since 3d", 2},
		{"--kind change --since 72h --limit 1", 1},
		{"--who admin@a.example", 1},
		{"--address 192.0.2.1", 1},
		{"--address ::ffff:192.0.2.1", 1},
		{"--action token.revoke", 1},
		{"--code not_whitelisted", 0},
	} {
		got := runHere(t, p.env, append([]string{"audit", "--json"}, strings.Fields(tc.args)...)...)
		n := 0
		for line := range strings.Lines(got.out) {
			var e audit.Entry
			must(t, json.Unmarshal([]byte(line), &e))
			n++
		}
		if got.status != 0 || n != tc.want {
			t.Errorf("%s: got %d entries, want %d: %s", tc.args, n, tc.want, got)
		}
	}
	for args, remedy := range map[string]string{"--limit 0": "1 to", "--since -1h": "--since", "--since 0s": "24h", "--since yesterday": "24h", "--address x": "198.51.100.7", "--kind x": "denial"} {
		if got := runHere(t, p.env, append([]string{"audit"}, strings.Fields(args)...)...); got.status == 0 || !strings.Contains(got.err, remedy) {
			t.Errorf("%s: got %s", args, got)
		}
	}
}

// What is refused just before the process ends is in the audit all the same.
func TestDenialsAreWrittenAtShutdown(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 0)
	base, proc := p.serve(t, "serve")
	resp, err := http.Get(base + "/v1/jobs")
	must(t, err)
	must(t, resp.Body.Close())
	if resp.StatusCode != http.StatusUnauthorized {
		t.Fatalf("got %s", resp.Status)
	}
	must(t, proc.Process.Signal(syscall.SIGTERM))
	if err := proc.Wait(); err != nil {
		t.Fatalf("it did not end well: %v\n%s", err, proc.Log)
	}
	p.open(t)
	var times int
	must(t, p.pool.QueryRow(t.Context(), "select times from trunkline.audit where kind = 'denial' and action = '/v1/jobs' and code = 'authentication_failed'").Scan(&times))
	if times != 1 {
		t.Errorf("got %d, want 1", times)
	}
}

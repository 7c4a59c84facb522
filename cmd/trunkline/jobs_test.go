package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"trunkline/internal/pbxtest"
	"trunkline/tasks"
)

// caller is the environment of somebody who asks a front end from anywhere: its address and a token, and
// nothing of its settings.
func (p *samplePBX) caller(t *testing.T, base string, token ...string) []string {
	t.Helper()
	return []string{"TRUNKLINE_URL=" + base, "TRUNKLINE_TOKEN=" + p.newToken(t, token...)}
}

// asked posts a form with the caller's token and returns the answer.
func asked(t *testing.T, env []string, path string, form url.Values) (answer map[string]any) {
	t.Helper()
	base, token := strings.TrimPrefix(env[0], "TRUNKLINE_URL="), strings.TrimPrefix(env[1], "TRUNKLINE_TOKEN=")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+path, strings.NewReader(form.Encode()))
	must(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	defer resp.Body.Close()
	must(t, json.NewDecoder(resp.Body).Decode(&answer))
	return answer
}

// gatewayJob asks for a gateway and does not wait for it.
func (p *samplePBX) gatewayJob(t *testing.T, env []string, name string) (id string) {
	t.Helper()
	answer := asked(t, env, "/app/gateways/provision.php", url.Values{
		"gateway_name": {name}, "gateway_domain": {"sip.carrier.example"}, "gateway_username": {"account"}, "gateway_password": {"a-carrier-password"},
		"tenant_domain": {p.sample.Domains[0].Name}, "wait": {"0"},
	})
	id, _ = answer["job_id"].(string)
	if id == "" {
		t.Fatalf("no job: %v", answer)
	}
	return id
}

// A job from its making to its end, by the commands.
func TestJobCommands(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 0)
	p.open(t)
	base, _ := p.serve(t, "api")
	env := p.caller(t, base, "--scope", "read,provision,export", "--all-domains")
	ran := func(want int, args ...string) result {
		t.Helper()
		got := runHere(t, env, append([]string{"jobs"}, args...)...)
		if got.status != want || strings.Contains(got.out+got.err, "trunkline_") || strings.Contains(got.out+got.err, "a-carrier-password") {
			t.Fatalf("trunkline jobs %s: %s", strings.Join(args, " "), got)
		}
		return got
	}
	if empty := ran(0, "list"); strings.Count(empty.out, "\n") != 1 || !strings.HasPrefix(empty.out, "JOB ") {
		t.Errorf("without a job: %s", empty)
	}
	// What has a password cannot be retried once it was cancelled; an export can.
	must(t, os.MkdirAll(p.exports(), 0o750))
	answer := asked(t, env, "/app/xml_cdr/export_cdr.php", url.Values{
		"date_start": {"2024-06-01"}, "date_end": {"2024-06-30"}, "external_id": {"june"}, "wait": {"0"},
	})
	first, queued := answer["job_id"].(string)
	if !queued {
		t.Fatalf("no job: %v", answer)
	}
	second := p.gatewayJob(t, env, "two")
	ran(0, "list").wants(t, 0, first, second, "provision", "queued", "token:whmcs")
	if got := ran(0, "list", "--limit", "1"); !strings.Contains(got.out, second) || strings.Contains(got.out, first) || !strings.Contains(got.err, "--limit") {
		t.Errorf("the newest alone: %s", got)
	}
	for _, none := range [][]string{{"--state", "failed"}, {"--until", "1h"}, {"--external-id", "july"}} {
		if got := ran(0, append([]string{"list", "-o", "json"}, none...)...); got.out != "[]\n" {
			t.Errorf("%v: %s", none, got)
		}
	}
	var listed []tasksJob
	must(t, json.Unmarshal([]byte(ran(0, "list", "--since", "1h", "-o", "json").out), &listed))
	if len(listed) != 2 || listed[1].JobID != first || listed[1].State != tasks.StateQueued {
		t.Errorf("got %+v", listed)
	}
	if got := ran(0, "list", "-o", "csv").out; !strings.HasPrefix(got, "job,kind,state,created,by,") || strings.Count(got, "\n") != 3 {
		t.Errorf("CSV: %s", got)
	}

	ran(0, "cancel", first).wants(t, 0, first, "cancelled")
	ran(1, "cancel", first).wants(t, 1, "job_state", "request ")
	ran(4, "watch", first).wants(t, 4, "cancelled")
	ran(0, "retry", first).wants(t, 0, "queued", "jobs watch "+first)
	ran(0, "cancel", first)
	var job tasksJob
	must(t, json.Unmarshal([]byte(ran(0, "retry", first, "-o", "json").out), &job))
	if job.JobID != first || job.State != tasks.StateQueued {
		t.Errorf("got %+v", job)
	}
	ran(0, "show", first).wants(t, 0, "queued", "export", "2024-06-01")

	p.start(t, "worker")
	watched := ran(0, "watch", first)
	watched.wants(t, 0, "job "+first+" succeeded")
	must(t, json.Unmarshal([]byte(ran(0, "watch", second, "-o", "json").out), &job))
	if job.JobID != second || job.State != tasks.StateSucceeded || job.Result["gateway_uuid"] == "" {
		t.Errorf("got %+v", job)
	}
	must(t, json.Unmarshal([]byte(ran(0, "show", second, "-o", "json").out), &job))
	ran(1, "retry", second).wants(t, 1, "job_state")
}

type tasksJob struct {
	JobID  string         `json:"job_id"`
	State  tasks.State    `json:"state"`
	Result map[string]any `json:"result"`
}

// Ctrl-C ends the watching, and says how the job stands and what can be done.
func TestWatchInterrupted(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 0)
	p.open(t)
	base, _ := p.serve(t, "api")
	env := p.caller(t, base, "--scope", "read,provision", "--all-domains")
	id := p.gatewayJob(t, env, "one")
	ctx, interrupt := context.WithCancel(t.Context())
	var out, said pbxtest.LogBuffer
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, []string{"jobs", "watch", id}, env, strings.NewReader(""), &out, &said) }()
	pbxtest.Eventually(t, "it is seen to be queued", func() bool { return strings.Contains(said.String(), "queued") })
	interrupt()
	if status := <-ended; status != 130 || !containsAll(said.String(), "goes on", "it is queued", "jobs watch "+id, "jobs cancel "+id) {
		t.Errorf("got %d, %s", status, said.String())
	}
	if n := p.rows(t, "select count(*) from trunkline.jobs where state = 'queued' and id = $1", id); n != 1 {
		t.Error("the job does not go on")
	}
}

func TestJobCommandErrors(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 0)
	p.open(t)
	base, _ := p.serve(t, "api")
	env := p.caller(t, base, "--scope", "read", "--all-domains")
	tokenFile := filepath.Join(t.TempDir(), "token")
	must(t, os.WriteFile(tokenFile, []byte(strings.TrimPrefix(env[1], "TRUNKLINE_TOKEN=")+"\n"), 0o600))
	open := filepath.Join(t.TempDir(), "token")
	must(t, os.WriteFile(open, []byte(strings.TrimPrefix(env[1], "TRUNKLINE_TOKEN=")), 0o600))
	must(t, os.Chmod(open, 0o644))
	free := "http://" + pbxtest.FreeAddr(t)
	for name, c := range map[string]struct {
		env    []string
		args   []string
		status int
		says   []string
	}{
		"a token file":       {env[:1], []string{"jobs", "list", "--token-file", tokenFile}, 0, nil},
		"one of the setting": {[]string{env[0], "TRUNKLINE_TOKEN_FILE=" + tokenFile}, []string{"jobs", "list"}, 0, nil},
		"one that is open":   {env[:1], []string{"jobs", "list", "--token-file", open}, 0, []string{"WARNING", "chmod 600"}},
		"none":               {env[:1], []string{"jobs", "list", "--token-file", "/none"}, 1, []string{"--token-file"}},
		"no token":           {env[:1], []string{"jobs", "list"}, 1, []string{"TRUNKLINE_TOKEN", "--token-file"}},
		"a wrong token":      {[]string{env[0], "TRUNKLINE_TOKEN=trunkline_no"}, []string{"jobs", "list"}, 1, []string{"authentication_failed", "token create"}},
		"nobody there":       {env, []string{"jobs", "list", "--url", free}, 1, []string{free, "TRUNKLINE_URL"}},
		"in the clear":       {env, []string{"jobs", "list", "--url", "http://pbx.example"}, 1, []string{"unencrypted", "--plain-http"}},
		"no authority":       {env, []string{"jobs", "list", "--ca", tokenFile}, 1, []string{"PEM"}},
		"a state unheard of": {env, []string{"jobs", "list", "--state", "done"}, 1, []string{"state", "invalid_request", "queued"}},
		"no time":            {env, []string{"jobs", "list", "--since", "soon"}, 1, []string{"--since", "24h"}},
		"a limit below 0":    {env, []string{"jobs", "list", "--limit=-1"}, 1, []string{"--limit"}},
		"no id":              {env, []string{"jobs", "show", "../../tokens"}, 1, []string{"jobs list"}},
		"no such job":        {env, []string{"jobs", "watch", uuid.NewString()}, 1, []string{"not_found"}},
		"a job as CSV":       {env, []string{"jobs", "show", uuid.NewString(), "-o", "xml"}, 2, []string{"table"}},
		"a token as a flag":  {env, []string{"jobs", "list", "--token", "trunkline_x"}, 2, []string{"unknown flag"}},
	} {
		got := runHere(t, c.env, c.args...)
		if got.status != c.status || !containsAll(got.err, c.says...) || strings.Contains(got.err, strings.TrimPrefix(env[1], "TRUNKLINE_TOKEN=")) {
			t.Errorf("%s: %s", name, got)
		}
	}
	// On the server's own host the environment may hold both.
	runHere(t, append(p.env, env...), "config").wants(t, 0)
}

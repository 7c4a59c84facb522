package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"testing"

	"trunkline/internal/pbxtest"
	"trunkline/tasks"
)

// Redis dies under a served PBX and comes back empty: what was asked for meanwhile is done, and so is
// what is asked for afterwards.
func TestRedisDiesAndComesBackEmpty(t *testing.T) {
	t.Parallel()
	p := newPBX(t, 0)
	private := pbxtest.NewRedis(t)
	base, proc := p.serve(t, "serve", "TRUNKLINE_REDIS_URL="+private.URL())
	client := p.open(t)
	tour := &demoTour{cmd: &command{ctx: t.Context(), out: &bytes.Buffer{}}, base: base, sample: p.sample}
	ask := func(name string) (status int, jobID string) {
		got, err := tour.send(t.Context(), call{method: http.MethodPost, path: "/app/gateways/provision.php", login: true, form: url.Values{
			"gateway_name": {name}, "gateway_domain": {"sip.carrier.example"}, "gateway_username": {"account"}, "gateway_password": {"secret"}, "wait": {"1"},
		}})
		must(t, err)
		var answer struct {
			JobID string `json:"job_id"`
		}
		must(t, json.Unmarshal(got.body, &answer))
		return got.status, answer.JobID
	}
	must(t, private.Kill())
	status, jobID := ask("while-away")
	if status != http.StatusAccepted || jobID == "" {
		t.Fatalf("without Redis: got %d, job %q, want 202 and a job\n%s", status, jobID, proc.log)
	}
	must(t, private.RestartEmpty(t.Context()))
	pbxtest.Eventually(t, "the job is done", func() bool {
		job, err := client.Get(t.Context(), jobID, tasks.Scope{All: true})
		must(t, err)
		return job.State == tasks.StateSucceeded
	})
	pbxtest.Eventually(t, "a new request is answered at once again", func() bool {
		status, _ := ask("afterwards")
		return status == http.StatusOK
	})
}

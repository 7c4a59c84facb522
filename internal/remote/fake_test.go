package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"trunkline/internal/commandline"
	"trunkline/internal/pbxtest"
)

var must = pbxtest.Must

// answers are what an API of the test's own answers, by method and path. One that is asked for something else has the
// test fail.
type answers map[string]func(w http.ResponseWriter, r *http.Request, body string)

// says answers with a text.
func says(status int, text string) func(http.ResponseWriter, *http.Request, string) {
	return func(w http.ResponseWriter, _ *http.Request, _ string) {
		w.WriteHeader(status)
		fmt.Fprint(w, text)
	}
}

// ran is what a command printed and how it ended.
type ran struct {
	out, err string
	status   int
	failure  error
}

func (r ran) String() string { return fmt.Sprintf("%d %v\n%s%s", r.status, r.failure, r.out, r.err) }

// wants fails the test unless the command ended so and said all this.
func (r ran) wants(t *testing.T, status int, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(r.String(), word) {
			t.Errorf("it does not say %q: %s", word, r)
		}
	}
	if r.status != status {
		t.Errorf("status %d, want %d: %s", r.status, status, r)
	}
}

// scene is a command's surroundings.
type scene struct {
	api     answers
	in      string
	answer  *string // what whoever sits at the terminal answers; nil: nobody does
	asked   []string
	ctx     context.Context
	request sync.Mutex
}

// run runs a command against the API.
func (sc *scene) run(t *testing.T, command interface{ Run(*session) error }) ran {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		sc.request.Lock()
		defer sc.request.Unlock()
		answer := sc.api[r.Method+" "+r.URL.Path]
		if answer == nil {
			t.Errorf("asked for %s %s", r.Method, r.URL)
			w.WriteHeader(http.StatusNotFound)
			return
		}
		answer(w, r, string(body))
	}))
	defer server.Close()
	if sc.ctx == nil {
		sc.ctx = t.Context()
	}
	var out, errOut bytes.Buffer
	p := NewProgram(sc.ctx, []string{"TRUNKLINE_URL=" + server.URL, "TRUNKLINE_TOKEN=trunkline_0123"}, strings.NewReader(sc.in), &out, &errOut)
	if sc.answer != nil {
		p.ask = func(question string) (bool, error) {
			sc.asked = append(sc.asked, question)
			return *sc.answer == "y", nil
		}
	}
	s, err := new(Connection).ProvideSession(p)
	must(t, err)
	result := ran{failure: command.Run(s)}
	result.out, result.err = out.String(), errOut.String()
	if result.failure != nil {
		result.status = 1
		if ended, ok := errors.AsType[*commandline.Ended](result.failure); ok {
			result.status = ended.Status
		}
	}
	if strings.Contains(result.String(), "trunkline_0123") || strings.ContainsFunc(strings.ReplaceAll(result.String(), "\n", ""), hides) {
		t.Errorf("it shows the token, or what is hidden: %q", result)
	}
	return result
}

const testJob = "0190f3c2-7d1e-7c55-b2a4-5a1f6f0e9a11"

// aJob is a job as the API shows it.
func aJob(state string, more string) string {
	return fmt.Sprintf(`{"job_id":%q,"kind":"bulk","state":%q,"done":%t%s}`, testJob, state, state != "queued" && state != "running", more)
}

// ends has the API tell that the job has ended so.
func (a answers) ends(state, more, items string) {
	a["GET /v1/jobs/"+testJob] = says(200, aJob(state, more))
	a["GET /v1/jobs/"+testJob+"/events"] = says(200, "data: "+aJob(state, more)+"\n\n")
	a["GET /v1/jobs/"+testJob+"/items"] = func(w http.ResponseWriter, r *http.Request, _ string) {
		var all, some []map[string]any
		if err := json.Unmarshal([]byte(items), &all); err != nil {
			panic(err)
		}
		for _, i := range all {
			if state := r.FormValue("state"); state == "" || i["state"] == state {
				some = append(some, i)
			}
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"items": some})
	}
}

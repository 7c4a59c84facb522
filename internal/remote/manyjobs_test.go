package remote

import (
	"net/http"
	"net/url"
	"slices"
	"testing"
)

// acts is an API of jobs that are chosen: a dry run says that two of three can be changed, and of those one has ended when
// it is to be.
func acts(t *testing.T, asked *[]url.Values) answers {
	return answers{"POST /v1/jobs/actions": func(w http.ResponseWriter, r *http.Request, body string) {
		form, err := url.ParseQuery(body)
		must(t, err)
		*asked = append(*asked, form)
		if form.Get("dry_run") != "" {
			says(http.StatusOK, `{"matching":700,"changed":2,"skipped":1,"jobs":[{"job_id":"`+testJob+`","kind":"export","state":"queued","changed":true},
				{"job_id":"`+testJob2+`","kind":"export","state":"running","changed":true},{"job_id":"x","error":{"code":"forbidden","message":"a superadmin's"}}]}`)(w, r, body)
			return
		}
		says(http.StatusOK, `{"matching":1,"changed":1,"skipped":1,"jobs":[{"job_id":"`+testJob+`","kind":"export","state":"cancelled","changed":true},
			{"job_id":"`+testJob2+`","state":"succeeded","error":{"code":"job_state","message":"it has ended"}}]}`)(w, r, body)
	}}
}

// Of a filter it is shown how many jobs there are, and exactly those are changed when one agrees.
func TestJobsOfAFilter(t *testing.T) {
	t.Parallel()
	yes, no := "y", "n"
	filter := JobFilter{State: "queued"}
	for name, c := range map[string]struct {
		command interface{ Run(*session) error }
		answer  *string
		status  int
		words   []string
		asked   int
	}{
		"agreed to":             {jobCancelCommand{JobFilter: filter}, &yes, statusPartial, []string{"2 of 700", "1 export, running", "a superadmin's", "1 jobs: cancelled", testJob2 + " is left: it has ended", "there are more"}, 2},
		"agreed to beforehand":  {jobCancelCommand{JobFilter: filter, Agreement: Agreement{Yes: true}}, nil, statusPartial, []string{"1 jobs: cancelled"}, 2},
		"not agreed to":         {jobCancelCommand{JobFilter: filter}, &no, 1, []string{"did not agree"}, 1},
		"a dry run":             {jobCancelCommand{All: true, Agreement: Agreement{DryRun: true}}, nil, 0, []string{"cancel 2 of 700"}, 1},
		"nobody can be asked":   {jobRetryCommand{JobFilter: filter}, nil, 1, []string{"--yes"}, 0},
		"nothing is named":      {jobRetryCommand{}, &yes, 1, []string{"say which jobs"}, 0},
		"ids and a filter":      {jobCancelCommand{JobFilter: filter, Jobs: []string{testJob}}, &yes, 1, []string{"one of the three"}, 0},
		"a filter and all":      {jobCancelCommand{JobFilter: filter, All: true}, &yes, 1, []string{"one of the three"}, 0},
		"watching several":      {jobRetryCommand{JobFilter: filter, Watch: true}, &yes, 1, []string{"--watch"}, 0},
		"a dry run of an id":    {jobCancelCommand{Jobs: []string{testJob}, Agreement: Agreement{DryRun: true}}, nil, 1, []string{"--dry-run"}, 0},
		"a time that is no one": {jobRetryCommand{JobFilter: JobFilter{Since: "soon"}}, &yes, 1, []string{"--since"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked []url.Values
			(&scene{api: acts(t, &asked), answer: c.answer}).run(t, c.command).wants(t, c.status, c.words...)
			if len(asked) != c.asked {
				t.Fatalf("asked %v", asked)
			}
			if len(asked) == 2 && (asked[1].Get("ids") != testJob+","+testJob2 || asked[1].Has("state") || asked[0].Get("state") != "queued") {
				t.Errorf("asked %v", asked)
			}
			if slices.ContainsFunc(asked, func(form url.Values) bool { return form.Get("action") == "" }) {
				t.Errorf("asked %v", asked)
			}
		})
	}
}

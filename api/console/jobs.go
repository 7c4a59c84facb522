package console

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"trunkline/api/jobs"
	"trunkline/api/params"
	"trunkline/api/web"
	"trunkline/internal/token"
	"trunkline/tasks"
)

var jobsPage = page{
	path: "/jobs", title: "Jobs", template: "jobs", scope: token.ScopeRead, live: true, show: (*Service).jobs,
	params: append(slices.Clone(jobFilter), web.Param{Name: "after"}, web.Param{Name: "limit"}),
}

// jobFilter are the parameters that say which jobs are meant.
var jobFilter = []web.Param{
	{Name: "kind"}, {Name: "state"}, {Name: "tenant_domain"}, {Name: "who"}, {Name: "external_id"}, {Name: "text"},
	{Name: "created_after"}, {Name: "created_before"},
}

// maxShown bounds how much of a long text a list shows, in characters.
const maxShown = 200

// jobList is a page of the list of jobs.
type jobList struct {
	States   []tally
	Among    int // the figures are those of so many newest; 0: they are exact
	Counted  int64
	Kinds    []tasks.Kind
	From, To string // the time shown, as fields have it
	Filtered bool   // something is asked for
	Jobs     []listedJob
	Pager    pager
	// SeveralDomains: who looks sees jobs of more than one.
	SeveralDomains bool
	// Where all that the filter shows are cancelled or retried, if who looks may change jobs of any kind.
	CancelAll, RetryAll string
	Choosable           bool // some of the jobs can be changed
}

// listedJob is one of the list.
type listedJob struct {
	jobs.Job
	MayCancel, MayRetry bool
}

func (s *Service) jobs(r *web.Request) (any, error) {
	asked, err := zoned(r, "created_after", "created_before")
	if err != nil {
		return nil, err
	}
	found, err := s.Jobs.List(asked)
	if err != nil {
		return nil, err
	}
	list := jobList{
		Kinds: tasks.Kinds, From: fieldIn(r, "created_after"), To: fieldIn(r, "created_before"),
		Filtered: filtered(r), Pager: newPager(r, found.Next),
		SeveralDomains: r.Caller.Domains.All || len(r.Caller.Domains.List) > 1,
	}
	for _, job := range found.Jobs {
		listed := listedJob{Job: job}
		listed.MayCancel, listed.MayRetry = mayChange(r, job)
		list.Jobs = append(list.Jobs, listed)
		list.Choosable = list.Choosable || listed.MayCancel || listed.MayRetry
	}
	if slices.ContainsFunc(tasks.Kinds, func(kind tasks.Kind) bool { return r.Caller.May(kind.Scope()) }) {
		list.CancelAll = addressAt(r, home+cancelJobs.path, "after", "", "limit", "")
		list.RetryAll = addressAt(r, home+retryJobs.path, "after", "", "limit", "")
	}
	list.States, list.Among, err = s.statesOf(r, asked)
	return list, err
}

// statesOf are how many jobs of what is asked for are in each state, whichever state that is; among is so many newest, of
// which they are counted, and 0 if they are exact.
func (s *Service) statesOf(r, asked *web.Request) (states []tally, among int, err error) {
	ofAny := params.Values{}
	for name, value := range asked.Params {
		if name != "state" && name != "after" {
			ofAny[name] = value
		}
	}
	counts, err := s.Jobs.Count(asked.With(ofAny))
	if err != nil {
		return nil, 0, err
	}
	states = []tally{newTally(r, "state", "", "all", counts.Jobs)}
	of := counts.States
	figures := map[tasks.State]int64{
		tasks.StateQueued: of.Queued, tasks.StateRunning: of.Running, tasks.StateSucceeded: of.Succeeded,
		tasks.StatePartial: of.Partial, tasks.StateFailed: of.Failed, tasks.StateCancelled: of.Cancelled,
	}
	for _, state := range tasks.States {
		states = append(states, newTally(r, "state", string(state), string(state), figures[state]))
	}
	return states, counts.CountedAmong, nil
}

// progressOf is how far a job has come, in words; "" if nobody knows.
func progressOf(p tasks.Progress) string {
	if p.Done == 0 && p.Total == 0 {
		return p.Note
	}
	text := strconv.FormatInt(p.Done, 10)
	if p.Total > 0 {
		text += " of about " + strconv.FormatInt(p.Total, 10)
	}
	text += " " + cmp.Or(p.Unit, "done")
	if p.Failed > 0 {
		text += ", " + strconv.FormatInt(p.Failed, 10) + " failed"
	}
	if p.SecondsLeft > 0 {
		text += ", " + spanOf(p.SecondsLeft) + " left"
	}
	if p.Note != "" {
		text += "; " + p.Note
	}
	return text
}

// spanOf is so many seconds in words.
func spanOf(seconds int64) string {
	switch {
	case seconds < 120:
		return strconv.FormatInt(seconds, 10) + " s"
	case seconds < 2*3600:
		return strconv.FormatInt(seconds/60, 10) + " min"
	}
	return strconv.FormatInt(seconds/3600, 10) + " h"
}

// clipped is the beginning of a long text, on one line: a control character is shown as one that cannot be shown.
func clipped(text string) string { return clippedTo(text, maxShown) }

func clippedTo(text string, most int) string {
	text = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return unicode.ReplacementChar
		}
		return c
	}, text)
	n := 0
	for i := range text {
		if n++; n > most {
			return text[:i] + "…"
		}
	}
	return text
}

package remote

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"trunkline/internal/client"
	"trunkline/internal/commandline"
)

// manyHelp is the paragraph of helps on jobs that are chosen by a filter.
const manyHelp = `Jobs that are named are changed without asking. Of a filter it is shown first how many there are, and exactly those are changed when one agrees, up to 500 at once; one that cannot be changed keeps no other from it.

` + statusHelp

// manyJobs is something that is done with several jobs.
type manyJobs struct {
	*session
	action string            // cancel or retry
	done   map[string]string // in words, by the state that a job has afterwards
}

// chosen is the filter that was given, if no ids were.
func (m manyJobs) chosen(f JobFilter, ids []string, all bool) (url.Values, error) {
	filter, err := f.query(time.Now())
	if err != nil {
		return nil, err
	}
	given := 0
	for _, is := range []bool{len(ids) > 0, len(filter) > 0, all} {
		if is {
			given++
		}
	}
	if given != 1 {
		return nil, errors.New("say which jobs: their ids, or a filter such as --state, or --all; one of the three")
	}
	if all {
		filter.Set("all", "true")
	}
	return filter, nil
}

// each changes the jobs that were named, one after the other. One that cannot be changed keeps no other from it, and none
// is changed if what was given is no id.
func (m manyJobs) each(a Agreement, given []string, change func(id string) error) error {
	if a.DryRun {
		return errors.New("--dry-run: is for a filter; trunkline jobs show says how a job stands")
	}
	ids := make([]string, len(given))
	for i, one := range given {
		id, err := jobID(one)
		if err != nil {
			return err
		}
		ids[i] = id
	}
	var failed []error
	for _, id := range ids {
		err := change(id)
		if err == nil {
			continue
		}
		if len(ids) == 1 || m.ctx.Err() != nil {
			return err
		}
		failed = append(failed, fmt.Errorf("job %s: %w", id, err))
	}
	return errors.Join(failed...)
}

// chosenJobs is what the API says of jobs that were chosen.
type chosenJobs struct {
	Matching     int  `json:"matching"`
	MatchingMore bool `json:"matching_more"`
	Changed      int  `json:"changed"`
	Skipped      int  `json:"skipped"`
	Jobs         []struct {
		JobID   string           `json:"job_id"`
		Kind    string           `json:"kind"`
		State   string           `json:"state"`
		Changed bool             `json:"changed"`
		Error   *client.JobError `json:"error"`
	} `json:"jobs"`
}

// run changes the jobs of the filter, after it was shown how many they are and agreed to.
func (m manyJobs) run(a Agreement, filter url.Values) error {
	if err := m.agreed(a); err != nil {
		return err
	}
	filter.Set("dry_run", "true")
	would, err := m.ask(filter)
	if err != nil {
		return err
	}
	count, ids := map[string]int{}, []string{}
	for _, job := range would.Jobs {
		if job.Changed {
			count[job.Kind+", "+job.State]++
			ids = append(ids, job.JobID)
		}
	}
	of := fmt.Sprint(would.Matching)
	if would.MatchingMore {
		of = "more than " + of
	}
	m.tell("%s %d of %s that the filter shows", m.action, would.Changed, of)
	for _, name := range slices.Sorted(maps.Keys(count)) {
		m.tell("%6d %s", count[name], visible(name))
	}
	m.tellLeft(would)
	if a.DryRun || len(ids) == 0 {
		return nil
	}
	if !a.Yes {
		if err := m.agreeTo(fmt.Sprintf("%s %d jobs?", strings.ToUpper(m.action[:1])+m.action[1:], len(ids))); err != nil {
			return err
		}
	}
	// Exactly those: what has come to be so meanwhile was not agreed to.
	did, err := m.ask(url.Values{"ids": {strings.Join(ids, ",")}})
	if err != nil {
		return err
	}
	became := map[string]int{}
	for _, job := range did.Jobs {
		if job.Changed {
			became[m.done[job.State]]++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(became)) {
		m.printf("%d jobs: %s\n", became[name], name)
	}
	m.tellLeft(did)
	if would.MatchingMore || would.Matching > len(would.Jobs) {
		m.tell("there are more; the same command takes the next ones")
	}
	switch {
	case did.Skipped == 0:
		return nil
	case did.Changed == 0:
		return errors.New("none of the jobs was changed")
	}
	return &commandline.Ended{Status: statusPartial, Err: fmt.Errorf("%d of %d jobs were not changed", did.Skipped, len(ids))}
}

// tellLeft says which jobs are left as they are, and why.
func (m manyJobs) tellLeft(c chosenJobs) {
	for _, job := range c.Jobs {
		if job.Error != nil {
			m.tell("job %s is left: %s", visible(job.JobID), visible(job.Error.Message))
		}
	}
}

func (m manyJobs) ask(form url.Values) (c chosenJobs, err error) {
	form.Set("action", m.action)
	answer, err := m.api.Do(m.ctx, client.Request{Method: http.MethodPost, Path: "/v1/jobs/actions", Form: form})
	if err != nil {
		return c, m.worded(err)
	}
	return c, answer.Decode(&c)
}

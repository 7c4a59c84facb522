package jobs

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"trunkline/api/params"
	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/postgres"
	"trunkline/internal/token"
	"trunkline/tasks"
)

const (
	// MaxChanged bounds how many jobs one request cancels or retries, each in a transaction of its own.
	MaxChanged = 500
	// changeWithin is for how long a request goes on with that. What it has not come to by then stays as it is.
	changeWithin = 20 * time.Second
)

// Chosen are the jobs to which a change can be made, and what is made of them.
type Chosen struct {
	Action       tasks.Change `json:"action" enum:"cancel,retry"`
	DryRun       bool         `json:"dry_run"`
	Matching     int          `json:"matching"`                // how many jobs of the filter or of ids can be changed, also those beyond the first 500, which alone are taken
	MatchingMore bool         `json:"matching_more,omitempty"` // they were counted so far, and there are more
	Changed      int          `json:"changed"`                 // how many were; of a dry run how many would be
	Skipped      int          `json:"skipped"`                 // how many were not
	Jobs         []ChosenJob  `json:"jobs"`                    // those that were taken, in the order in which they were
}

// ChosenJob is what becomes of one of many jobs.
type ChosenJob struct {
	JobID   string      `json:"job_id" format:"uuid"`
	Kind    tasks.Kind  `json:"kind,omitempty"`  // absent if the caller sees no such job
	State   tasks.State `json:"state,omitempty"` // afterwards
	Changed bool        `json:"changed"`         // of a dry run: it would be
	Error   *jobError   `json:"error,omitempty"` // why it was not
}

// leave says why a job was not changed.
func (c *Chosen) leave(id string, job tasks.Job, f *fault.Error) {
	c.Skipped++
	c.Jobs = append(c.Jobs, ChosenJob{JobID: id, Kind: job.Kind, State: job.State, Error: &jobError{Code: f.Code, Message: f.Message}})
}

func (c *Chosen) take(job tasks.Job) {
	c.Changed++
	c.Jobs = append(c.Jobs, ChosenJob{JobID: job.ID, Kind: job.Kind, State: job.State, Changed: true})
}

func (s *Service) actionsEndpoint() web.Endpoint {
	return web.Endpoint{
		ID: "actOnJobs", Summary: "Cancel or retry many jobs",
		Note: "Scope: each kind's own, and with a filter read too. Each is judged as a single request would be, and one that cannot be changed keeps no other from it. " +
			"What is retried is so in the order in which it was asked for, what is cancelled newest first.",
		Methods: []string{"POST"}, Path: "/v1/jobs/actions", Entry: web.SignedIn, AtOnce: []web.AtOnce{web.AtOnceJobs},
		Answer: web.JSON(http.StatusOK, s.Act),
		Params: slices.Concat([]web.Param{
			{Name: "action", About: "What is to be done.", Choices: []string{string(tasks.ChangeCancel), string(tasks.ChangeRetry)}, Required: true},
			IDsParam,
			{Name: "all", About: "true: all that the caller sees; instead of ids and a filter.", Kind: web.KindFlag},
			{Name: "dry_run", About: "true: nothing is done; the jobs are those that would be changed, and those of ids that would not.", Kind: web.KindFlag},
		}, filterParams),
		Replies: []web.Reply{{Status: 200, About: "What became of each that was taken.", Body: Chosen{}}},
		Faults:  []fault.Code{fault.NotFound, fault.MissingParameters},
	}
}

// IDsParam names the jobs of a change of many.
var IDsParam = web.Param{Name: "ids", About: "The jobs' ids; instead of a filter.", Kind: web.KindUUIDs, Most: MaxChanged}

// Act cancels or retries the jobs that the request names, or the first MaxChanged of those that its filter shows.
func (s *Service) Act(r *web.Request) (Chosen, error) {
	action := tasks.Change(r.Params.Get("action"))
	c, known := changes[action]
	switch {
	case !slices.ContainsFunc(tasks.Kinds, func(k tasks.Kind) bool { return r.Caller.May(k.Scope()) }):
		return Chosen{}, r.Need(token.ScopeProvision, token.ScopeExport)
	case action == "":
		return Chosen{}, fault.Missing("action")
	case !known:
		return Chosen{}, fault.Invalid("action", "unknown action %.200q; use cancel or retry", action)
	}
	dryRun, err := r.Params.Flag("dry_run")
	if err != nil {
		return Chosen{}, err
	}
	all, err := r.Params.Flag("all")
	if err != nil {
		return Chosen{}, err
	}
	filtered := slices.ContainsFunc(filterParams, func(p web.Param) bool { return r.Params.Get(p.Name) != "" })
	switch named := r.Params.Has("ids"); { // a list that came out empty is not all that there are
	case named && (filtered || all):
		return Chosen{}, fault.Invalid("ids", "is given beside a filter or all; send one of them")
	case named && len(params.Split(r.Params.Get("ids"))) == 0, !named && !filtered && !all:
		return Chosen{}, fault.Missing("ids, a filter such as state, or all=true")
	}
	would, err := s.Choose(r, action)
	if err != nil || dryRun {
		return would, err
	}
	return s.changeMany(r, c, would)
}

// Choose says to which jobs the change would be made: to those of ids, or without ids to the first MaxChanged of those
// that the filter shows.
func (s *Service) Choose(r *web.Request, action tasks.Change) (would Chosen, err error) {
	would = Chosen{Action: action, DryRun: true, Jobs: []ChosenJob{}}
	var f tasks.Filter
	var found map[string]tasks.Job
	named := r.Params.Has("ids")
	if named {
		if f.IDs, err = jobIDs(r); err != nil {
			return would, err
		}
		f.Domains = r.Caller.Domains
		found, err = s.tasks.Several(r.Context(), f.IDs, f.Domains)
	} else if err = r.Need(token.ScopeRead); err == nil {
		f, err = filter(r)
		f.Kinds = slices.DeleteFunc(slices.Clone(tasks.Kinds), func(k tasks.Kind) bool { return !r.Caller.May(k.Scope()) })
	}
	if err != nil {
		return would, err
	}
	var can []tasks.Job
	if can, would.Matching, would.MatchingMore, err = s.tasks.Choose(r.Context(), action, f, MaxChanged); err != nil {
		return would, err
	}
	for _, job := range can {
		delete(found, job.ID)
		if err := mayChange(r, job); err != nil {
			refused := web.FaultOf(err, r.ID)
			if web.StatusOf(refused.Code) >= http.StatusInternalServerError {
				return would, err
			}
			would.leave(job.ID, job, refused)
			continue
		}
		would.take(job)
	}
	for _, id := range f.IDs {
		if slices.ContainsFunc(can, func(job tasks.Job) bool { return job.ID == id }) {
			continue
		}
		job, is := found[id]
		why := tasks.ErrNotFound
		if is {
			if why = r.Need(job.Kind.Scope()); why == nil {
				why = changes[action].refused(job)
			}
		}
		would.leave(id, job, web.FaultOf(why, r.ID))
	}
	return would, nil
}

// jobIDs are the ids that the request has, each once.
func jobIDs(r *web.Request) (ids []string, err error) {
	named := map[string]bool{}
	for _, id := range params.Split(r.Params.Get("ids")) {
		id = strings.ToLower(id)
		if !postgres.IsUUID(id) {
			return nil, fault.Invalid("ids", "holds what is no id of a job; give the ids that GET /v1/jobs shows, with commas between or as an array")
		}
		if !named[id] {
			named[id] = true
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// changeMany makes the change to each of the jobs, which is judged as it is changed. If the caller may not come any more,
// the database does not answer or the time is over, the rest stays as it is.
func (s *Service) changeMany(r *web.Request, c change, would Chosen) (did Chosen, err error) {
	ofDomain := ""
	if d := r.Caller.Domains; !d.All && len(d.List) == 1 {
		ofDomain = d.List[0].UUID
	}
	leave, err := r.Place(web.AtOnceJobs, ofDomain)
	if err != nil {
		return would, err
	}
	defer leave()
	did = Chosen{Action: would.Action, Matching: would.Matching, MatchingMore: would.MatchingMore, Jobs: []ChosenJob{}}
	began, judged := time.Now(), time.Now()
	var over *fault.Error // why no more is done
	for _, one := range would.Jobs {
		before := tasks.Job{Kind: one.Kind, State: one.State}
		if over == nil {
			over = s.stops(r, began, &judged)
		}
		switch {
		case one.Error != nil:
			did.leave(one.JobID, before, &fault.Error{Code: one.Error.Code, Message: one.Error.Message})
			continue
		case over != nil:
			did.leave(one.JobID, before, over)
			continue
		}
		job, err := s.change(r, one.JobID, c)
		if err == nil {
			did.take(job)
			continue
		}
		refused := web.FaultOf(err, r.ID)
		if job.ID != "" {
			before = job
		}
		did.leave(one.JobID, before, refused)
		if refused.Code == fault.ServerError || refused.Code == fault.Unavailable && refused.JobID == "" {
			over = refused
		}
	}
	return did, nil
}

// stops is why a request that changes many jobs goes no further, nil if it does. The caller is judged anew when they
// were not for checkInterval.
func (s *Service) stops(r *web.Request, began time.Time, judged *time.Time) *fault.Error {
	if time.Since(began) >= changeWithin || s.front.Stopping().Err() != nil {
		return fault.Errorf(fault.Timeout, "the request did not come to this job within %s, or was ended before; nothing was done with it, send this again", changeWithin)
	}
	if time.Since(*judged) < checkInterval {
		return nil
	}
	*judged = time.Now()
	if err := r.StillMay(r.Context()); err != nil {
		return web.FaultOf(err, r.ID)
	}
	return nil
}

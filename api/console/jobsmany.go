package console

import (
	"net/http"
	"strings"

	"trunkline/api/jobs"
	"trunkline/api/params"
	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/token"
	"trunkline/tasks"
)

// jobsChange is what is done with many jobs, after a page has asked whether it is meant.
type jobsChange struct {
	action        tasks.Change
	path          string // below /console
	title, button string
	first         string // which are taken if there are more than one request takes
	effects       map[tasks.State]string
	done          map[tasks.State]string // what became of one that is now in that state
}

var (
	cancelJobs = jobsChange{
		action: tasks.ChangeCancel, path: "/jobs/cancel", title: "Cancel jobs", button: "Cancel", first: "newest",
		effects: map[tasks.State]string{
			tasks.StateQueued:  "They do not begin, and nothing is done; what an earlier attempt has left half done is put right.",
			tasks.StateRunning: "Their workers stop as soon as that is safe, and put right what they have half done.",
		},
		done: map[tasks.State]string{tasks.StateCancelled: "cancelled", tasks.StateRunning: "asked to stop", tasks.StateQueued: "asked to stop"},
	}
	retryJobs = jobsChange{
		action: tasks.ChangeRetry, path: "/jobs/retry", title: "Retry jobs", button: "Retry", first: "oldest",
		effects: map[tasks.State]string{
			tasks.StateFailed:    "They are queued again with the parameters that they had.",
			tasks.StatePartial:   "They are queued again; items that succeeded stay as they are.",
			tasks.StateCancelled: "They are queued again with the parameters that they had.",
		},
		done: map[tasks.State]string{tasks.StateQueued: "queued again"},
	}
)

// mostLeft bounds how many jobs that are left as they are a page names.
const mostLeft = 100

// manyAsked is a page that asks whether a change of many jobs is meant.
type manyAsked struct {
	Title, Button, Path string
	First               string
	Filter              []setting // what the jobs were chosen by; none: they were ticked
	Ticked              bool
	Would               jobs.Chosen
	Most                int // that one request takes
	Groups              []jobGroup
	IDs                 string // of exactly those that are meant
	Left                []jobs.ChosenJob
	Problem             string // why nothing was done
}

// jobGroup is how many of the jobs are alike, and what becomes of them.
type jobGroup struct {
	Jobs   int
	Kind   tasks.Kind
	State  tasks.State
	Effect string
}

// manyDone is what became of many jobs.
type manyDone struct {
	Did    jobs.Chosen
	Groups []jobGroup
	Left   []jobs.ChosenJob
}

// jobsChangePages are the pages at the changes' own paths: to read one asks about the jobs of its filter, and so does what
// the list sends, about those that were ticked. What the form of either sends is the very jobs that it has named.
func jobsChangePages() (all []page) {
	for _, c := range []jobsChange{cancelJobs, retryJobs} {
		ids := []web.Param{jobs.IDsParam}
		all = append(all, page{
			path: c.path, title: c.title, template: "jobsmany", unlisted: true, scope: token.ScopeRead, params: jobFilter,
			show: func(s *Service, r *web.Request) (any, error) { return s.askFiltered(r, c) },
			actions: []action{
				{
					path: c.path + "/chosen", scope: token.ScopeRead, params: ids, again: c.again,
					answer: func(s *Service, r *web.Request) (shown, error) { return s.askTicked(r, c) },
				},
				{
					path: c.path, params: ids, atOnce: []web.AtOnce{web.AtOnceJobs}, again: c.again,
					answer: func(s *Service, r *web.Request) (shown, error) { return s.changeJobs(r, c) },
				},
			},
		})
	}
	return all
}

// again says why nothing was done.
func (c jobsChange) again(_ *Service, _ *web.Request, f *fault.Error) (any, error) {
	return manyAsked{Title: c.title, Problem: f.Message}, nil
}

func (s *Service) askFiltered(r *web.Request, c jobsChange) (any, error) {
	of, err := zoned(r, "created_after", "created_before")
	if err != nil {
		return nil, err
	}
	page, err := s.askChange(of, c)
	for _, p := range jobFilter {
		if value := r.Params.Get(p.Name); value != "" {
			page.Filter = append(page.Filter, setting{p.Name, value})
		}
	}
	return page, err
}

func (s *Service) askTicked(r *web.Request, c jobsChange) (shown, error) {
	if r.Params.Get("ids") == "" {
		return shown{}, fault.Errorf(fault.MissingParameters, "No job was ticked. Go back, and tick those that are meant.")
	}
	page, err := s.askChange(r, c)
	page.Ticked = true
	return shown{http.StatusOK, "jobsmany", c.title, page}, err
}

func (s *Service) askChange(r *web.Request, c jobsChange) (page manyAsked, err error) {
	page = manyAsked{Title: c.title, Button: c.button, Path: home + c.path, First: c.first, Most: jobs.MaxChanged}
	if page.Would, err = s.Jobs.Choose(r, c.action); err != nil {
		return page, err
	}
	var ids []string
	for _, job := range page.Would.Jobs {
		if job.Changed {
			ids = append(ids, job.JobID)
		}
	}
	page.IDs = strings.Join(ids, ",")
	page.Groups, page.Left = grouped(page.Would, c.effects)
	return page, nil
}

// grouped are the jobs that are changed by kind and state, with what becomes of them, and the first of those that are not.
func grouped(of jobs.Chosen, effects map[tasks.State]string) (groups []jobGroup, left []jobs.ChosenJob) {
	at := map[[2]string]int{}
	for _, job := range of.Jobs {
		if !job.Changed {
			if len(left) < mostLeft {
				left = append(left, job)
			}
			continue
		}
		key := [2]string{string(job.Kind), string(job.State)}
		i, is := at[key]
		if !is {
			i = len(groups)
			at[key], groups = i, append(groups, jobGroup{Kind: job.Kind, State: job.State, Effect: effects[job.State]})
		}
		groups[i].Jobs++
	}
	return groups, left
}

func (s *Service) changeJobs(r *web.Request, c jobsChange) (shown, error) {
	did, err := s.Jobs.Act(r.With(params.Values{"action": string(c.action), "ids": r.Params.Get("ids")}))
	if err != nil {
		return shown{}, err
	}
	page := manyDone{Did: did}
	page.Groups, page.Left = grouped(did, c.done)
	return shown{http.StatusOK, "jobsmanydone", c.title, page}, nil
}

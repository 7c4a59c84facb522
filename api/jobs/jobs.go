// Package jobs is jobs as callers know them: what is asked for as a job and waited for, and what becomes of
// it. It must not know what any kind of job does.
package jobs

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"time"

	"trunkline/api/web"
	"trunkline/internal/cache"
	"trunkline/internal/config"
	"trunkline/internal/delivery/destinations"
	"trunkline/internal/fault"
	"trunkline/internal/token"
	"trunkline/tasks"
)

// Service answers for jobs.
type Service struct {
	front    *web.Front
	settings config.Settings
	tasks    *tasks.Client
	kinds    map[tasks.Kind]Kind
	lately   *cache.Cache[Lately]

	destinations *destinations.Store
}

// Kind is what only the endpoints of a kind of job know of it.
type Kind struct {
	// Show is the result of a succeeded job as the caller may see it; nil: as the job left it.
	Show func(*web.Request, tasks.Job) (any, error)
	// JudgeRetry refuses a retry of an ended job that would be refused as a request of the caller's, or returns the
	// secrets to retry it with, nil for those that it has. No function: whoever may see the job may ask for the same.
	JudgeRetry func(*web.Request, tasks.Job) (secrets any, err error)
	// ShowItems are items of a job of many as callers see them.
	ShowItems func(*web.Request, tasks.Job, []tasks.Item) (any, error)
	// ItemsFile writes all its items as CSV.
	ItemsFile func(*web.Request, tasks.Job, tasks.ItemState) error
}

// New returns the service of jobs of these kinds.
func New(front *web.Front, t *tasks.Client, d *destinations.Store, kinds map[tasks.Kind]Kind) *Service {
	return &Service{front: front, settings: front.Settings, tasks: t, kinds: kinds, destinations: d, lately: newLately()}
}

// Job is a job as callers see it, in the shape of AIP-151: once done, exactly one of result and
// error is there.
type Job struct {
	JobID           string          `json:"job_id" format:"uuid"`
	Kind            tasks.Kind      `json:"kind"`
	State           tasks.State     `json:"state"`
	Done            bool            `json:"done"` // it has ended: exactly one of result and error is there
	Progress        tasks.Progress  `json:"progress"`
	JobsAhead       *int64          `json:"jobs_ahead,omitempty"` // of one that is asked for alone and waits in its queue: how many start before it, as things stand
	Attempts        int             `json:"attempts"`             // how often a worker took it up
	CancelRequested bool            `json:"cancel_requested,omitempty"`
	TenantDomain    string          `json:"tenant_domain,omitempty"`   // the domain that it is about; absent: none, or several
	ExternalID      string          `json:"external_id,omitempty"`     // the caller's own name for it
	CreatedBy       string          `json:"created_by"`                // user@domain, or token:NAME
	CreatedAt       time.Time       `json:"created_at"`                // committed
	StartedAt       *time.Time      `json:"started_at,omitempty"`      // first taken up
	FinishedAt      *time.Time      `json:"finished_at,omitempty"`     // ended
	NextAttemptAt   *time.Time      `json:"next_attempt_at,omitempty"` // of one that waits for something outside: when a worker takes it up again
	RequestID       string          `json:"request_id,omitempty"`      // the X-Request-Id of the request that asked for it; absent if none did, as of a schedule's
	Parameters      json.RawMessage `json:"parameters"`                // what was asked for, without secrets
	Result          any             `json:"result,omitempty"`          // what it left, by its kind
	Error           *jobError       `json:"error,omitempty"`
	Counts          *ItemCounts     `json:"counts,omitempty"` // of a job of many: how many items are in each state
	Items           *ItemPage       `json:"items,omitempty"`  // and the first page of them
	// History is the attempts at one job that is asked for alone, the newest first: the one that runs and up to 50 that are over.
	History []Attempt `json:"history,omitempty"`
}

// Attempt is one run of a job by a worker.
type Attempt struct {
	Number    int                  `json:"number"` // from 1, also across retries
	StartedAt *time.Time           `json:"started_at,omitempty"`
	EndedAt   *time.Time           `json:"ended_at,omitempty"` // absent while it runs
	Outcome   tasks.AttemptOutcome `json:"outcome" enum:"running,succeeded,partial,failed,cancelled,lost,handed_back,waits"`
	Code      fault.Code           `json:"code,omitempty"`    // of its error
	Message   string               `json:"message,omitempty"` // of its error, or what the job waits for
	Worker    string               `json:"worker,omitempty"`  // host:process, for whoever is in charge of all domains
}

type jobError struct {
	Code    fault.Code `json:"code"`
	Message string     `json:"message"`
}

// JobPage is one page of the list, newest first.
type JobPage struct {
	Jobs []Job  `json:"jobs"`
	Next string `json:"next,omitempty"` // the after of the next page; absent on the last one
}

// What every endpoint takes and answers that waits for a job.
var (
	WaitParams = []web.Param{
		{Name: "wait", About: "Seconds to wait for the job; 0 does not. More than the server allows is as much as it allows.", Kind: web.KindNumber},
		{Name: "Prefer", About: "wait=N: the same (RFC 7240).", Header: true},
	}
	KeyParams = []web.Param{{
		Name: "Idempotency-Key", Header: true, Most: MaxKey,
		About: "A repeated request with the same key and body attaches to the first one's job; with another body it is 422, and of a gateway that was changed since 409.",
	}}
	Params = slices.Concat([]web.Param{
		{Name: "external_id", About: "The caller's own name for it, such as service-101. Of a gateway it is one more name: a later request finds it by that.", Most: MaxKey},
	}, KeyParams, WaitParams)
	// CallbackParams are those of a job that may take long.
	CallbackParams = []web.Param{{
		Name:  destinations.CallbackParameter,
		About: "A URL of https:// that is told of the job's end by a signed message, whatever that end is; the domain needs a secret for it (makeWebhookSecret).",
	}}
	// NotFinished is the reply if the job takes longer.
	NotFinished = web.Reply{
		Status: http.StatusAccepted, About: "The job is not finished yet. Ask at Location, or send the same request again.", Body: pending{},
	}
	// Faults are those of a job, whatever its kind.
	Faults = []fault.Code{fault.KeyReused, fault.Timeout, fault.Cancelled, fault.WorkerLost, fault.ServerError}
)

// Endpoints are those of jobs.
func (s *Service) Endpoints() []web.Endpoint {
	const readOrOwn, own = "Scope: read, or the kind's own.", "Scope: the kind's own."
	return []web.Endpoint{
		{
			ID: "listJobs", Summary: "List jobs, newest first", Methods: []string{"GET"}, Path: "/v1/jobs",
			Entry: web.SignedIn, Scope: token.ScopeRead, Answer: web.JSON(http.StatusOK, s.List),
			Params:  slices.Concat(filterParams, web.PageParams),
			Replies: []web.Reply{{Status: 200, About: "A page of jobs.", Body: JobPage{}}},
			Faults:  []fault.Code{fault.NotFound},
		},
		{
			ID: "countJobs", Summary: "Count jobs", Methods: []string{"GET"}, Path: "/v1/jobs/counts",
			Entry: web.SignedIn, Scope: token.ScopeRead, Answer: web.JSON(http.StatusOK, s.Count),
			Params:  filterParams,
			Replies: []web.Reply{{Status: 200, About: "How many there are, by state and kind.", Body: Counts{}}},
			Faults:  []fault.Code{fault.NotFound},
		},
		{
			ID: "getJob", Summary: "Show a job, or with wait wait for its end", Note: readOrOwn, Methods: []string{"GET"}, Path: "/v1/jobs/:id",
			Entry: web.SignedIn, Limit: web.LimitOwnJob, Answer: s.answering(http.StatusOK, s.Get),
			Params:  WaitParams,
			Replies: []web.Reply{{Status: 200, About: "The job.", Body: Job{}}},
			Faults:  []fault.Code{fault.NotFound},
		},
		{
			ID: "followJob", Summary: "Follow a job", Note: readOrOwn, Methods: []string{"GET"}, Path: "/v1/jobs/:id/events",
			Entry: web.SignedIn, Limit: web.LimitOwnJob, AtOnce: []web.AtOnce{web.AtOnceStreams}, Answer: s.follow,
			Params: []web.Param{{Name: "Last-Event-ID", About: "The id of the last event that arrived: a browser sends it when it reconnects.", Header: true}},
			Replies: []web.Reply{
				{
					Status: 200, Media: []string{"text/event-stream"},
					About: "Server-sent events: state and progress as they change, end with the whole job; each one's data is a Job.",
				},
				{Status: 204, About: "It has ended, and Last-Event-ID says that the caller knows."},
			},
			Faults: []fault.Code{fault.NotFound},
		},
		{
			ID: "listItems", Summary: "List the items of a job of many", Note: readOrOwn, Methods: []string{"GET"}, Path: "/v1/jobs/:id/items",
			Entry: web.SignedIn, Limit: web.LimitOwnJob, Answer: s.Items,
			Params: slices.Concat([]web.Param{
				{Name: "state", About: "Those in a state.", Choices: web.NamesOf(tasks.ItemStates)},
				{Name: "format", About: "json; or csv: all of them, in the columns of the file that they came from and result_ columns.", Choices: []string{"json", "csv"}},
			}, web.PageParams),
			Replies: []web.Reply{{Status: 200, About: "A page of items; or all of them as CSV, without secrets.", Body: ItemPage{}, File: true}},
			Faults:  []fault.Code{fault.NotFound},
		},
		s.actionsEndpoint(),
		{
			ID: "cancelJob", Summary: "Cancel a job", Note: own, Methods: []string{"POST"}, Path: "/v1/jobs/:id/cancel",
			Entry: web.SignedIn, Answer: s.answering(http.StatusOK, s.Cancel),
			Replies: []web.Reply{{Status: 200, About: "The job: cancelled, or asked to stop.", Body: Job{}}},
			Faults:  []fault.Code{fault.NotFound, fault.JobState},
		},
		{
			ID: "retryJob", Summary: "Queue a failed or cancelled job again", Note: own, Methods: []string{"POST"}, Path: "/v1/jobs/:id/retry",
			Entry: web.SignedIn, Answer: s.answering(http.StatusAccepted, s.Retry),
			Replies: []web.Reply{{Status: 202, About: "The job, queued again.", Body: Job{}}},
			// A retry is refused as a new request would be.
			Faults: []fault.Code{fault.NotFound, fault.JobState, fault.Conflict, fault.MissingParameters, fault.InvalidGateway, fault.ProfileUnavailable, fault.ServerError},
		},
	}
}

func (s *Service) view(r *web.Request, job tasks.Job) (Job, error) {
	views, err := s.views(r, []tasks.Job{job})
	if err != nil {
		return Job{}, err
	}
	return views[0], nil
}

// views are the jobs as the caller may see them.
func (s *Service) views(r *web.Request, jobs []tasks.Job) ([]Job, error) {
	domains, err := s.domainsOf(r, jobs)
	if err != nil {
		return nil, err
	}
	views := make([]Job, len(jobs))
	for i, job := range jobs {
		if views[i], err = s.viewIn(r, job, domains[job.DomainUUID]); err != nil {
			return nil, err
		}
	}
	return views, nil
}

// domainsOf are the names of the jobs' domains, by uuid.
func (s *Service) domainsOf(r *web.Request, jobs []tasks.Job) (map[string]string, error) {
	names := map[string]string{}
	if !r.Caller.Domains.All {
		for _, d := range r.Caller.Domains.List {
			names[d.UUID] = d.Name
		}
		return names, nil
	}
	for _, job := range jobs {
		if job.DomainUUID != "" {
			names[job.DomainUUID] = ""
		}
	}
	return s.front.DB.DomainNames(r.Context(), slices.Collect(maps.Keys(names)))
}

func (s *Service) viewIn(r *web.Request, job tasks.Job, domain string) (Job, error) {
	v := Job{
		JobID: job.ID, Kind: job.Kind, State: job.State, Done: job.State.Done(), Progress: job.Progress, Attempts: job.Attempt,
		CancelRequested: job.CancelRequested, TenantDomain: domain, ExternalID: job.ExternalID, CreatedBy: job.CreatedByName,
		CreatedAt: job.CreatedAt, StartedAt: job.StartedAt, FinishedAt: job.FinishedAt, Parameters: job.Params,
		NextAttemptAt: job.WakesAt, RequestID: job.RequestID,
	}
	switch {
	case job.Error != nil:
		v.Error = &jobError{Code: job.Error.Code, Message: job.Error.Message}
	case job.Result != nil && s.kinds[job.Kind].Show != nil:
		var err error
		v.Result, err = s.kinds[job.Kind].Show(r, job)
		return v, err
	case job.Result != nil:
		v.Result = job.Result
	}
	return v, nil
}

// List lists the jobs that the user may see, newest first, in pages by key.
func (s *Service) List(r *web.Request) (page JobPage, err error) {
	f, err := filter(r)
	if err != nil {
		return page, err
	}
	if f.After, f.Limit, err = r.Params.Page(); err != nil {
		return page, err
	}
	found, next, err := s.tasks.List(r.Context(), f)
	if err != nil {
		return page, err
	}
	page.Next = next
	page.Jobs, err = s.views(r, found)
	return page, err
}

// Get is the path's job; with wait it waits for the job's end.
func (s *Service) Get(r *web.Request) (tasks.Job, error) {
	patience, err := s.patience(r, 0)
	if err != nil {
		return tasks.Job{}, err
	}
	job, err := s.OfPath(r, token.ScopeRead)
	if err != nil {
		return job, err
	}
	return s.await(r, job, patience)
}

// Shown is the path's job as it stands, without its items.
func (s *Service) Shown(r *web.Request) (view Job, err error) {
	job, err := s.OfPath(r, token.ScopeRead)
	if err != nil {
		return view, err
	}
	if view, err = s.view(r, job); err != nil {
		return view, err
	}
	if job.Items > 0 {
		if view.Counts, err = s.ItemCounts(r, job); err != nil {
			return view, err
		}
	}
	if view.History, err = s.history(r, job); err != nil {
		return view, err
	}
	view.JobsAhead, err = s.tasks.Ahead(r.Context(), job)
	return view, err
}

// history is the attempts at the job. Which hosts there are is for whoever is in charge of all domains.
func (s *Service) history(r *web.Request, job tasks.Job) (list []Attempt, err error) {
	if job.Attempt == 0 {
		return nil, nil
	}
	attempts, err := s.tasks.Attempts(r.Context(), job)
	for _, a := range attempts {
		one := Attempt{Number: a.Number, StartedAt: a.StartedAt, EndedAt: a.EndedAt, Outcome: a.Outcome, Code: a.Code, Message: a.Message}
		if r.Caller.Domains.All {
			one.Worker = a.Worker
		}
		list = append(list, one)
	}
	return list, err
}

// answering answers with the job that get returns.
func (s *Service) answering(status int, get func(*web.Request) (tasks.Job, error)) func(*web.Request) error {
	return func(r *web.Request) error {
		job, err := get(r)
		if err != nil {
			return err
		}
		return s.answer(r, status, job)
	}
}

// Answer answers with a job that has ended.
func (s *Service) Answer(r *web.Request, job tasks.Job) error {
	return s.answer(r, http.StatusOK, job)
}

// answer answers with the job as the caller may see it; of one of many with the first page of its items.
func (s *Service) answer(r *web.Request, status int, job tasks.Job) error {
	view, err := s.view(r, job)
	if err == nil {
		err = s.addItems(r, job, &view)
	}
	if err == nil {
		view.History, err = s.history(r, job)
	}
	if err == nil {
		view.JobsAhead, err = s.tasks.Ahead(r.Context(), job)
	}
	if err != nil {
		return err
	}
	if !view.Done {
		askAgain(r, job)
	}
	r.Answer(status, view)
	return nil
}

// OfPath is the job that the path names, if the caller may see it and has its kind's scope or one
// of the others.
func (s *Service) OfPath(r *web.Request, others ...token.Scope) (tasks.Job, error) {
	return s.ofID(r, r.Path("id"), others...)
}

func (s *Service) ofID(r *web.Request, id string, others ...token.Scope) (tasks.Job, error) {
	job, err := s.tasks.Get(r.Context(), id, r.Caller.Domains)
	if err != nil {
		return job, err
	}
	return job, r.Need(append([]token.Scope{job.Kind.Scope()}, others...)...)
}

package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"trunkline/internal/cdr"
	"trunkline/internal/fault"
	"trunkline/internal/gateway"
	"trunkline/internal/postgres"
	"trunkline/internal/tenant"
	"trunkline/internal/token"
	"trunkline/tasks"
)

// jobView is a job as callers see it, in the shape of AIP-151: once done, exactly one of result and
// error is there.
type jobView struct {
	JobID           string          `json:"job_id" format:"uuid"`
	Kind            tasks.Kind      `json:"kind"`
	State           tasks.State     `json:"state"`
	Done            bool            `json:"done"` // it has ended: exactly one of result and error is there
	Progress        tasks.Progress  `json:"progress"`
	Attempts        int             `json:"attempts"` // how often a worker took it up
	CancelRequested bool            `json:"cancel_requested,omitempty"`
	ExternalID      string          `json:"external_id,omitempty"` // the caller's own name for it
	CreatedBy       string          `json:"created_by"`            // user@domain, or token:NAME
	CreatedAt       time.Time       `json:"created_at"`            // committed
	StartedAt       *time.Time      `json:"started_at,omitempty"`  // first taken up
	FinishedAt      *time.Time      `json:"finished_at,omitempty"` // ended
	Parameters      json.RawMessage `json:"parameters"`            // what was asked for, without secrets
	Result          any             `json:"result,omitempty"`      // what it left, by its kind
	Error           *jobError       `json:"error,omitempty"`
}

// jobResults are what the kinds of job leave.
var jobResults = []any{gateway.Result{}, exportView{}}

type jobError struct {
	Code    fault.Code `json:"code"`
	Message string     `json:"message"`
}

// exportView is an export's result together with a fresh link to its file.
type exportView struct {
	cdr.Result
	DownloadURL     string `json:"download_url,omitempty"`                        // a fresh link
	DownloadExpires string `json:"download_expires,omitempty" format:"date-time"` // when it ends
}

// jobPage is one page of the list, newest first.
type jobPage struct {
	Jobs []jobView `json:"jobs"`
	Next string    `json:"next,omitempty"` // the after of the next page; absent on the last one
}

func (s *Server) jobEndpoints() []endpoint {
	const readOrOwn, own = "Scope: read, or the kind's own.", "Scope: the kind's own."
	return []endpoint{
		{
			id: "listJobs", summary: "List jobs, newest first", methods: []string{"GET"}, path: "/v1/jobs",
			entry: signedIn, scopes: toRead, answer: s.listJobs,
			params: slices.Concat([]parameter{
				{name: "kind", about: "Those of a kind.", choices: namesOf(tasks.Kinds)},
				{name: "state", about: "Those in a state.", choices: namesOf(tasks.States)},
				{name: "created_after", about: "A time, or a date in UTC: those made then or later."},
				{name: "created_before", about: "A time, or a date in UTC: those made before."},
				{name: "external_id", about: "Those with the caller's own name.", most: maxKey},
				{name: "tenant_domain", about: "The domain, or global for those of none. Left out: all that the caller sees."},
				{name: "domain_uuid", about: "The same by UUID.", kind: kindUUID},
			}, pageParams),
			replies: []reply{{status: 200, about: "A page of jobs.", body: jobPage{}}},
			faults:  []fault.Code{fault.NotFound},
		},
		{
			id: "getJob", summary: "Show a job, or with wait wait for its end", note: readOrOwn, methods: []string{"GET"}, path: "/v1/jobs/:id",
			entry: signedIn, limit: limitWaiting, answer: s.getJob,
			params:  waitParams,
			replies: []reply{{status: 200, about: "The job.", body: jobView{}}},
			faults:  []fault.Code{fault.NotFound},
		},
		{
			id: "followJob", summary: "Follow a job", note: readOrOwn, methods: []string{"GET"}, path: "/v1/jobs/:id/events",
			entry: signedIn, limit: limitWaiting, answer: s.jobEvents,
			params: []parameter{{name: "Last-Event-ID", about: "The id of the last event that arrived: a browser sends it when it reconnects.", header: true}},
			replies: []reply{
				{
					status: 200, media: "text/event-stream",
					about: "Server-sent events: state and progress as they change, end with the whole job; each one's data is a Job.",
				},
				{status: 204, about: "It has ended, and Last-Event-ID says that the caller knows."},
			},
			faults: []fault.Code{fault.NotFound},
		},
		{
			id: "cancelJob", summary: "Cancel a job", note: own, methods: []string{"POST"}, path: "/v1/jobs/:id/cancel",
			entry: signedIn, answer: s.cancelJob,
			replies: []reply{{status: 200, about: "The job: cancelled, or asked to stop.", body: jobView{}}},
			faults:  []fault.Code{fault.NotFound, fault.JobState},
		},
		{
			id: "retryJob", summary: "Queue a failed or cancelled job again", note: own, methods: []string{"POST"}, path: "/v1/jobs/:id/retry",
			entry: signedIn, answer: s.retryJob,
			replies: []reply{{status: 202, about: "The job, queued again.", body: jobView{}}},
			faults:  []fault.Code{fault.NotFound, fault.JobState},
		},
	}
}

func (s *Server) view(job tasks.Job) (jobView, error) {
	v := jobView{
		JobID: job.ID, Kind: job.Kind, State: job.State, Done: job.State.Done(), Progress: job.Progress, Attempts: job.Attempt,
		CancelRequested: job.CancelRequested, ExternalID: job.ExternalID, CreatedBy: job.CreatedByName,
		CreatedAt: job.CreatedAt, StartedAt: job.StartedAt, FinishedAt: job.FinishedAt, Parameters: job.Params,
	}
	switch {
	case job.Error != nil:
		v.Error = &jobError{Code: job.Error.Code, Message: job.Error.Message}
	case job.Result != nil && job.Kind == tasks.KindExport:
		result, err := exportResultOf(job)
		if err != nil {
			return v, err
		}
		link, expires := s.downloadLink(job, result)
		v.Result = exportView{Result: result, DownloadURL: link, DownloadExpires: expires}
	case job.Result != nil:
		v.Result = job.Result
	}
	return v, nil
}

// listJobs lists the jobs that the user may see, newest first, in pages by key.
func (s *Server) listJobs(r *request) error {
	f, err := r.jobFilter()
	if err != nil {
		return err
	}
	jobs, next, err := s.tasks.List(r.context(), f)
	if err != nil {
		return err
	}
	page := jobPage{Jobs: make([]jobView, len(jobs)), Next: next}
	for i, job := range jobs {
		if page.Jobs[i], err = s.view(job); err != nil {
			return err
		}
	}
	r.answer(http.StatusOK, page)
	return nil
}

// getJob shows one job; with wait it waits for the job's end.
func (s *Server) getJob(r *request) error {
	patience, err := r.patience(0)
	if err != nil {
		return err
	}
	job, err := r.jobOfPath(token.ScopeRead)
	if err != nil {
		return err
	}
	if job, err = r.await(job, patience); err != nil {
		return err
	}
	return r.answerJob(http.StatusOK, job)
}

// cancelJob ends a job that has not begun, and asks the worker of one that runs to stop.
func (s *Server) cancelJob(r *request) error {
	job, err := r.jobOfPath()
	if err == nil {
		job, err = s.tasks.Cancel(r.context(), job.ID, r.caller.Domains)
	}
	if errors.Is(err, tasks.ErrState) {
		return &fault.Error{Code: fault.JobState, Message: fmt.Sprintf("the job has ended already: it is %s", job.State), JobID: job.ID}
	}
	if err != nil {
		return err
	}
	r.domainUUID = job.DomainUUID
	r.changed("job.cancel", string(job.Kind)+" job "+job.ID)
	if job.State.Done() {
		s.tasks.Finished(r.context(), job.ID)
	}
	return r.answerJob(http.StatusOK, job)
}

// retryJob queues a job again that failed or was cancelled.
func (s *Server) retryJob(r *request) error {
	job, err := r.jobOfPath()
	if err == nil {
		job, err = s.tasks.Retry(r.context(), job.ID, r.caller.Domains)
	}
	if errors.Is(err, tasks.ErrState) {
		return &fault.Error{Code: fault.JobState, JobID: job.ID, Message: fmt.Sprintf("the job cannot be retried: it is %s; "+
			"only a failed or cancelled one can, and a gateway only while its password is kept and no other job does the same. Otherwise send the request again", job.State)}
	}
	if err != nil {
		return err
	}
	s.tasks.Enqueue(r.context(), job)
	r.domainUUID = job.DomainUUID
	r.changed("job.retry", string(job.Kind)+" job "+job.ID)
	return r.answerJob(http.StatusAccepted, job)
}

// jobOfPath is the job that the path names, where the caller may see it and has its kind's scope or one
// of the others.
func (r *request) jobOfPath(others ...token.Scope) (tasks.Job, error) {
	job, err := r.s.job(r.context(), r.c.Param("id"), r.caller.Domains)
	if err != nil {
		return job, err
	}
	return job, r.need(append([]token.Scope{job.Kind.Scope()}, others...)...)
}

// job is the job of that id, within the reach. Another tenant's job is not there.
func (s *Server) job(ctx context.Context, id string, within tenant.Domains) (tasks.Job, error) {
	job, err := tasks.Job{}, tasks.ErrNotFound
	if postgres.IsUUID(id) {
		job, err = s.tasks.Get(ctx, id, within)
	}
	if errors.Is(err, tasks.ErrNotFound) {
		return tasks.Job{}, fault.Errorf(fault.NotFound, "there is no such job")
	}
	return job, err
}

func (r *request) answerJob(status int, job tasks.Job) error {
	v, err := r.s.view(job)
	if err != nil {
		return err
	}
	if !v.Done {
		r.c.Header("Location", jobPath(job.ID))
		r.c.Header("Retry-After", strconv.Itoa(retryAfter))
	}
	r.answer(status, v)
	return nil
}

package jobs

import (
	"errors"
	"fmt"

	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/tasks"
)

// change is what can be done with jobs that there are, with one or with many.
type change struct {
	name    tasks.Change
	audited string // as the audit words it
	refusal string // of a job whose state does not allow it, with %s for that
	do      func(*Service, *web.Request, tasks.Job) (tasks.Job, error)
}

var changes = map[tasks.Change]change{
	tasks.ChangeCancel: {
		name: tasks.ChangeCancel, audited: "job.cancel", refusal: "the job has ended already: it is %s",
		do: func(s *Service, r *web.Request, job tasks.Job) (tasks.Job, error) {
			return s.tasks.Cancel(r.Context(), job.ID, r.Caller.Domains)
		},
	},
	tasks.ChangeRetry: {
		name: tasks.ChangeRetry, audited: "job.retry",
		refusal: "the job cannot be retried: it is %s; " +
			"only one that failed, ended in part or was cancelled can, and one about gateways only while its secrets are kept, which are wiped when it is cancelled. Otherwise send the request again",
		do: (*Service).retry,
	},
}

// Cancel ends the path's job if it has not begun, and asks the worker of one that runs to stop.
func (s *Service) Cancel(r *web.Request) (tasks.Job, error) {
	return s.change(r, r.Path("id"), changes[tasks.ChangeCancel])
}

// Retry queues the path's job again, which failed or was cancelled, if the caller could ask for it anew.
func (s *Service) Retry(r *web.Request) (tasks.Job, error) {
	return s.change(r, r.Path("id"), changes[tasks.ChangeRetry])
}

func (s *Service) retry(r *web.Request, job tasks.Job) (tasks.Job, error) {
	var secrets any
	if judge := s.kinds[job.Kind].JudgeRetry; judge != nil && (job.State == tasks.StateFailed || job.State == tasks.StateCancelled || job.State == tasks.StatePartial) {
		var err error
		if secrets, err = judge(r, job); err != nil {
			return job, err
		}
	}
	return s.tasks.RetryWith(r.Context(), job.ID, r.Caller.Domains, secrets)
}

// change makes a change of the job and records it. The refusal says why the job's state does not allow it.
func (s *Service) change(r *web.Request, id string, c change) (tasks.Job, error) {
	job, err := s.ofID(r, id)
	if err == nil {
		err = mayChange(r, job)
	}
	if err == nil {
		job, err = c.do(s, r, job)
	}
	if errors.Is(err, tasks.ErrState) {
		return job, c.refused(job)
	}
	if err == nil {
		r.Changed(c.audited, string(job.Kind)+" job "+job.ID, job.DomainUUID)
	}
	return job, err
}

// refused is why the change is not made to a job in its state.
func (c change) refused(job tasks.Job) error {
	return &fault.Error{Code: fault.JobState, Message: fmt.Sprintf(c.refusal, job.State), JobID: job.ID}
}

// mayChange fails unless the caller has the kind's scope, and whoever asked for the job could ask for no more than the
// caller: what a superadmin has decided about a domain's gateway is not the domain's to undo. They are judged as they stand
// now.
func mayChange(r *web.Request, job tasks.Job) error {
	if err := r.Need(job.Kind.Scope()); err != nil {
		return err
	}
	if r.Caller.ID == job.CreatedBy || r.Caller.Domains.All {
		return nil
	}
	by, err := r.Holder(job.CreatedBy)
	if err == nil && !by.Reach.Within(r.Caller.Domains) {
		return &fault.Error{Code: fault.Forbidden, JobID: job.ID, Message: "this job was asked for by somebody who is not for " + r.Caller.Domains.Names() +
			" alone, such as a superadmin; only such a caller may cancel or retry it"}
	}
	return err
}

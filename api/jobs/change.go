package jobs

import (
	"errors"
	"fmt"

	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/tasks"
)

// Cancel ends the path's job if it has not begun, and asks the worker of one that runs to stop.
func (s *Service) Cancel(r *web.Request) (tasks.Job, error) {
	return s.change(r, "job.cancel", "the job has ended already: it is %s", func(job tasks.Job) (tasks.Job, error) {
		return s.tasks.Cancel(r.Context(), job.ID, r.Caller.Domains)
	})
}

// Retry queues the path's job again, which failed or was cancelled, if the caller could ask for it anew.
func (s *Service) Retry(r *web.Request) (tasks.Job, error) {
	return s.change(r, "job.retry", "the job cannot be retried: it is %s; "+
		"only one that failed, ended in part or was cancelled can, and one about gateways only while its secrets are kept, which are wiped when it is cancelled. Otherwise send the request again",
		func(job tasks.Job) (tasks.Job, error) {
			var secrets any
			if judge := s.kinds[job.Kind].JudgeRetry; judge != nil && (job.State == tasks.StateFailed || job.State == tasks.StateCancelled || job.State == tasks.StatePartial) {
				var err error
				if secrets, err = judge(r, job); err != nil {
					return job, err
				}
			}
			return s.tasks.RetryWith(r.Context(), job.ID, r.Caller.Domains, secrets)
		})
}

// change makes a change of the path's job and records it. The refusal says why the job's state does not
// allow it.
func (s *Service) change(r *web.Request, action, refusal string, do func(tasks.Job) (tasks.Job, error)) (tasks.Job, error) {
	job, err := s.OfPath(r)
	if err == nil {
		err = mayChange(r, job)
	}
	if err == nil {
		job, err = do(job)
	}
	if errors.Is(err, tasks.ErrState) {
		return job, &fault.Error{Code: fault.JobState, Message: fmt.Sprintf(refusal, job.State), JobID: job.ID}
	}
	if err == nil {
		r.Changed(action, string(job.Kind)+" job "+job.ID, job.DomainUUID)
	}
	return job, err
}

// mayChange fails unless whoever asked for the job could ask for no more than the caller: what a superadmin
// has decided about a domain's gateway is not the domain's to undo. They are judged as they stand now.
func mayChange(r *web.Request, job tasks.Job) error {
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

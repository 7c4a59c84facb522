package jobs

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"trunkline/api/web"
	"trunkline/internal/delivery/destinations"
	"trunkline/internal/delivery/webhook"
	"trunkline/internal/fault"
	"trunkline/tasks"
)

// Asked is a job that a request asks for.
type Asked struct {
	// NewJob is the job but for what the request itself says: who asks, the keys, the hash of the body and who is told. An
	// IdempotencyKey is there for a request that brings none.
	tasks.NewJob
	// Body are the parts of the request, the external_id among them, that tell whether two requests ask for
	// the same.
	Body []string
	// Action and What are how the audit words the change; no Action: nothing is changed.
	Action, What string
	// Check refuses what the worker would refuse too, so that the caller hears of it at once, or answers
	// if there is nothing to do. It may be nil.
	Check func() (answered bool, err error)
	// Fill judges what is asked for and sets the rest of the job, such as its items: it is asked only if there is no earlier
	// job. It may be nil.
	Fill func(*tasks.NewJob) error
	// Stands refuses a repeated request if what its job did was changed since, so that its result is true no
	// more. It may be nil.
	Stands func(tasks.Job) error
	// AtOnce does what is little by itself and records it, within the time. done is false if it is too much.
	// It may be nil.
	AtOnce func(n tasks.NewJob, within time.Duration) (job tasks.Job, done bool, err error)
	// Answer answers for the job once it has succeeded.
	Answer func(tasks.Job) error
}

// Do has the job done, waits for its end as long as the caller likes, and answers as it stands then. A
// request whose key belongs to an earlier job, which runs or has succeeded, gets that one's answer.
func (s *Service) Do(r *web.Request, a Asked) error {
	patience, err := s.patience(r, s.settings.WaitDefault)
	if err != nil {
		return err
	}
	began := time.Now()
	job, answered, err := s.start(r, a, patience)
	if err != nil || answered {
		return err
	}
	if job, err = s.await(r, job, patience-time.Since(began)); err != nil {
		return err
	}
	if !job.State.Done() {
		return s.answerPending(r, job)
	}
	if err := EndOf(job); err != nil {
		return err
	}
	return a.Answer(job)
}

// Start has the job done and waits for nothing. answered: Check has answered, and there is no job.
func (s *Service) Start(r *web.Request, a Asked) (job tasks.Job, answered bool, err error) {
	return s.start(r, a, 0)
}

// start commits the job, or finds the one that the request's key belongs to.
func (s *Service) start(r *web.Request, a Asked, patience time.Duration) (job tasks.Job, answered bool, err error) {
	a.CreatedBy, a.CreatedByName, a.RequestID = r.Caller.ID, r.Caller.Name, r.ID
	if a.Callback = r.Params.Get(destinations.CallbackParameter); a.Callback != "" {
		if err := webhook.CheckURL(destinations.CallbackParameter, a.Callback); err != nil {
			return job, false, err
		}
		a.Body = append(a.Body, destinations.CallbackParameter, a.Callback)
	}
	a.BodyHash, a.SameBody = s.tasks.Keys().BodyHash(a.Body...), s.tasks.Keys().BodyHashes(a.Body...)
	if err := requestKeys(r, &a.NewJob); err != nil {
		return job, false, err
	}
	job, found, err := s.tasks.Earlier(r.Context(), a.NewJob)
	if err != nil {
		return job, false, keyReused(err)
	}
	if found && job.State.Done() && a.Stands != nil {
		if err := a.Stands(job); err != nil {
			return job, false, err
		}
	}
	if !found {
		return s.begin(r, a, patience)
	}
	return job, false, nil
}

// begin commits the job, or attaches to the one that the same request made before, and has it start.
func (s *Service) begin(r *web.Request, a Asked, patience time.Duration) (job tasks.Job, answered bool, err error) {
	job, accepted, answered, err := s.accept(r, a, patience)
	if err != nil || answered {
		return job, answered, err
	}
	if accepted { // all who were accepted at the same time share the admission, and need no place for it
		s.tasks.Admit(r.Context())
	}
	if a.Action != "" {
		r.Changed(a.Action, a.What+", job "+job.ID, a.DomainUUID)
	}
	return job, false, nil
}

// accept judges the request and commits its job. accepted: it was accepted now, and waits to be admitted.
func (s *Service) accept(r *web.Request, a Asked, patience time.Duration) (job tasks.Job, accepted, answered bool, err error) {
	if a.Callback != "" && a.DomainUUID == "" && !r.Caller.Domains.All {
		return job, false, false, fault.Invalid(destinations.CallbackParameter, "is signed with the secret of one domain, and this is about several; ask for each by itself")
	}
	if a.Callback != "" { // while its host is looked up nothing is held that others wait for
		if err := s.destinations.CheckCallback(r.Context(), a.DomainUUID, a.Callback); err != nil {
			return job, false, false, err
		}
	}
	if a.Fill != nil || len(a.Items) > 0 {
		// Many rows at once are much to hold and to judge. What is asked for one by one shares its questions with the
		// others of its domain, so that a flood of them takes no more of the database's connections than one does.
		leave, err := r.Place(web.AtOnceJobs, a.DomainUUID)
		if err != nil {
			return job, false, false, err
		}
		defer leave()
	}
	if a.Check != nil {
		if answered, err = a.Check(); err != nil || answered {
			return job, false, answered, err
		}
	}
	if a.Fill != nil {
		if err := a.Fill(&a.NewJob); err != nil {
			return job, false, false, err
		}
	}
	if a.AtOnce != nil && a.Callback == "" { // whose end it is has to be kept with the job
		job, done, err := a.AtOnce(a.NewJob, patience)
		if err != nil || done {
			return job, false, false, err
		}
	}
	job, accepted, err = s.tasks.Create(r.Context(), a.NewJob)
	return job, accepted, false, keyReused(err)
}

// ResultOf is the result that a job has left.
func ResultOf[T any](job tasks.Job) (T, error) {
	var result T
	if err := json.Unmarshal(job.Result, &result); err != nil {
		return result, fmt.Errorf("reading the result of job %s: %w", job.ID, err)
	}
	return result, nil
}

// EndOf is the failure of a job that ended without a result, else nil.
func EndOf(job tasks.Job) error {
	if job.Error == nil {
		return nil
	}
	return &fault.Error{Code: job.Error.Code, Message: job.Error.Message, JobID: job.ID}
}

const (
	// MaxKey bounds an Idempotency-Key and an external_id, in bytes.
	MaxKey = 255
	// keyRemedy says what to do about a key that belongs to another request.
	keyRemedy = "was used before with another request; send the same parameters as then, or a new Idempotency-Key"
)

// requestKeys sets what a repeated request attaches by.
func requestKeys(r *web.Request, n *tasks.NewJob) error {
	if key := r.Header("Idempotency-Key"); key != "" {
		n.IdempotencyKey = key
	}
	n.ExternalID = r.Params.Get("external_id")
	if len(r.HTTP().Header.Values("Idempotency-Key")) > 1 {
		return fault.Invalid("Idempotency-Key", "is given twice; give it once")
	}
	if len(n.IdempotencyKey) > MaxKey || strings.ContainsFunc(n.IdempotencyKey, func(c rune) bool { return c < ' ' || c > '~' }) {
		return fault.Invalid("Idempotency-Key", "must be at most %d printable ASCII characters", MaxKey)
	}
	return CheckExternalID(n.ExternalID)
}

// CheckExternalID refuses one that is too long.
func CheckExternalID(id string) error {
	if len(id) > MaxKey {
		return fault.Invalid("external_id", "is longer than %d bytes", MaxKey)
	}
	return nil
}

// keyReused words that the key was sent with another body before.
func keyReused(err error) error {
	if !errors.Is(err, tasks.ErrKeyReused) {
		return err
	}
	return fault.Errorf(fault.KeyReused, "Idempotency-Key: %s", keyRemedy)
}

// pending is the answer while a job has not ended. It never looks like success.
type pending struct {
	Status  string      `json:"status" enum:"pending"`
	Message string      `json:"message"`              // where to ask again, and what is waited for
	JobID   string      `json:"job_id" format:"uuid"` // the job
	State   tasks.State `json:"state" enum:"queued,running"`
	web.Ignoring
}

// answerPending tells the caller where to ask again.
func (s *Service) answerPending(r *web.Request, job tasks.Job) error {
	waits := waitsFor(job)
	since, err := s.tasks.PausedSince(r.Context(), job)
	if err != nil {
		return err
	}
	if since != nil {
		waits = fmt.Sprintf(": the queue %s is paused since %s, and the job begins when it is resumed", job.Kind.Queue(), since.UTC().Format(time.RFC3339))
	}
	askAgain(r, job)
	r.Answer(http.StatusAccepted, pending{
		Status: "pending", JobID: job.ID, State: job.State, Ignoring: r.Ignoring,
		Message: "The job is not finished yet" + waits + ". Ask for it at " + pathOf(job) + ", or send the same request again",
	})
	return nil
}

// waitsFor is what the job says that it waits for.
func waitsFor(job tasks.Job) string {
	if job.Progress.Note == "" {
		return ""
	}
	return ": " + job.Progress.Note
}

// askAgain sets the headers that say where and when to ask for the job again.
func askAgain(r *web.Request, job tasks.Job) {
	r.SetHeader("Location", pathOf(job))
	r.SetHeader("Retry-After", strconv.Itoa(web.RetryAfter))
}

func pathOf(job tasks.Job) string { return "/v1/jobs/" + job.ID }

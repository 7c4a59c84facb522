package jobs

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/token"
	"trunkline/tasks"
)

// Queue is how a queue stands.
type Queue struct {
	Queue         string       `json:"queue"`
	Kinds         []tasks.Kind `json:"kinds"`          // of the jobs that wait in it
	Queued        int64        `json:"queued"`         // jobs that wait
	Running       int64        `json:"running"`        // jobs that run
	OldestSeconds int64        `json:"oldest_seconds"` // for how long the oldest has waited; 0 if none waits
	Workers       int          `json:"workers"`        // that are alive and serve it
	Concurrency   int          `json:"concurrency"`    // how many of its jobs these run at a time, together
	Paused        *QueuePause  `json:"paused,omitempty"`
}

// QueuePause says since when no job of a queue begins.
type QueuePause struct {
	By     string    `json:"by"` // user@domain, or token:NAME
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// QueueList is all queues.
type QueueList struct {
	Queues []Queue `json:"queues"`
}

// Worker is one that is alive.
type Worker struct {
	ID            string        `json:"id" format:"uuid"`
	Host          string        `json:"host"`
	PID           int           `json:"pid"`
	Version       string        `json:"version"`
	Since         time.Time     `json:"since"`          // when it began to serve
	LastHeartbeat time.Time     `json:"last_heartbeat"` // when it last said so
	Queues        []WorkerQueue `json:"queues"`
	Jobs          []WorkerJob   `json:"jobs"` // that it runs, the oldest first
}

// WorkerQueue is a queue that a worker serves.
type WorkerQueue struct {
	Queue       string `json:"queue"`
	Concurrency int    `json:"concurrency"` // how many of its jobs it runs at a time
}

// WorkerJob is a job that a worker runs.
type WorkerJob struct {
	JobID     string         `json:"job_id" format:"uuid"`
	Kind      tasks.Kind     `json:"kind"`
	CreatedBy string         `json:"created_by"`
	StartedAt *time.Time     `json:"started_at,omitempty"`
	Progress  tasks.Progress `json:"progress"`
}

// WorkerList is all workers that are alive.
type WorkerList struct {
	Workers []Worker `json:"workers"`
}

// maxReason bounds the reason of a pause, in bytes.
const maxReason = 500

// QueueEndpoints are those of queues and workers.
func (s *Service) QueueEndpoints() []web.Endpoint {
	const allDomains = "For whoever is in charge of all domains."
	return []web.Endpoint{
		{
			ID: "listQueues", Summary: "List the queues", Note: allDomains, Methods: []string{"GET"}, Path: "/v1/queues",
			Entry: web.SignedIn, Scope: token.ScopeRead, Answer: web.JSON(http.StatusOK, s.Queues),
			Replies: []web.Reply{{Status: 200, About: "What waits and runs in each, and whether it is paused.", Body: QueueList{}}},
		},
		{
			ID: "pauseQueue", Summary: "Pause a queue", Note: allDomains + " No job of it begins until it is resumed; what runs goes on.",
			Methods: []string{"POST"}, Path: "/v1/queues/:name/pause",
			Entry: web.SignedIn, Scope: token.ScopeAdmin, Answer: web.JSON(http.StatusOK, s.PauseQueue),
			Params:  []web.Param{{Name: "reason", About: "Why, for whoever finds it paused.", Required: true, Most: maxReason}},
			Replies: []web.Reply{{Status: 200, About: "The queue. One that was paused already stays as it was.", Body: Queue{}}},
			Faults:  []fault.Code{fault.NotFound, fault.MissingParameters},
		},
		{
			ID: "resumeQueue", Summary: "Resume a queue", Note: allDomains, Methods: []string{"POST"}, Path: "/v1/queues/:name/resume",
			Entry: web.SignedIn, Scope: token.ScopeAdmin, Answer: web.JSON(http.StatusOK, s.ResumeQueue),
			Replies: []web.Reply{{Status: 200, About: "The queue. One that was not paused stays as it was.", Body: Queue{}}},
			Faults:  []fault.Code{fault.NotFound},
		},
		{
			ID: "listWorkers", Summary: "List the workers that are alive, with what they run", Note: allDomains, Methods: []string{"GET"}, Path: "/v1/workers",
			Entry: web.SignedIn, Scope: token.ScopeRead, Answer: web.JSON(http.StatusOK, s.Workers),
			Replies: []web.Reply{{Status: 200, About: "The workers.", Body: WorkerList{}}},
		},
	}
}

// ofAllDomains fails unless the caller is in charge of all domains: queues and workers are everybody's.
func ofAllDomains(r *web.Request) error {
	if r.Caller.Domains.All {
		return nil
	}
	return fault.Errorf(fault.Forbidden, "queues and workers are those of all domains, and these credentials are for %s alone; use a superadmin's or a token's for all domains", r.Caller.Domains.Names())
}

// Queues are all queues as they stand.
func (s *Service) Queues(r *web.Request) (list QueueList, err error) {
	if err := ofAllDomains(r); err != nil {
		return list, err
	}
	statuses, err := s.tasks.QueueStatuses(r.Context())
	for _, status := range statuses {
		list.Queues = append(list.Queues, viewQueue(status))
	}
	return list, err
}

func viewQueue(s tasks.QueueStatus) Queue {
	q := Queue{Queue: s.Queue, Queued: s.Queued, Running: s.Running, OldestSeconds: int64(s.Oldest.Seconds()), Workers: s.Workers, Concurrency: s.Slots}
	for _, kind := range tasks.Kinds {
		if kind.Queue() == s.Queue {
			q.Kinds = append(q.Kinds, kind)
		}
	}
	if s.Paused != nil {
		q.Paused = &QueuePause{By: s.Paused.By, Reason: s.Paused.Reason, At: s.Paused.At}
	}
	return q
}

// PauseQueue pauses the path's queue.
func (s *Service) PauseQueue(r *web.Request) (q Queue, err error) {
	if err := ofAllDomains(r); err != nil {
		return q, err
	}
	reason := r.Params.Get("reason")
	switch {
	case reason == "":
		return q, fault.Errorf(fault.MissingParameters, "reason: say why, for whoever finds the queue paused")
	case len(reason) > maxReason:
		return q, fault.Invalid("reason", "is longer than %d bytes", maxReason)
	}
	name, err := queueOf(r)
	if err != nil {
		return q, err
	}
	changed, err := s.tasks.PauseQueue(r.Context(), name, r.Caller.Name, reason)
	if err != nil {
		return q, err
	}
	if changed {
		r.Changed("queue.pause", "queue "+name+": "+reason, "")
	}
	return s.queue(r, name)
}

// ResumeQueue resumes the path's queue.
func (s *Service) ResumeQueue(r *web.Request) (q Queue, err error) {
	if err := ofAllDomains(r); err != nil {
		return q, err
	}
	name, err := queueOf(r)
	if err != nil {
		return q, err
	}
	switch err := s.tasks.ResumeQueue(r.Context(), name); {
	case err == nil:
		r.Changed("queue.resume", "queue "+name, "")
	case !errors.Is(err, tasks.ErrNotPaused):
		return q, err
	}
	return s.queue(r, name)
}

func (s *Service) queue(r *web.Request, name string) (q Queue, err error) {
	list, err := s.Queues(r)
	for _, one := range list.Queues {
		if one.Queue == name {
			return one, err
		}
	}
	return q, err
}

// queueOf is the queue that the path names.
func queueOf(r *web.Request) (string, error) {
	var names []string
	for _, q := range tasks.Queues {
		names = append(names, q.Name)
	}
	name := r.Path("name")
	if !slices.Contains(names, name) {
		return "", fault.Errorf(fault.NotFound, "there is no queue %.200q; there are %s", name, strings.Join(names, ", "))
	}
	return name, nil
}

// Workers are those that are alive.
func (s *Service) Workers(r *web.Request) (list WorkerList, err error) {
	if err := ofAllDomains(r); err != nil {
		return list, err
	}
	list.Workers = []Worker{}
	live, err := s.tasks.LiveWorkers(r.Context())
	for _, w := range live {
		host, pid, _ := strings.Cut(w.Name, ":")
		view := Worker{ID: w.ID, Host: host, Version: w.Version, Since: w.Since, LastHeartbeat: w.SeenAt, Jobs: []WorkerJob{}}
		view.PID, _ = strconv.Atoi(pid) // its worker has written it
		for _, q := range w.Queues {
			view.Queues = append(view.Queues, WorkerQueue{Queue: q.Queue, Concurrency: q.Slots})
		}
		for _, job := range w.Running {
			view.Jobs = append(view.Jobs, WorkerJob{JobID: job.ID, Kind: job.Kind, CreatedBy: job.CreatedByName, StartedAt: job.StartedAt, Progress: job.Progress})
		}
		list.Workers = append(list.Workers, view)
	}
	return list, err
}

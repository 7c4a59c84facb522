package remote

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"trunkline/internal/client"
)

// Queues are the commands about queues.
type Queues struct {
	Connection

	List   queueListCommand   `cmd:"" help:"List the queues: what waits and runs in each, and whether it is paused."`
	Pause  queuePauseCommand  `cmd:"" help:"Have no job of a queue begin until it is resumed; what runs goes on."`
	Resume queueResumeCommand `cmd:"" help:"Have the jobs of a queue begin again."`
}

// Help is the group's.
func (Queues) Help() string {
	return `They ask the HTTP API, so that they work from anywhere: at TRUNKLINE_URL, with the token of TRUNKLINE_TOKEN, which has to be for all domains.

Example: trunkline queues pause export --reason "the disk is being replaced"`
}

const queuesPath = "/v1/queues"

type queueListCommand struct{ Format }

func (queueListCommand) Help() string { return `Example: trunkline queues list` }

func (c queueListCommand) Run(s *session) error {
	answer, err := s.api.Do(s.ctx, client.Request{Method: http.MethodGet, Path: queuesPath})
	if err != nil {
		return s.worded(err)
	}
	var found struct {
		Queues []json.RawMessage `json:"queues"`
	}
	if err := answer.Decode(&found); err != nil {
		return err
	}
	l := listing{headings: []string{"QUEUE", "QUEUED", "RUNNING", "OLDEST", "WORKERS", "CONCURRENCY", "PAUSED"}, raw: found.Queues}
	for _, text := range found.Queues {
		var q struct {
			Queue                string
			Queued, Running      int64
			OldestSeconds        int64 `json:"oldest_seconds"`
			Workers, Concurrency int
			Paused               *struct{ By, Reason, At string }
		}
		if err := json.Unmarshal(text, &q); err != nil {
			return fmt.Errorf("reading the list of queues: %w", err)
		}
		paused := ""
		if q.Paused != nil {
			paused = fmt.Sprintf("since %s by %s: %s", q.Paused.At, q.Paused.By, q.Paused.Reason)
		}
		l.rows = append(l.rows, []string{
			q.Queue, fmt.Sprint(q.Queued), fmt.Sprint(q.Running), fmt.Sprintf("%ds", q.OldestSeconds), fmt.Sprint(q.Workers), fmt.Sprint(q.Concurrency), paused,
		})
	}
	return s.print(c.Format, l)
}

// QueueName is the queue that a command is about.
type QueueName struct {
	Queue string `arg:"" help:"The queue: provision, export, bulk or deliver."`
}

func (q QueueName) change(s *session, action string, form url.Values) error {
	answer, err := s.api.Do(s.ctx, client.Request{Method: http.MethodPost, Path: queuesPath + "/" + url.PathEscape(q.Queue) + "/" + action, Form: form})
	if err != nil {
		return s.worded(err)
	}
	return s.printFields(json.RawMessage(answer.Body))
}

type queuePauseCommand struct {
	QueueName
	Reason string `required:"" placeholder:"TEXT" help:"Why, for whoever finds it paused."`
}

func (queuePauseCommand) Help() string {
	return `Example: trunkline queues pause export --reason "the disk is being replaced"`
}

func (c queuePauseCommand) Run(s *session) error {
	return c.change(s, "pause", url.Values{"reason": {c.Reason}})
}

type queueResumeCommand struct{ QueueName }

func (queueResumeCommand) Help() string { return `Example: trunkline queues resume export` }

func (c queueResumeCommand) Run(s *session) error { return c.change(s, "resume", nil) }

// Workers are the commands about workers.
type Workers struct {
	Connection

	List workerListCommand `cmd:"" help:"List the workers that are alive, with what each runs."`
}

// Help is the group's.
func (Workers) Help() string {
	return `They ask the HTTP API, so that they work from anywhere: at TRUNKLINE_URL, with the token of TRUNKLINE_TOKEN, which has to be for all domains.

Example: trunkline workers list`
}

type workerListCommand struct{ Format }

func (workerListCommand) Help() string { return `Example: trunkline workers list` }

func (c workerListCommand) Run(s *session) error {
	answer, err := s.api.Do(s.ctx, client.Request{Method: http.MethodGet, Path: "/v1/workers"})
	if err != nil {
		return s.worded(err)
	}
	var found struct {
		Workers []json.RawMessage `json:"workers"`
	}
	if err := answer.Decode(&found); err != nil {
		return err
	}
	l := listing{headings: []string{"HOST", "PID", "SINCE", "HEARTBEAT", "QUEUES", "JOBS", "VERSION"}, raw: found.Workers}
	for _, text := range found.Workers {
		var w struct {
			Host, Version, Since string
			PID                  int
			LastHeartbeat        string `json:"last_heartbeat"`
			Queues               []struct {
				Queue       string
				Concurrency int
			}
			Jobs []struct {
				JobID string `json:"job_id"`
				Kind  string
			}
		}
		if err := json.Unmarshal(text, &w); err != nil {
			return fmt.Errorf("reading the list of workers: %w", err)
		}
		var queues, jobs []string
		for _, q := range w.Queues {
			queues = append(queues, fmt.Sprintf("%s:%d", q.Queue, q.Concurrency))
		}
		for _, job := range w.Jobs {
			jobs = append(jobs, job.Kind+" "+job.JobID)
		}
		l.rows = append(l.rows, []string{w.Host, fmt.Sprint(w.PID), w.Since, w.LastHeartbeat, strings.Join(queues, " "), strings.Join(jobs, ", "), w.Version})
	}
	return s.print(c.Format, l)
}

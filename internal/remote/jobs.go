package remote

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"trunkline/internal/client"
	"trunkline/internal/fault"
	"trunkline/internal/token"
)

// Jobs are the commands about jobs.
type Jobs struct {
	Connection

	List   jobListCommand   `cmd:"" help:"List jobs, newest first."`
	Show   jobShowCommand   `cmd:"" help:"Show a job: its state, what was asked for, its result or its error."`
	Watch  jobWatchCommand  `cmd:"" help:"Follow a job to its end, and tell by the exit status how it ended."`
	Cancel jobCancelCommand `cmd:"" help:"End jobs that have not begun, and ask those that run to stop: some, or all of a filter."`
	Retry  jobRetryCommand  `cmd:"" help:"Queue jobs again that failed or were cancelled, some or all of a filter; of one of many rows those that failed."`
}

// Help is the group's.
func (Jobs) Help() string {
	return `They ask the HTTP API, so that they work from anywhere: at TRUNKLINE_URL, with the token of TRUNKLINE_TOKEN.

` + statusHelp + `

Example: trunkline jobs list --state failed --since 24h`
}

// JobFilter are the flags that say which jobs are meant.
type JobFilter struct {
	Kind       string `placeholder:"KIND" help:"Only those of a kind: provision, bulk or export."`
	State      string `placeholder:"STATE" help:"Only those that are queued, running, succeeded, partial, failed or cancelled."`
	Since      string `placeholder:"TIME" help:"Only those made since then: a time back from now (24h, 7d), a date or a time."`
	Until      string `placeholder:"TIME" help:"Only those made before then."`
	ExternalID string `placeholder:"ID" help:"Only those with the caller's own name."`
	Who        string `placeholder:"NAME" help:"Only those that user@domain, or token:NAME, asked for."`
	Text       string `placeholder:"TEXT" help:"Only those with it in their error or in what they are about; with --since."`
	Domain     string `placeholder:"NAME" help:"Only those of a domain; global for those of none."`
}

type jobListCommand struct {
	Format
	JobFilter
	Limit int `default:"50" help:"How many at most; 0 for all."`
}

func (jobListCommand) Help() string {
	return `Example: trunkline jobs list --kind bulk --since 7d

Example: trunkline jobs list --state failed --limit 0 -o csv`
}

func (c jobListCommand) Run(s *session) error {
	query, err := c.query(time.Now())
	if err != nil {
		return err
	}
	found, err := s.pages("/v1/jobs", query, "jobs", c.Limit)
	if err != nil {
		return err
	}
	l := listing{headings: []string{"JOB", "KIND", "STATE", "CREATED", "BY", "EXTERNAL ID", "PROGRESS", "NOTE"}, raw: found.entries}
	for _, text := range found.entries {
		var job client.Job
		if err := json.Unmarshal(text, &job); err != nil {
			return fmt.Errorf("reading the list of jobs: %w", err)
		}
		l.rows = append(l.rows, []string{
			job.JobID, job.Kind, job.State, job.CreatedAt.UTC().Format(time.RFC3339), job.CreatedBy, job.ExternalID, howFar(job.Progress), noteOf(job),
		})
	}
	if err := s.print(c.Format, l); err != nil {
		return err
	}
	if found.more {
		s.tell("older ones are left out; --limit shows more")
	}
	return nil
}

// noteOf is why a job failed, or what it waits for.
func noteOf(job client.Job) string {
	switch {
	case job.Error != nil:
		return job.Error.Code + ": " + job.Error.Message
	case !job.Done && job.CancelRequested:
		return "asked to stop"
	case !job.Done:
		return job.Progress.Note
	}
	return ""
}

func (c JobFilter) query(now time.Time) (url.Values, error) {
	q := url.Values{}
	for name, value := range map[string]string{"kind": c.Kind, "state": c.State, "external_id": c.ExternalID, "who": c.Who, "text": c.Text, "tenant_domain": c.Domain} {
		if value != "" {
			q.Set(name, value)
		}
	}
	for _, bound := range []struct{ flag, name, text string }{{"--since", "created_after", c.Since}, {"--until", "created_before", c.Until}} {
		if bound.text == "" {
			continue
		}
		at, err := timeOf(bound.flag, bound.text, now)
		if err != nil {
			return nil, err
		}
		q.Set(bound.name, at.UTC().Format(time.RFC3339))
	}
	return q, nil
}

// timeOf is a date, a time, or a length of time back from now.
func timeOf(flag, text string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	back, err := token.ParseLifetime(flag, text)
	if err != nil {
		return now, fmt.Errorf("%s: %q is no time; write how far back (24h, 7d), a date (2026-01-31) or a time (2026-01-31T12:00:00Z)", flag, fault.Clip(text))
	}
	return now.Add(-back), nil
}

// jobID checks that it is one before it becomes a part of a path.
func jobID(given string) (string, error) {
	return idOf(given, "a job's id; trunkline jobs list shows them")
}

// idOf is a UUID as it becomes a part of a path. what says what it should be, and where it is found.
func idOf(given, what string) (string, error) {
	id, err := uuid.Parse(given)
	if err != nil || len(given) != len(id.String()) {
		return "", fmt.Errorf("%q is not %s", fault.Clip(given), what)
	}
	return id.String(), nil
}

// pathOf is the path of one of a list, or of what lies below it. It checks that what was given is an id before it becomes a
// part of a path; what is as idOf has it.
func pathOf(list, given, what string, below ...string) (string, error) {
	id, err := idOf(given, what)
	return strings.Join(append([]string{list, id}, below...), "/"), err
}

package remote

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"trunkline/internal/client"
)

type jobShowCommand struct {
	Job       string `arg:"" name:"id" help:"The job's id."`
	Output    string `short:"o" enum:"table,json,csv" default:"table" help:"table, json; with --items csv too: the rows of the file as it came, with what became of each."`
	Items     bool   `help:"Show what became of each row of a job that is about many."`
	ItemState string `placeholder:"STATE" help:"Only rows that are queued, succeeded, failed or skipped; with --items."`
}

func (jobShowCommand) Help() string {
	return `Example: trunkline jobs show 0190f3c2-7d1e-7c55-b2a4-5a1f6f0e9a11

Example: trunkline jobs show 0190f3c2-7d1e-7c55-b2a4-5a1f6f0e9a11 --items --item-state failed`
}

func (c jobShowCommand) Run(s *session) error {
	id, err := jobID(c.Job)
	if err != nil {
		return err
	}
	if c.Items {
		return c.items(s, id)
	}
	if c.ItemState != "" {
		return errors.New("--item-state: chooses among rows; give --items too")
	}
	job, err := s.api.Job(s.ctx, id)
	if err != nil {
		return s.worded(err)
	}
	switch c.Output {
	case "json":
		return s.printJSON(job.Raw)
	case "csv":
		return errors.New("-o csv: a job is no table; -o json prints it, and --items -o csv its rows")
	}
	s.printJob(job)
	return nil
}

// printJob prints a job, one line for each thing that there is to say.
func (s *session) printJob(job client.Job) {
	line := func(name, value string) {
		if value != "" {
			s.printf("%-12s %s\n", name, visible(value))
		}
	}
	line("job", job.JobID)
	line("kind", job.Kind)
	line("state", job.State)
	if job.JobsAhead != nil {
		line("ahead", fmt.Sprintf("%d jobs start before it, as things stand", *job.JobsAhead))
	}
	line("progress", howFar(job.Progress))
	line("note", noteOf(job))
	line("rows", counted(job.Counts))
	line("external id", job.ExternalID)
	line("asked by", job.CreatedBy)
	line("created", job.CreatedAt.UTC().Format(time.RFC3339))
	line("started", when(job.StartedAt))
	line("finished", when(job.FinishedAt))
	if job.Attempts > 1 {
		line("attempts", fmt.Sprint(job.Attempts))
	}
	for _, part := range []struct {
		name string
		json json.RawMessage
	}{{"asked for", job.Parameters}, {"result", job.Result}} {
		if len(part.json) > 0 {
			s.printf("%-12s %s\n", part.name, strings.ReplaceAll(indented(part.json), "\n", "\n"+strings.Repeat(" ", 13)))
		}
	}
}

func when(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// counted is how many there are of what, the total first.
func counted(counts map[string]int) string {
	const total = "total"
	var parts []string
	if n, ok := counts[total]; ok {
		parts = append(parts, fmt.Sprintf("%d in all", n))
	}
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if name != total && counts[name] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[name], name))
		}
	}
	return strings.Join(parts, ", ")
}

type jobWatchCommand struct {
	Job    string `arg:"" name:"id" help:"The job's id."`
	Output string `short:"o" enum:"table,json" default:"table" help:"table or json: how the job is shown once it has ended."`
}

func (jobWatchCommand) Help() string {
	return `A connection that breaks off is made again; the job goes on without it. Ctrl-C ends the watching and not the job.

` + statusHelp + `

Example: trunkline jobs watch 0190f3c2-7d1e-7c55-b2a4-5a1f6f0e9a11`
}

func (c jobWatchCommand) Run(s *session) error {
	id, err := jobID(c.Job)
	if err != nil {
		return err
	}
	job, err := s.api.Job(s.ctx, id)
	if err != nil {
		return s.worded(err)
	}
	return s.watch(job, c.Output)
}

// watch follows a job to its end and prints how it ended.
func (s *session) watch(job client.Job, output string) error {
	job, err := s.follow(job)
	if err != nil {
		return err
	}
	if output == "json" {
		if err := s.printJSON(job.Raw); err != nil {
			return err
		}
		return endOf(job)
	}
	text := fmt.Sprintf("job %s %s", job.JobID, job.State)
	if rows := counted(job.Counts); rows != "" {
		text += ": " + rows
	} else if far := howFar(job.Progress); far != "" {
		text += ": " + far
	}
	s.printf("%s\n", visible(text))
	return endOf(job)
}

type jobCancelCommand struct {
	Agreement
	JobFilter
	Jobs []string `arg:"" optional:"" name:"id" help:"The jobs' ids; or a filter, or --all."`
	All  bool     `help:"All that the token is for."`
}

func (jobCancelCommand) Help() string {
	return manyHelp + `

Example: trunkline jobs cancel 0190f3c2-7d1e-7c55-b2a4-5a1f6f0e9a11

Example: trunkline jobs cancel --state queued --who root@pbx.example --since 1h`
}

func (c jobCancelCommand) Run(s *session) error {
	many := manyJobs{session: s, action: "cancel", done: map[string]string{"cancelled": "cancelled", "running": "asked to stop", "queued": "asked to stop"}}
	filter, err := many.chosen(c.JobFilter, c.Jobs, c.All)
	if err != nil {
		return err
	}
	if len(c.Jobs) == 0 {
		return many.run(c.Agreement, filter)
	}
	return many.each(c.Agreement, c.Jobs, func(id string) error {
		job, err := s.api.Cancel(s.ctx, id)
		switch {
		case err != nil:
			return s.worded(err)
		case job.Done:
			s.printf("job %s is %s\n", id, visible(job.State))
		default:
			s.printf("job %s runs, and is asked to stop; trunkline jobs watch %[1]s shows what it leaves\n", id)
		}
		return nil
	})
}

type jobRetryCommand struct {
	Agreement
	JobFilter
	Jobs   []string `arg:"" optional:"" name:"id" help:"The jobs' ids; or a filter, or --all."`
	All    bool     `help:"All that the token is for."`
	Watch  bool     `help:"Follow the job to its end; of one job."`
	Output string   `short:"o" enum:"table,json" default:"table" help:"table or json: how the job is shown; of one job."`
}

func (jobRetryCommand) Help() string {
	return manyHelp + `

Example: trunkline jobs retry 0190f3c2-7d1e-7c55-b2a4-5a1f6f0e9a11 --watch

Example: trunkline jobs retry --kind export --state failed --since 24h`
}

func (c jobRetryCommand) Run(s *session) error {
	many := manyJobs{session: s, action: "retry", done: map[string]string{"queued": "queued again"}}
	filter, err := many.chosen(c.JobFilter, c.Jobs, c.All)
	switch {
	case err != nil:
		return err
	case len(c.Jobs) != 1 && (c.Watch || c.Output == "json"):
		return errors.New("--watch and -o json are for one job; trunkline jobs list shows several")
	case len(c.Jobs) == 0:
		return many.run(c.Agreement, filter)
	}
	return many.each(c.Agreement, c.Jobs, func(id string) error {
		job, err := s.api.Retry(s.ctx, id)
		switch {
		case err != nil:
			return s.worded(err)
		case c.Watch:
			return s.watch(job, c.Output)
		case c.Output == "json":
			return s.printJSON(job.Raw)
		}
		s.printf("job %s is %s again; trunkline jobs watch %[1]s follows it\n", id, visible(job.State))
		return nil
	})
}

func (c jobShowCommand) items(s *session, id string) error {
	if c.Output == "csv" {
		query := url.Values{"format": {"csv"}}
		if c.ItemState != "" {
			query.Set("state", c.ItemState)
		}
		return s.worded(s.api.Download(s.ctx, client.Request{Path: itemsPath(id), Query: query}, "text/csv", s.out))
	}
	return s.printItems(Format{Output: c.Output}, id, c.ItemState)
}

package remote

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// WhichWindow are the flags that name a window.
type WhichWindow struct {
	Number int64  `default:"0" placeholder:"N" help:"The window's number; trunkline schedules history shows it."`
	Series string `enum:"run,backfill" default:"run" help:"Of which series: run, or backfill."`
}

func (w WhichWindow) form() url.Values {
	form := url.Values{}
	if w.Number != 0 {
		form.Set("number", strconv.FormatInt(w.Number, 10))
		form.Set("series", w.Series)
	}
	return form
}

type scheduleRunCommand struct {
	One
	WhichWindow
}

func (scheduleRunCommand) Help() string {
	return `Without --number the windows that are due are exported or, if there are none, what has come since the last one: as an extra export, which has no number. With --number that window is exported again, as another revision with a file of its own.

Example: trunkline schedules run 0190f3c2-7d1e-7c55-b2a4-5a1f6f0e9a11

Example: trunkline schedules run 0190f3c2-7d1e-7c55-b2a4-5a1f6f0e9a11 --number 42`
}

func (c scheduleRunCommand) Run(s *session) error {
	if err := c.ask(s, http.MethodPost, c.form(), "run"); err != nil {
		return err
	}
	s.tell("trunkline schedules history %s --limit 5 shows how the exports come on", visible(c.ID))
	return nil
}

type scheduleSkipCommand struct {
	One
	WhichWindow
	Reason string `required:"" placeholder:"TEXT" help:"Why."`
}

func (scheduleSkipCommand) Help() string {
	return `Without --number it is the next window that would be made. It keeps its number.

Example: trunkline schedules skip 0190f3c2-7d1e-7c55-b2a4-5a1f6f0e9a11 --number 42 --reason "the switch was down all day"`
}

func (c scheduleSkipCommand) Run(s *session) error {
	form := c.form()
	form.Set("reason", c.Reason)
	return c.ask(s, http.MethodPost, form, "skip")
}

type scheduleBackfillCommand struct {
	One
	From string `required:"" placeholder:"DATE" help:"The first day, or moment."`
	To   string `required:"" placeholder:"DATE" help:"The last day, or moment: inclusive."`
}

func (scheduleBackfillCommand) Help() string {
	return `Example: trunkline schedules backfill 0190f3c2-7d1e-7c55-b2a4-5a1f6f0e9a11 --from 2026-01-01 --to 2026-01-31`
}

func (c scheduleBackfillCommand) Run(s *session) error {
	return c.ask(s, http.MethodPost, url.Values{"from": {c.From}, "to": {c.To}}, "backfill")
}

type scheduleHistoryCommand struct {
	ID string `arg:"" name:"id" help:"The schedule's id."`
	Format
	State  string `placeholder:"STATE" help:"Those that are waiting, running, succeeded, failed or skipped."`
	Series string `placeholder:"SERIES" help:"Those of a series: run, backfill or extra."`
	Limit  int    `default:"20" help:"How many at most, the newest first; 0 for all."`
}

func (scheduleHistoryCommand) Help() string {
	return `Example: trunkline schedules history 0190f3c2-7d1e-7c55-b2a4-5a1f6f0e9a11 --state failed`
}

func (c scheduleHistoryCommand) Run(s *session) error {
	path, err := schedulePath(c.ID, "windows")
	if err != nil {
		return err
	}
	query := url.Values{}
	for name, value := range map[string]string{"state": c.State, "series": c.Series} {
		if value != "" {
			query.Set(name, value)
		}
	}
	found, err := s.pages(path, query, "windows", c.Limit)
	if err != nil {
		return err
	}
	l := listing{headings: []string{"SERIES", "NUMBER", "REVISION", "START", "END", "STATE", "ROWS", "JOBS", "REASON"}, raw: found.entries}
	for _, text := range found.entries {
		var w struct {
			Series   string `json:"series"`
			Number   *int64 `json:"number"`
			Revision int    `json:"revision"`
			Start    string `json:"start"`
			End      string `json:"end"`
			State    string `json:"state"`
			Reason   string `json:"reason"`
			Files    []struct {
				JobID string `json:"job_id"`
				Rows  int64  `json:"rows"`
			} `json:"files"`
		}
		if err := json.Unmarshal(text, &w); err != nil {
			return fmt.Errorf("reading the history of a schedule: %w", err)
		}
		number, rows, jobs := "", int64(0), make([]string, len(w.Files))
		if w.Number != nil {
			number = fmt.Sprint(*w.Number)
		}
		for i, f := range w.Files {
			jobs[i] = f.JobID
			rows += f.Rows
		}
		l.rows = append(l.rows, []string{w.Series, number, fmt.Sprint(w.Revision), w.Start, w.End, w.State, fmt.Sprint(rows), strings.Join(jobs, " "), w.Reason})
	}
	if err := s.print(c.Format, l); err != nil {
		return err
	}
	if found.more {
		s.tell("older ones are left out; --limit shows more")
	}
	return nil
}

type scheduleNextCommand struct {
	ID       string `arg:"" optional:"" name:"id" help:"The schedule's id; without it --cron says what is asked about."`
	Cron     string `placeholder:"CRON" help:"In place of a schedule, an expression."`
	TimeZone string `placeholder:"ZONE" help:"With --cron, the zone whose clock it goes by."`
	Domain   string `placeholder:"NAME" help:"With --cron and without --time-zone, the domain whose zone it is."`
	Times    int    `short:"n" default:"5" help:"How many times."`
	Output   string `short:"o" enum:"table,json" default:"table" help:"table or json."`
}

func (scheduleNextCommand) Help() string {
	return `Example: trunkline schedules next 0190f3c2-7d1e-7c55-b2a4-5a1f6f0e9a11

Example: trunkline schedules next --cron "30 2 * * SUN" --time-zone Europe/Berlin -n 10`
}

func (c scheduleNextCommand) Run(s *session) error {
	if (c.ID == "") == (c.Cron == "") {
		return errors.New("name a schedule by its id, or an expression by --cron; one of them")
	}
	path, query := schedulesPath+"/next", url.Values{"n": {strconv.Itoa(c.Times)}}
	if c.ID != "" {
		var err error
		if path, err = schedulePath(c.ID, "next"); err != nil {
			return err
		}
	}
	for name, value := range map[string]string{"cron": c.Cron, "time_zone": c.TimeZone, "tenant_domain": c.Domain} {
		if value != "" {
			query.Set(name, value)
		}
	}
	var times json.RawMessage
	if err := s.api.Get(s.ctx, path, query, &times); err != nil {
		return s.worded(err)
	}
	if c.Output == "json" {
		return s.printJSON(times)
	}
	var told struct {
		CronWords string   `json:"cron_words"`
		Warning   string   `json:"warning"`
		TimeZone  string   `json:"time_zone"`
		Runs      []string `json:"runs"`
	}
	if err := json.Unmarshal(times, &told); err != nil {
		return fmt.Errorf("reading when it runs: %w", err)
	}
	s.tell("%s (%s)", visible(told.CronWords), visible(told.TimeZone))
	if told.Warning != "" {
		s.tell("WARNING: %s", visible(told.Warning))
	}
	for _, run := range told.Runs {
		s.printf("%s\n", visible(run))
	}
	return nil
}

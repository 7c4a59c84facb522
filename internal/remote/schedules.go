package remote

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"trunkline/internal/client"
)

// Schedules are the commands about schedules.
type Schedules struct {
	Connection

	List     scheduleListCommand     `cmd:"" help:"List schedules, with when each runs next and how it stands."`
	Show     scheduleShowCommand     `cmd:"" help:"Show a schedule: its settings, its next runs, its last window."`
	Create   scheduleCreateCommand   `cmd:"" help:"Make a schedule."`
	Edit     scheduleEditCommand     `cmd:"" help:"Change a schedule; its windows go on where the last one ended."`
	Run      scheduleRunCommand      `cmd:"" help:"Run a schedule now, or a window of it again."`
	Pause    schedulePauseCommand    `cmd:"" help:"Pause schedules."`
	Resume   scheduleResumeCommand   `cmd:"" help:"Resume schedules: what has come meanwhile is exported."`
	Skip     scheduleSkipCommand     `cmd:"" help:"Leave a window out, for a reason."`
	Backfill scheduleBackfillCommand `cmd:"" help:"Export a past span, as windows of a series of their own."`
	History  scheduleHistoryCommand  `cmd:"" help:"List the windows of a schedule, with their files."`
	Next     scheduleNextCommand     `cmd:"" help:"Show when a schedule, or a cron expression, runs next."`
	Delete   scheduleDeleteCommand   `cmd:"" help:"Delete a schedule with its history."`
}

// Help is the group's.
func (Schedules) Help() string {
	return `They ask the HTTP API, so that they work from anywhere: at TRUNKLINE_URL, with the token of TRUNKLINE_TOKEN, which needs the scope export.

` + statusHelp + `

Example: trunkline schedules create --name nightly --cron "15 0 * * *" --domain pbx.example --format csv --destinations billing`
}

const schedulesPath = "/v1/schedules"

// schedulePath is as pathOf has it.
func schedulePath(given string, below ...string) (string, error) {
	return pathOf(schedulesPath, given, "a schedule's id; trunkline schedules list shows them", below...)
}

// One is the schedule that a command is about.
type One struct {
	ID     string `arg:"" name:"id" help:"The schedule's id."`
	Output string `short:"o" enum:"table,json" default:"table" help:"table or json."`
}

// ask asks for something about the schedule, and prints what is answered.
func (o One) ask(s *session, method string, form url.Values, below ...string) error {
	path, err := schedulePath(o.ID, below...)
	if err != nil {
		return err
	}
	answer, err := s.api.Do(s.ctx, client.Request{Method: method, Path: path, Form: form})
	if err != nil {
		return s.worded(err)
	}
	return o.print(s, answer.Body)
}

func (o One) print(s *session, answer json.RawMessage) error {
	if o.Output == "json" {
		return s.printJSON(answer)
	}
	var made struct {
		Windows json.RawMessage `json:"windows"`
		Note    string          `json:"note"`
	}
	if json.Unmarshal(answer, &made) == nil && made.Windows != nil {
		if made.Note != "" {
			s.tell("NOTE: %s", visible(made.Note))
		}
		return s.printObjects(made.Windows)
	}
	return s.printFields(answer)
}

// ScheduleFilter are the flags that choose schedules.
type ScheduleFilter struct {
	Domain  string `placeholder:"NAME" help:"Those of a domain; global for those of all domains."`
	Name    string `placeholder:"TEXT" help:"Those whose name holds this."`
	Enabled string `enum:"true,false," default:"" placeholder:"true|false" help:"Those that run, or that are paused."`
	Failing bool   `help:"Those of which a window has failed, or that no scheduler can read."`
}

func (f ScheduleFilter) values() url.Values {
	q := given(map[string]string{"tenant_domain": f.Domain, "name": f.Name, "enabled": f.Enabled})
	if f.Failing {
		q.Set("failing", "true")
	}
	return q
}

type scheduleListCommand struct {
	Format
	ScheduleFilter
	Limit int `default:"0" help:"How many at most; 0 for all."`
}

func (scheduleListCommand) Help() string {
	return `Example: trunkline schedules list --domain pbx.example

Example: trunkline schedules list --failing -o csv`
}

func (c scheduleListCommand) Run(s *session) error {
	found, err := s.pages(schedulesPath, c.values(), "schedules", c.Limit)
	if err != nil {
		return err
	}
	l := listing{headings: []string{"SCHEDULE", "NAME", "DOMAIN", "RUNS", "WINDOW", "NEXT RUN", "NUMBER", "LAST", "FAILING"}, raw: found.entries}
	for _, text := range found.entries {
		var one struct {
			ID        string `json:"id"`
			Name      string `json:"name"`
			Domain    string `json:"tenant_domain"`
			CronWords string `json:"cron_words"`
			Window    string `json:"window"`
			NextRun   string `json:"next_run"`
			Number    int64  `json:"number"`
			Failing   int    `json:"failing"`
			Last      struct {
				State string `json:"state"`
			} `json:"last"`
			PausedBecause string `json:"paused_because"`

			FailingBecause string `json:"failing_because"`
		}
		if err := json.Unmarshal(text, &one); err != nil {
			return fmt.Errorf("reading the list of schedules: %w", err)
		}
		if one.FailingBecause != "" {
			one.NextRun = "never: " + one.FailingBecause
		} else if one.NextRun == "" {
			one.NextRun = strings.TrimSuffix("paused: "+one.PausedBecause, ": ")
		}
		l.rows = append(l.rows, []string{
			one.ID, one.Name, one.Domain, one.CronWords, one.Window, one.NextRun, fmt.Sprint(one.Number), one.Last.State, fmt.Sprint(one.Failing),
		})
	}
	if err := s.print(c.Format, l); err != nil {
		return err
	}
	if found.more {
		s.tell("others are left out; --limit shows more")
	}
	return nil
}

type scheduleShowCommand struct{ One }

func (scheduleShowCommand) Help() string {
	return `Example: trunkline schedules show 0190f3c2-7d1e-7c55-b2a4-5a1f6f0e9a11`
}

func (c scheduleShowCommand) Run(s *session) error { return c.ask(s, http.MethodGet, nil) }

// Definition are the flags of what a schedule is.
type Definition struct {
	Cron         *string  `placeholder:"CRON" help:"When it runs: '15 0 * * *', or @daily and the like."`
	TimeZone     *string  `placeholder:"ZONE" help:"Whose clock it goes by; without it the domain's."`
	Window       *string  `placeholder:"WINDOW" help:"What each export covers: previous_day, previous_week, previous_month or since_last_run."`
	Lag          *string  `placeholder:"SECONDS" help:"For how long after its end a window is left alone; 600 without it."`
	Files        *string  `placeholder:"FILES" help:"Of a schedule of all domains: one, or each_domain."`
	FileName     *string  `placeholder:"TEMPLATE" help:"What files are called at destinations, such as cdr/{date_start}_{number}.{extension}."`
	Destinations *string  `placeholder:"LIST" help:"Where files are brought: destinations by id or name, with commas between."`
	Enabled      *string  `placeholder:"true|false" help:"false: it is paused."`
	Format       *string  `placeholder:"FORMAT" help:"csv, json, ndjson, xml or parquet."`
	Compression  *string  `placeholder:"NAME" help:"gzip, zstd or none."`
	Columns      *string  `placeholder:"LIST" help:"Columns with commas between, or a set of them: billing, fusionpbx, all."`
	Template     *string  `placeholder:"NAME" help:"What a program expects to read: fusionpbx, cgrates or rating."`
	Set          []string `sep:"none" placeholder:"NAME=VALUE" help:"Any other parameter of an export, such as a filter or how rows are written. It may be there several times."`
}

// form are the flags that were given, an empty one too: it stands for the usual.
func (d Definition) form() (url.Values, error) {
	form := url.Values{}
	for name, value := range map[string]*string{
		"cron": d.Cron, "time_zone": d.TimeZone, "window": d.Window, "lag": d.Lag, "files": d.Files, "file_name": d.FileName, "destinations": d.Destinations,
		"enabled": d.Enabled, "format": d.Format, "compression": d.Compression, "columns": d.Columns, "template": d.Template,
	} {
		if value != nil {
			form.Set(name, *value)
		}
	}
	return form, addSet(form, d.Set)
}

// definitionHelp is what the helps of create and edit have in common.
const definitionHelp = `What --set takes are the filters and layouts of exports, which the server's docs/exports.md and /openapi.json list: direction, answered, min_billsec, delimiter and more.

`

type scheduleCreateCommand struct {
	Definition
	Name   string `required:"" placeholder:"NAME" help:"Unique among the domain's."`
	Domain string `placeholder:"NAME" help:"Whose CDRs it exports, or global for all domains'; a token of one domain needs none."`
	Output string `short:"o" enum:"table,json" default:"table" help:"table or json."`
}

func (scheduleCreateCommand) Help() string {
	return definitionHelp + `Example: trunkline schedules create --name nightly --cron "15 0 * * *" --domain pbx.example --format csv --columns billing --destinations billing

Example: trunkline schedules create --name monthly --cron @monthly --window previous_month --domain global --files each_domain --set answered=true`
}

func (c scheduleCreateCommand) Run(s *session) error {
	form, err := c.form()
	if err != nil {
		return err
	}
	form.Set("name", c.Name)
	if c.Domain != "" {
		form.Set("tenant_domain", c.Domain)
	}
	answer, err := s.api.Do(s.ctx, client.Request{Method: http.MethodPost, Path: schedulesPath, Form: form})
	if err != nil {
		return s.worded(err)
	}
	return One{Output: c.Output}.print(s, answer.Body)
}

type scheduleEditCommand struct {
	One
	Definition
	Name *string `placeholder:"NAME" help:"Another name."`
}

func (scheduleEditCommand) Help() string {
	return `What is not named stays, and what is given empty becomes the usual again. The answer shows the next window: it begins where the last one ended.

` + definitionHelp + `Example: trunkline schedules edit 0190f3c2-7d1e-7c55-b2a4-5a1f6f0e9a11 --cron "30 1 * * *" --time-zone Europe/Berlin`
}

func (c scheduleEditCommand) Run(s *session) error {
	form, err := c.form()
	if err != nil {
		return err
	}
	if c.Name != nil {
		form.Set("name", *c.Name)
	}
	if len(form) == 0 {
		return errors.New("nothing is to be changed; name what is, such as --cron (trunkline schedules edit --help)")
	}
	return c.ask(s, http.MethodPatch, form)
}

// ManySchedules are the schedules that a command is about: one by its id, those of a filter, or all.
type ManySchedules struct {
	ScheduleFilter
	ID     string `arg:"" optional:"" name:"id" help:"The schedule's id."`
	All    bool   `help:"All schedules that the token may see."`
	Output string `short:"o" enum:"table,json" default:"table" help:"table or json."`
}

// switchThem pauses or resumes them.
func (c ManySchedules) switchThem(s *session, action string, form url.Values) error {
	filter := c.values()
	given := 0
	for _, is := range []bool{c.ID != "", len(filter) > 0, c.All} {
		if is {
			given++
		}
	}
	if given != 1 {
		return errors.New("say which schedules: one id, or a filter such as --domain, or --all; one of the three")
	}
	if c.ID != "" {
		return One{ID: c.ID, Output: c.Output}.ask(s, http.MethodPost, form, action)
	}
	if c.All {
		filter.Set("all", "true")
	}
	for name := range form {
		filter.Set(name, form.Get(name))
	}
	answer, err := s.api.Do(s.ctx, client.Request{Method: http.MethodPost, Path: schedulesPath + "/" + action, Form: filter})
	if err != nil {
		return s.worded(err)
	}
	if c.Output == "json" {
		return s.printJSON(json.RawMessage(answer.Body))
	}
	var switched struct {
		Count     int             `json:"count"`
		Schedules json.RawMessage `json:"schedules"`
	}
	if err := answer.Decode(&switched); err != nil {
		return err
	}
	s.tell("%d schedules: %sd", switched.Count, action)
	if switched.Count == 0 {
		return nil
	}
	return s.printObjects(switched.Schedules)
}

type schedulePauseCommand struct {
	ManySchedules
	Reason string `placeholder:"TEXT" help:"Why, for people."`
}

func (schedulePauseCommand) Help() string {
	return `Example: trunkline schedules pause 0190f3c2-7d1e-7c55-b2a4-5a1f6f0e9a11 --reason "moving house"

Example: trunkline schedules pause --domain pbx.example`
}

func (c schedulePauseCommand) Run(s *session) error {
	form := url.Values{}
	if c.Reason != "" {
		form.Set("reason", c.Reason)
	}
	return c.switchThem(s, "pause", form)
}

type scheduleResumeCommand struct{ ManySchedules }

func (scheduleResumeCommand) Help() string {
	return `Example: trunkline schedules resume 0190f3c2-7d1e-7c55-b2a4-5a1f6f0e9a11

Example: trunkline schedules resume --enabled false --domain pbx.example`
}

func (c scheduleResumeCommand) Run(s *session) error { return c.switchThem(s, "resume", nil) }

type scheduleDeleteCommand struct {
	One
	Yes bool `short:"y" help:"Do not ask."`
}

func (scheduleDeleteCommand) Help() string {
	return `Its windows are no longer known; files stay, and exports that are under way go on.

Example: trunkline schedules delete 0190f3c2-7d1e-7c55-b2a4-5a1f6f0e9a11 --yes`
}

func (c scheduleDeleteCommand) Run(s *session) error {
	if !c.Yes {
		if s.Program.ask == nil {
			return errors.New("nobody is there to be asked; --yes deletes the schedule without asking")
		}
		yes, err := s.Program.ask(fmt.Sprintf("Delete schedule %s with its history?", visible(c.ID)))
		if err != nil || !yes {
			return errors.Join(err, errors.New("nothing was deleted"))
		}
	}
	return c.ask(s, http.MethodDelete, nil)
}

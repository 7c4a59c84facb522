package remote

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"

	"trunkline/internal/client"
)

// Selection are the gateways that a command is about: by their UUIDs, by a filter, or all.
type Selection struct {
	Filter
	IDs []string `arg:"" optional:"" name:"id" help:"The gateways' UUIDs."`
	All bool     `help:"All gateways that the token is for."`
}

// chosen are the UUIDs that were given, or the filter that was.
func (c Selection) chosen() (ids []string, filter url.Values, err error) {
	filter = c.values()
	given := 0
	for _, is := range []bool{len(c.IDs) > 0, len(filter) > 0, c.All} {
		if is {
			given++
		}
	}
	if given != 1 {
		return nil, nil, errors.New("say which gateways: their UUIDs, or a filter such as --domain, or --all; one of the three")
	}
	if c.All {
		filter.Set("all", "true")
	}
	ids, err = gatewayIDs(c.IDs)
	return ids, filter, err
}

// Change are the flags of what changes gateways that there are.
type Change struct {
	Agreement
	Selection
	Format
	Mode string `enum:"all,each" default:"each" help:"Of several: each, so that one that fails keeps no other from it; or all, every one or none."`
}

type gatewayEnableCommand struct{ Change }

func (gatewayEnableCommand) Help() string {
	return `Example: trunkline gateways enable 5d4f2a0e-8f5b-4e0c-9a55-1f2d3c4b5a69 --yes

Example: trunkline gateways enable --domain pbx.example --enabled false --dry-run`
}

func (c gatewayEnableCommand) Run(s *session) error { return c.run(s, "enable", nil) }

type gatewayDisableCommand struct{ Change }

func (gatewayDisableCommand) Help() string {
	return `Example: trunkline gateways disable --domain pbx.example

Example: trunkline gateways disable 5d4f2a0e-8f5b-4e0c-9a55-1f2d3c4b5a69 --yes`
}

func (c gatewayDisableCommand) Run(s *session) error { return c.run(s, "disable", nil) }

type gatewayDeleteCommand struct {
	Change
	Force bool `help:"Even those that outbound routes name."`
}

func (gatewayDeleteCommand) Help() string {
	return `What is gone already is success.

Example: trunkline gateways delete 5d4f2a0e-8f5b-4e0c-9a55-1f2d3c4b5a69

Example: trunkline gateways delete --external-id service-101 --domain pbx.example --force`
}

func (c gatewayDeleteCommand) Run(s *session) error {
	var more url.Values
	if c.Force {
		more = url.Values{"force": {"true"}}
	}
	return c.run(s, "delete", more)
}

// run does one thing with the gateways that were chosen: with one by its own endpoint, with several as one job.
func (c Change) run(s *session, action string, more url.Values) error {
	ids, filter, err := c.chosen()
	if err != nil {
		return err
	}
	if len(ids) == 1 && c.Yes {
		return s.changeOne(c.Format, ids[0], action, more)
	}
	b := bulk{session: s, what: action, ask: func(dryRun bool) client.Request {
		form := url.Values{"action": {action}, "mode": {c.Mode}}
		for _, from := range []url.Values{filter, more} {
			for name := range from {
				form.Set(name, from.Get(name))
			}
		}
		if len(ids) > 0 {
			form.Set("ids", strings.Join(ids, ","))
		}
		if dryRun {
			form.Set("dry_run", "true")
		}
		return client.Request{Path: gatewaysPath + "/actions", Form: form}
	}}
	job, err := b.do(c.Agreement, c.Format, "", c.Mode == "all")
	if err != nil || job.JobID == "" {
		return err
	}
	return s.finish(c.Format, job)
}

// finish tells what was done.
func (s *session) finish(f Format, job client.Job) error {
	told := s.printEnd(f, job)
	ended := endOf(job)
	if ended == nil {
		return told
	}
	rows, err := s.failed(job)
	if err == nil {
		err = s.tellFailed(rows)
	}
	return errors.Join(ended, told, err)
}

// changeOne does one thing with one gateway.
func (s *session) changeOne(f Format, id, action string, more url.Values) error {
	r := client.Request{Method: http.MethodPost, Path: gatewaysPath + "/" + id + "/" + action, Form: more, IdempotencyKey: uuid.NewString()}
	if action == "delete" {
		r.Method, r.Path, r.Form, r.Query = http.MethodDelete, gatewaysPath+"/"+id, nil, more
	}
	job, err := s.api.Ask(s.ctx, r)
	if err != nil {
		return s.worded(err)
	}
	if job, err = s.follow(job); err != nil {
		return err
	}
	if err := endOf(job); err != nil {
		return err
	}
	done := action + "d" // enabled, disabled
	switch f.Output {
	case "json", "csv":
		return s.print(f, listing{headings: []string{"GATEWAY", "ACTION"}, rows: [][]string{{id, done}}, raw: job.Result})
	}
	s.printf("gateway %s: %s\n", id, done)
	return nil
}

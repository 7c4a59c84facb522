package remote

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"trunkline/internal/client"
)

// Deliveries are the commands about what was delivered.
type Deliveries struct {
	Connection

	List  deliveryListCommand  `cmd:"" help:"List deliveries, newest first."`
	Show  deliveryShowCommand  `cmd:"" help:"Show a delivery with every attempt."`
	Retry deliveryRetryCommand `cmd:"" help:"Send a delivery again: the same bytes."`
}

// Help is the group's.
func (Deliveries) Help() string {
	return `They ask the HTTP API, so that they work from anywhere: at TRUNKLINE_URL, with the token of TRUNKLINE_TOKEN, which needs the scope export.

` + statusHelp + `

Example: trunkline deliveries list --state failed`
}

const deliveriesPath = "/v1/deliveries"

// oneDelivery is the delivery that a command is about.
type oneDelivery struct {
	ID     string `arg:"" name:"id" help:"The delivery's id."`
	Output string `short:"o" enum:"table,json" default:"table" help:"table or json."`
}

func (o oneDelivery) ask(s *session, method string, form url.Values, below ...string) error {
	path, err := pathOf(deliveriesPath, o.ID, "a delivery's id; trunkline deliveries list shows them", below...)
	if err != nil {
		return err
	}
	return s.askFor(o.Output, client.Request{Method: method, Path: path, Form: form})
}

type deliveryListCommand struct {
	Format
	Domain      string `placeholder:"NAME" help:"Those of a domain; global for those of all domains."`
	State       string `placeholder:"STATE" help:"Those that are pending, delivered or failed."`
	Destination string `placeholder:"ID" help:"Those to a destination."`
	Schedule    string `placeholder:"ID" help:"Those of the files of a schedule."`
	Window      string `placeholder:"ID" help:"Those of the files of a schedule's window."`
	ExportJob   string `placeholder:"ID" help:"Those of the file of an export."`
	Event       string `placeholder:"EVENT" help:"Those of files (file), or of messages: job.ended, gateway.state or schedule.window.failed."`
	Limit       int    `default:"50" help:"How many at most; 0 for all."`
}

func (deliveryListCommand) Help() string {
	return `Example: trunkline deliveries list --state failed

Example: trunkline deliveries list --schedule 0190f3c2-7d1e-7c55-b2a4-5a1f6f0e9a11 --limit 0 -o csv`
}

func (c deliveryListCommand) Run(s *session) error {
	found, err := s.pages(deliveriesPath, given(map[string]string{
		"tenant_domain": c.Domain, "state": c.State, "destination": c.Destination, "schedule": c.Schedule, "window": c.Window, "export_job": c.ExportJob, "event": c.Event,
	}), "deliveries", c.Limit)
	if err != nil {
		return err
	}
	l := listing{headings: []string{"DELIVERY", "CREATED", "DOMAIN", "DESTINATION", "EVENT", "NAME", "STATE", "TRIES", "ERROR"}, raw: found.entries}
	for _, text := range found.entries {
		var one struct {
			ID          string `json:"id"`
			CreatedAt   string `json:"created_at"`
			Domain      string `json:"tenant_domain"`
			Destination string `json:"destination"`
			Event       string `json:"event"`
			Name        string `json:"name"`
			State       string `json:"state"`
			Tries       int    `json:"tries"`
			Error       struct {
				Message string `json:"message"`
			} `json:"error"`
		}
		if err := json.Unmarshal(text, &one); err != nil {
			return fmt.Errorf("reading the list of deliveries: %w", err)
		}
		l.rows = append(l.rows, []string{one.ID, one.CreatedAt, one.Domain, one.Destination, one.Event, one.Name, one.State, strconv.Itoa(one.Tries), one.Error.Message})
	}
	if err := s.print(c.Format, l); err != nil {
		return err
	}
	if found.more {
		s.tell("older ones are left out; --limit shows more")
	}
	return nil
}

type deliveryShowCommand struct{ oneDelivery }

func (deliveryShowCommand) Help() string {
	return `Example: trunkline deliveries show 0190f3c2-7d1e-7c55-b2a4-5a1f6f0e9a11`
}

func (c deliveryShowCommand) Run(s *session) error { return c.ask(s, http.MethodGet, nil) }

type deliveryRetryCommand struct{ oneDelivery }

func (deliveryRetryCommand) Help() string {
	return `One that waits for its next attempt is tried now, one that has ended by a new job. Nothing at the destination is replaced.

Example: trunkline deliveries retry 0190f3c2-7d1e-7c55-b2a4-5a1f6f0e9a11`
}

func (c deliveryRetryCommand) Run(s *session) error {
	if err := c.ask(s, http.MethodPost, url.Values{}, "retry"); err != nil {
		return err
	}
	s.tell("trunkline deliveries show %s shows how it comes on", visible(c.ID))
	return nil
}

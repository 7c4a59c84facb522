package mail

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"trunkline/internal/delivery"
	"trunkline/internal/fault"
)

// note is what a mail says.
type note struct {
	id      string // of the delivery: a mail that arrives twice can be told by it
	subject string
	body    string
}

// timeLayout is how a mail shows a time, in UTC.
const timeLayout = "2006-01-02 15:04 UTC"

// aboutFile says that a file is there.
func aboutFile(content delivery.Content) note {
	of := content.Of
	return note{of.DeliveryID, fmt.Sprintf("CDRs of %s, %s", orAll(of.Domain), of.DateRange), fmt.Sprintf(`An export of call detail records is ready.

Domain:  %s
Days:    %s (%s)
File:    %s
Format:  %s
Rows:    %d
Bytes:   %d
SHA-256: %s

Download it until %s:
%s

Whoever has the link gets the file without a password.
Pass it on to nobody else.
`, orAll(of.Domain), of.DateRange, of.TimeZone, content.Name, of.Format, of.Rows, content.Bytes, content.SHA256,
		of.LinkUntil.UTC().Format(timeLayout), of.Link)}
}

// failedWindow is what a mail says of the data of delivery.EventWindowFailed.
type failedWindow struct {
	Schedule string `json:"schedule"`
	Name     string `json:"schedule_name"`
	Domain   string `json:"tenant_domain"`
	Label    string `json:"label"`
	Window   struct {
		Series   string    `json:"series"`
		Number   int64     `json:"number"` // 0: it has none
		Start    time.Time `json:"start"`
		End      time.Time `json:"end"`
		TimeZone string    `json:"time_zone"`
		Reason   string    `json:"reason"`
	} `json:"window"`
}

// aboutEvent says what has happened. Errors: a fault.DeliveryRefused if there is no mail about that.
func aboutEvent(m delivery.Message) (note, error) {
	var told struct {
		Type string       `json:"type"`
		Data failedWindow `json:"data"`
	}
	if err := json.Unmarshal(m.Body, &told); err != nil {
		return note{}, fmt.Errorf("reading message %s: %w", m.ID, err)
	}
	if told.Type != delivery.EventWindowFailed {
		return note{}, fault.Errorf(fault.DeliveryRefused, "there is no mail about %s; choose a webhook", told.Type)
	}
	d := told.Data
	return note{m.ID, fmt.Sprintf("CDRs of %s were not exported: window %s of schedule %s has failed", orAll(d.Domain), d.Label, oneLine(d.Name)), fmt.Sprintf(`A scheduled export of call detail records has failed, and is not tried again by itself.

Schedule: %s (%s)
Domain:   %s
Window:   %s, from %s to %s (%s)
Reason:   %s

%s
`, oneLine(d.Name), d.Schedule, orAll(d.Domain), d.Label, d.Window.Start.UTC().Format(timeLayout), d.Window.End.UTC().Format(timeLayout), d.Window.TimeZone, oneLine(d.Window.Reason), d.remedy())}, nil
}

// remedy says what to do about it. A number means a window of its series: without that, another one would be run.
func (f failedWindow) remedy() string {
	run := "POST /v1/schedules/" + f.Schedule + "/run"
	if f.Window.Number == 0 {
		return "It was an extra export: what it would have held is exported when its time comes. Once the reason is dealt with, another one is made by\n" + run
	}
	return fmt.Sprintf("Later windows are exported as usual. Once the reason is dealt with, run this one again:\n%s with number=%d and series=%s", run, f.Window.Number, f.Window.Series)
}

// oneLine is a text that others wrote, on one line: it can pretend to be none of ours.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

func orAll(domain string) string {
	if domain == "" {
		return "all domains"
	}
	return domain
}

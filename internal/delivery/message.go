package delivery

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"trunkline/internal/fault"
)

// What messages are about.
const (
	EventTest         = "test"
	EventExportReady  = "export.ready"           // to a destination that the export names
	EventJobEnded     = "job.ended"              // to the callback_url that was given with the job
	EventGatewayState = "gateway.state"          // to those who subscribed to it
	EventWindowFailed = "schedule.window.failed" // to those who subscribed to it
)

// Subscribed are the events that a destination gets if it names them.
var Subscribed = []string{EventGatewayState, EventWindowFailed}

// Message is what others are told. However often it is sent, it has the same ID, by which a receiver can tell.
type Message struct {
	ID   string
	Body json.RawMessage // an Envelope
}

// Envelope is what every message holds.
type Envelope struct {
	Type      string    `json:"type"`      // one of the events
	Timestamp time.Time `json:"timestamp"` // when it happened
	Data      any       `json:"data"`
}

// Encode returns the envelope as a message's body.
func (e Envelope) Encode() (json.RawMessage, error) {
	e.Timestamp = e.Timestamp.UTC().Truncate(time.Millisecond)
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false) // of links, which people copy out of a receiver's log
	if err := encoder.Encode(e); err != nil {
		return nil, fmt.Errorf("encoding a message about %s: %w", e.Type, err)
	}
	return bytes.TrimSpace(body.Bytes()), nil
}

// Teller is a Sender that takes messages besides files.
type Teller interface {
	Sender
	// Tell sends the message, whole or not at all. One may arrive twice: an attempt was cut off before it was known that it
	// has. Errors are those of Deliver.
	Tell(ctx context.Context, m Message) (Receipt, error)
}

// Events reads the events that a destination subscribes to, with commas between, of those that one of its kind can be told of.
// The error names the parameter.
func Events(parameter, list string, can []string) (events []string, err error) {
	for event := range strings.SplitSeq(list, ",") {
		event = strings.TrimSpace(event)
		switch {
		case event == "":
		case !slices.Contains(can, event):
			return nil, fault.Invalid(parameter, "%q is no event that this kind of destination can be told of; write %s", fault.Clip(event), strings.Join(can, " or "))
		case !slices.Contains(events, event):
			events = append(events, event)
		}
	}
	return events, nil
}

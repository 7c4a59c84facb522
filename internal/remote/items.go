package remote

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// item is what became of one row of a job that is about many, or what a dry run says would.
type item struct {
	Number      int        `json:"number"` // from 1, in the order in which they came
	Line        int        `json:"line"`   // in the file, 0 if there was none
	State       string     `json:"state"`  // queued, succeeded, failed, skipped
	Action      string     `json:"action"` // what was done, or would be
	GatewayUUID string     `json:"gateway_uuid"`
	GatewayName string     `json:"gateway_name"`
	Domain      string     `json:"tenant_domain"`
	Error       *itemError `json:"error"`
	Changes     []change   `json:"changes"`
}

type itemError struct {
	Code    string `json:"code"`
	Field   string `json:"field"`
	Message string `json:"message"`
}

// String is the message, with the field that it is about.
func (e itemError) String() string {
	if e.Field == "" || strings.HasPrefix(e.Message, e.Field) {
		return e.Message
	}
	return e.Field + ": " + e.Message
}

// change is one setting that a row changes. What a secret was and is is not said.
type change struct {
	Field   string          `json:"field"`
	From    json.RawMessage `json:"from"`
	To      json.RawMessage `json:"to"`
	Changed bool            `json:"changed"`
}

func (c change) String() string {
	if len(c.From) == 0 && len(c.To) == 0 {
		return c.Field + " (changed)"
	}
	return fmt.Sprintf("%s: %s -> %s", c.Field, quotedIfEmpty(plain(c.From)), quotedIfEmpty(plain(c.To)))
}

func quotedIfEmpty(text string) string {
	if text == "" {
		return `""`
	}
	return text
}

// what is what a row's last column says: why nothing was done, or what is changed.
func (i item) what() string {
	if i.Error != nil {
		text := i.Error.String()
		if i.Error.Code != "" {
			text += " (" + i.Error.Code + ")"
		}
		return text
	}
	changes := make([]string, len(i.Changes))
	for n, c := range i.Changes {
		changes[n] = c.String()
	}
	return strings.Join(changes, ", ")
}

// itemHeadings are the columns of a list of rows.
var itemHeadings = []string{"ROW", "LINE", "STATE", "ACTION", "GATEWAY", "NAME", "DOMAIN", "DETAILS"}

func (i item) cells() []string {
	return []string{number(i.Number), number(i.Line), i.State, i.Action, i.GatewayUUID, i.GatewayName, i.Domain, i.what()}
}

// printItems prints a job's rows that are in the state, "" for any.
func (s *session) printItems(f Format, jobID, state string) error {
	items, raw, err := s.itemsOf(jobID, state)
	if err != nil {
		return err
	}
	l := listing{headings: itemHeadings, raw: raw}
	for _, i := range items {
		l.rows = append(l.rows, i.cells())
	}
	return s.print(f, l)
}

// itemsPath is where the rows of a job are.
func itemsPath(jobID string) string { return "/v1/jobs/" + url.PathEscape(jobID) + "/items" }

// itemsOf are a job's rows that are in the state, "" for any, and as they came.
func (s *session) itemsOf(jobID, state string) (items []item, raw []json.RawMessage, err error) {
	query := url.Values{}
	if state != "" {
		query.Set("state", state)
	}
	found, err := s.pages(itemsPath(jobID), query, "items", 0)
	if err != nil {
		return nil, nil, err
	}
	items = make([]item, len(found.entries))
	for n, text := range found.entries {
		if err := json.Unmarshal(text, &items[n]); err != nil {
			return nil, nil, fmt.Errorf("reading the rows of the job: %w", err)
		}
	}
	return items, found.entries, nil
}

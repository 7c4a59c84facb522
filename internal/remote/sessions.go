package remote

import (
	"encoding/json"
	"fmt"
	"net/http"

	"trunkline/internal/client"
)

// Sessions are the commands about sessions of the console.
type Sessions struct {
	Connection

	List sessionListCommand `cmd:"" help:"List who is signed in to the console."`
	End  sessionEndCommand  `cmd:"" help:"End a session: who used it has to sign in again."`
}

// Help is the group's.
func (Sessions) Help() string {
	return `They ask the HTTP API, so that they work from anywhere: at TRUNKLINE_URL, with the token of TRUNKLINE_TOKEN, which has to have the scope admin.

Example: trunkline sessions list`
}

const sessionsPath = "/v1/console/sessions"

type sessionListCommand struct{ Format }

func (sessionListCommand) Help() string { return `Example: trunkline sessions list` }

func (c sessionListCommand) Run(s *session) error {
	answer, err := s.api.Do(s.ctx, client.Request{Method: http.MethodGet, Path: sessionsPath})
	if err != nil {
		return s.worded(err)
	}
	var found struct {
		Sessions []json.RawMessage `json:"sessions"`
	}
	if err := answer.Decode(&found); err != nil {
		return err
	}
	l := listing{headings: []string{"ID", "WHO", "BY", "FROM", "SINCE", "USED", "ENDS"}, raw: found.Sessions}
	for _, text := range found.Sessions {
		var one struct {
			ID, Who, Way, Address string
			CreatedAt             string `json:"created_at"`
			UsedAt                string `json:"used_at"`
			ExpiresAt             string `json:"expires_at"`
		}
		if err := json.Unmarshal(text, &one); err != nil {
			return fmt.Errorf("reading the list of sessions: %w", err)
		}
		l.rows = append(l.rows, []string{one.ID, one.Who, one.Way, one.Address, one.CreatedAt, one.UsedAt, one.ExpiresAt})
	}
	return s.print(c.Format, l)
}

type sessionEndCommand struct {
	ID string `arg:"" help:"The session, as the list has it."`
}

func (sessionEndCommand) Help() string {
	return `Example: trunkline sessions end 019f6a10-7d2c-7c1f-8f1e-2f6b1f0a9c11`
}

func (c sessionEndCommand) Run(s *session) error {
	path, err := pathOf(sessionsPath, c.ID, "a session: its id as the list has it")
	if err != nil {
		return err
	}
	answer, err := s.api.Do(s.ctx, client.Request{Method: http.MethodDelete, Path: path})
	if err != nil {
		return s.worded(err)
	}
	return s.printFields(json.RawMessage(answer.Body))
}

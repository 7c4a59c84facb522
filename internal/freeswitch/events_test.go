package freeswitch

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// A recording of ten gateways that are added: one that is registered, and those that are not for each reason.
func TestGatewayEventsOfARecording(t *testing.T) {
	recording, err := os.ReadFile(filepath.Join("testdata", "esl-transcripts", "events_json_gateways_added.recv"))
	if err != nil {
		t.Fatal(err)
	}
	p := startPeer(t, func(_ int, c *peerConn) {
		c.logIn()
		c.command()
		c.raw(string(recording))
	})
	s := New(p.addr, testPassword, Options{})
	defer s.Close()
	began, added, answers := 0, 0, map[string]Answer{}
	err = s.GatewayEvents(t.Context(), func(e *GatewayEvent) {
		switch {
		case e == nil:
			began++
		case e.Added:
			added++
		case e.Answer.Code != 0:
			answers[e.Gateway] = e.Answer
		}
	})
	var gone *UnavailableError
	if !errors.As(err, &gone) || gone.Reason != ReasonHungUp {
		t.Errorf("got %v, want the end of the connection", err)
	}
	if began != 1 || added != 10 {
		t.Errorf("got %d beginnings and %d gateways added, want 1 and 10", began, added)
	}
	for name, want := range map[string]Answer{
		"gw-403": {403, "Forbidden"}, "gw-503": {503, "Service Unavailable"}, "gw-badpw": {403, "Forbidden"},
		"gw-loop401": {904, "Operation has no matching challenge"}, "gw-reged": {200, "OK"},
	} {
		if got := answers[name]; got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

func TestGatewayEventsEndWithTheirContext(t *testing.T) {
	p := startPeer(t, func(_ int, c *peerConn) {
		c.logIn()
		c.command()
		c.raw("Content-Type: command/reply\nReply-Text: +OK event listener enabled json\n\n")
		c.command() // until the client hangs up
	})
	s := New(p.addr, testPassword, Options{})
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if err := s.GatewayEvents(ctx, func(*GatewayEvent) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
}

func TestWhichAnswersRefuse(t *testing.T) {
	for code, want := range map[int]bool{
		0: false, 200: false, 302: false, 400: true, 401: false, 403: true, 404: true, 407: false, 408: false, 423: false, 429: false,
		500: false, 503: false, 600: true, 603: true, 904: false,
	} {
		if got := (Answer{Code: code}).Refuses(); got != want {
			t.Errorf("%d: got %t, want %t", code, got, want)
		}
	}
}

// Whatever an event holds, it is read or refused.
func FuzzGatewayEvent(f *testing.F) {
	for _, text := range []string{
		`{"Event-Subclass":"sofia::gateway_state","Gateway":"x","State":"FAILED","Phrase":"Forbidden","Status":"403"}`,
		`{"Event-Subclass":"sofia::gateway_add","Gateway":"x"}`, `{}`, `[]`, `{"Gateway":7}`, "", `{"Event-Subclass":"sofia::gateway_state","Gateway":"x","Phrase":"\u0000é","Status":"-1"}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := parseGatewayEvent(body)
		if err == nil && e != nil && (e.Gateway == "" || len(e.Answer.Phrase) > maxAnswerPhrase || e.Answer.Code != 0 && (e.Answer.Code < 100 || e.Answer.Code > 999)) {
			t.Errorf("got %+v", e)
		}
	})
}

package freeswitch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// A GatewayEvent is what FreeSWITCH tells when it adds a gateway, or a gateway's state changes. It is a hint: events
// get lost, and come late.
type GatewayEvent struct {
	Gateway string // its name
	Added   bool   // it was loaded just now; State and Answer are empty
	State   string // one of the State constants
	Answer  Answer // the carrier's, if it gave one
}

// An Answer is what a carrier said to a REGISTER or a ping. Code is a SIP status, 0 for none; FreeSWITCH adds 904,
// no matching challenge.
type Answer struct {
	Code   int    `json:"code"`
	Phrase string `json:"phrase"`
}

// Refuses reports whether the carrier will not have the registration however often it is asked. What a challenge, a
// time-out or an overload says does not.
func (a Answer) Refuses() bool {
	switch a.Code {
	case 401, 407, 408, 423, 429:
		return false
	}
	return a.Code >= 400 && a.Code < 500 || a.Code >= 600 && a.Code < 700
}

func (a Answer) String() string { return fmt.Sprintf("%d %s", a.Code, a.Phrase) }

// The subscription is in JSON, whose values need no decoding.
const (
	gatewayEvents   = "event json CUSTOM sofia::gateway_state sofia::gateway_add\n\n"
	typeEventJSON   = "text/event-json"
	maxEvent        = 1 << 20 // bytes
	subclassAdded   = "sofia::gateway_add"
	subclassState   = "sofia::gateway_state"
	maxAnswerPhrase = 200 // bytes
)

// GatewayEvents gives the events of gateways to see until ctx or the connection ends, and says why. The connection is
// one of its own: a command would hold the events up. see is called once with nil when they are subscribed to, and must
// be quick: FreeSWITCH drops a listener that does not read.
func (s *Switch) GatewayEvents(ctx context.Context, see func(*GatewayEvent)) error {
	dialCtx, cancel := context.WithTimeout(ctx, s.options.DialTimeout)
	defer cancel()
	conn, reader, err := dialIn(dialCtx, s.addr, s.password)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if _, err := conn.Write([]byte(gatewayEvents)); err != nil {
		return &UnavailableError{Addr: s.addr, Reason: ReasonHungUp, Err: err}
	}
	for subscribed := false; ; {
		f, err := readFrame(reader, maxEvent)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return readError(s.addr, err)
		case f.contentType == typeCommandReply && !subscribed && strings.HasPrefix(f.replyText, "+OK"):
			subscribed = true
			see(nil)
		case f.contentType == typeEventJSON:
			e, err := parseGatewayEvent(f.body)
			if err != nil {
				return &ProtocolError{Addr: s.addr, Detail: err.Error()}
			}
			if e != nil {
				see(e)
			}
		default:
			return unexpectedFrame(s.addr, f)
		}
	}
}

// parseGatewayEvent reads an event's body; nil is one about something else.
func parseGatewayEvent(body []byte) (*GatewayEvent, error) {
	var raw struct {
		Subclass string `json:"Event-Subclass"`
		Gateway  string
		State    string
		Phrase   string
		Status   string
	}
	if err := json.Unmarshal(body, &raw); err != nil {
		return nil, errors.New("an event that is no JSON: " + quote(string(body)))
	}
	if raw.Gateway == "" || raw.Subclass != subclassAdded && raw.Subclass != subclassState {
		return nil, nil
	}
	e := &GatewayEvent{Gateway: raw.Gateway, Added: raw.Subclass == subclassAdded}
	if !e.Added {
		e.State = raw.State
		if code, err := strconv.Atoi(raw.Status); err == nil && code >= 100 && code < 1000 {
			e.Answer = Answer{Code: code, Phrase: phraseOf(raw.Phrase)}
		}
	}
	return e, nil
}

// phraseOf is what a carrier said, as text that may be kept and shown.
func phraseOf(said string) string {
	said = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, said[:min(len(said), maxAnswerPhrase)])
	return strings.TrimSpace(strings.ToValidUTF8(said, ""))
}

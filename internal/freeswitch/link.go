package freeswitch

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fiorix/go-eventsocket/eventsocket"
)

// Keep-alive of the connection to FreeSWITCH: a peer that vanished without a
// word is noticed after some 30 s, also while no command is under way.
const (
	keepAliveIdle     = 15 * time.Second
	keepAliveInterval = 5 * time.Second
	keepAliveCount    = 3
)

// A link is one logged-in connection to FreeSWITCH with go-eventsocket behind
// the relay. It carries one command at a time, whose goroutine alone writes to
// FreeSWITCH, and ends with its first error.
type link struct {
	addr     string
	maxReply int64
	outside  net.Conn // to FreeSWITCH
	inside   *inside  // to the library
	asked    atomic.Bool
	large    atomic.Pointer[string]            // the body that the library was not given, of the command under way
	take     atomic.Pointer[func(part []byte)] // what such a body goes to in parts; nil: it is returned

	life    context.Context // ends with the link, and holds why
	end     context.CancelCauseFunc
	reading sync.WaitGroup // relayReplies, the only reader of outside
}

// openLink dials FreeSWITCH and logs in. Its errors are those of this package,
// or ctx's own as they are.
func openLink(ctx context.Context, addr, password string, maxReply int64) (*link, error) {
	conn, reader, err := dialIn(ctx, addr, password)
	if err != nil {
		return nil, err
	}
	in, err := openInside(ctx)
	if err != nil {
		conn.Close()
		return nil, err
	}
	l := &link{addr: addr, maxReply: maxReply, outside: conn, inside: in}
	l.life, l.end = context.WithCancelCause(context.Background())
	l.reading.Go(func() { l.relayReplies(reader) })
	return l, nil
}

// dialIn dials FreeSWITCH and logs in.
func dialIn(ctx context.Context, addr, password string) (net.Conn, *bufio.Reader, error) {
	if strings.ContainsAny(password, "\r\n\x00") {
		return nil, nil, &ArgumentError{Name: "the event socket password", Reason: "must not hold a line break or a NUL"}
	}
	dialer := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: keepAliveIdle, Interval: keepAliveInterval, Count: keepAliveCount,
	}}
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		return nil, nil, &UnavailableError{Addr: addr, Reason: ReasonUnreachable, Err: err}
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(longAgo) })
	reader := newFrameReader(conn)
	err = logIn(conn, reader, addr, password)
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn, reader, nil
}

// maxLoginBody bounds a greeting and the reply to auth: at most a farewell.
const maxLoginBody = 64 << 10 // bytes

// logIn answers FreeSWITCH's greeting with the password.
func logIn(conn net.Conn, r *bufio.Reader, addr, password string) error {
	greeting, err := readFrame(r, maxLoginBody)
	if err != nil {
		return readError(addr, err)
	}
	if greeting.contentType != typeAuthRequest {
		return unexpectedFrame(addr, greeting)
	}
	if _, err := conn.Write([]byte("auth " + password + "\n\n")); err != nil {
		return &UnavailableError{Addr: addr, Reason: ReasonHungUp, Err: err}
	}
	reply, err := readFrame(r, maxLoginBody)
	switch {
	case is[badFrame](err):
		return notALogin(addr)
	case err != nil:
		return readError(addr, err)
	case reply.contentType == typeDisconnect:
		return &UnavailableError{Addr: addr, Reason: ReasonDisconnected}
	case reply.contentType != typeCommandReply:
		return notALogin(addr)
	case !strings.HasPrefix(reply.replyText, "+OK"):
		return &UnavailableError{Addr: addr, Reason: ReasonWrongPassword}
	}
	return nil
}

// notALogin quotes nothing: the peer may have sent the password back.
func notALogin(addr string) error {
	return &ProtocolError{Addr: addr, Detail: "its answer to the password is no reply"}
}

// fail ends the link; the first cause stays.
func (l *link) fail(cause error) {
	l.end(cause)
	l.outside.Close()
	l.inside.close()
}

// close ends the link and waits for the relay to be gone.
func (l *link) close(cause error) {
	l.fail(cause)
	l.reading.Wait()
}

// send sends one command and returns the reply's body. A large one goes to take, if
// there is one, in parts as they come, and is not returned. After an error the link
// has ended. When ctx ends first, the error is ctx's own.
func (l *link) send(ctx context.Context, command string, take func(part []byte)) (string, error) {
	if take != nil {
		l.take.Store(&take)
		defer l.take.Store(nil)
	}
	type answer struct {
		event *eventsocket.Event
		err   error
	}
	answered := make(chan answer, 1)
	go func() {
		event, err := l.inside.library.Send(command)
		answered <- answer{event, err}
	}()
	stop := context.AfterFunc(ctx, func() { l.fail(ctx.Err()) })
	l.relayCommand()
	// Send listens until the end of the connection, since the library's reader
	// blocks on a reply that nobody takes.
	a := <-answered
	if !stop() {
		l.close(ctx.Err())
		return "", ctx.Err()
	}
	if a.err != nil {
		// If the relay ended the link, it knows why. Otherwise the library found
		// fault with something that the relay let through.
		l.close(fmt.Errorf("go-eventsocket: %w", a.err))
		return "", context.Cause(l.life)
	}
	body, marked := strings.CutPrefix(a.event.Body, bodyMark)
	if !marked {
		l.close(errors.New("go-eventsocket returned a reply that the relay did not send"))
		return "", context.Cause(l.life)
	}
	if large := l.large.Swap(nil); large != nil {
		return *large, nil
	}
	return body, nil
}

package freeswitch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"trunkline/internal/cache"
)

// Defaults of Options.
const (
	DefaultDialTimeout    = 2 * time.Second
	DefaultCommandTimeout = 5 * time.Second
	DefaultMaxReply       = 64 << 20 // bytes; 50,000 gateways take 46 MB, 50,000 registrations 35 MB
	DefaultMaxConns       = 4
)

// MaxCommandTimeout is the longest CommandTimeout that is kept: after 60 s
// go-eventsocket gives up by itself, and can leave a goroutine behind.
const MaxCommandTimeout = 50 * time.Second

// The pause after a failed dial doubles with each failure in a row, and half of
// it is jitter. Its limit is low: a FreeSWITCH that is back is noticed soon.
const (
	firstPause = 50 * time.Millisecond
	maxPause   = time.Second
)

// Options of a Switch. A value that is zero or less means the default.
type Options struct {
	DialTimeout    time.Duration // to connect and log in
	CommandTimeout time.Duration // for a whole command, waiting for a connection and dialling included; at most MaxCommandTimeout
	MaxReply       int64         // bytes that a reply may have
	MaxConns       int           // connections to the switch at once, and so commands at once
	Logger         *slog.Logger  // is told when the switch is lost and found; nil: nobody is
}

func (o Options) withDefaults() Options {
	o.DialTimeout = positive(o.DialTimeout, DefaultDialTimeout)
	o.CommandTimeout = min(positive(o.CommandTimeout, DefaultCommandTimeout), MaxCommandTimeout)
	o.MaxReply = positive(o.MaxReply, DefaultMaxReply)
	o.MaxConns = positive(o.MaxConns, DefaultMaxConns)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func positive[T int | int64 | time.Duration](value, otherwise T) T {
	if value > 0 {
		return value
	}
	return otherwise
}

// A Switch is one FreeSWITCH. It is safe for concurrent use.
type Switch struct {
	addr     string
	password string
	options  Options
	slots    chan struct{} // one token a command under way
	dropTime time.Duration // DropTime, but in tests
	closing  context.Context
	close    context.CancelCauseFunc
	commands sync.WaitGroup

	listed    *cache.Cache[map[string]bool] // the names in the list of gateways
	listAgain time.Time                     // no list for WaitGone before this; it is the one's who reads it

	mu    sync.Mutex
	idle  []*link // the last used one last
	pause pause
}

// The pause between dials.
type pause struct {
	failures int       // dials that failed in a row
	until    time.Time // no dial before this
	last     error     // why the last dial failed
}

// New returns the switch whose event socket listens at addr (host:port), to be
// closed. Nothing is connected before the first command.
func New(addr, password string, o Options) *Switch {
	o = o.withDefaults()
	s := &Switch{addr: addr, password: password, options: o, slots: make(chan struct{}, o.MaxConns), dropTime: DropTime}
	// A command's own time-out is worded; this one only keeps it from going on for ever.
	s.listed = cache.New[map[string]bool](cache.Options{Most: 1, ReadTimeout: 2 * o.CommandTimeout})
	s.closing, s.close = context.WithCancelCause(context.Background())
	return s
}

// Addr returns the event socket's host:port.
func (s *Switch) Addr() string { return s.addr }

// Close ends the commands under way with ErrClosed, and all connections. It
// always returns nil, and may be called more than once.
func (s *Switch) Close() error {
	s.mu.Lock()
	s.close(ErrClosed)
	s.mu.Unlock()
	s.commands.Wait()
	s.mu.Lock()
	idle := s.idle
	s.idle = nil
	s.mu.Unlock()
	for _, l := range idle {
		l.close(ErrClosed)
	}
	return nil
}

// api runs one api command and returns the body of its reply. name says in
// errors what was asked. The caller has checked what command holds; a line break
// is refused here once more, since two would start a second command.
func (s *Switch) api(ctx context.Context, name, command string) (string, error) {
	return s.apiInParts(ctx, name, command, nil)
}

// apiInParts is api, but that a large body goes to take, in parts as they come, and
// is not returned; a part is take's until it returns.
func (s *Switch) apiInParts(ctx context.Context, name, command string, take func(part []byte)) (string, error) {
	if strings.ContainsAny(command, "\r\n\x00") {
		return "", &ArgumentError{Name: "the command " + name, Reason: "must not hold a line break or a NUL"}
	}
	if !s.begin() {
		return "", ErrClosed
	}
	defer s.commands.Done()
	started := time.Now()
	ctx, cancel := context.WithTimeout(ctx, s.options.CommandTimeout)
	defer cancel()
	ctx, abort := context.WithCancelCause(ctx)
	defer abort(nil)
	defer context.AfterFunc(s.closing, func() { abort(ErrClosed) })()

	reply, err := s.run(ctx, "api "+command, take)
	if err == nil || ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
		return reply, nameReply(err, name)
	}
	switch {
	case errors.Is(context.Cause(ctx), ErrClosed):
		return "", ErrClosed
	case errors.Is(err, context.DeadlineExceeded):
		return "", &TimeoutError{Addr: s.addr, Doing: "waiting for the reply to " + name, After: time.Since(started)}
	}
	return "", fmt.Errorf("freeswitch %s: %s: %w", s.addr, name, err)
}

// nameReply adds what was asked to an error of the link's, which does not know.
func nameReply(err error, name string) error {
	if refused, ok := errors.AsType[*ReplyError](err); ok {
		named := *refused
		named.Command = name
		return &named
	}
	return err
}

// begin counts a command in, unless the switch is closed.
func (s *Switch) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing.Err() != nil {
		return false
	}
	s.commands.Add(1)
	return true
}

// run sends a command on a connection of the pool. Its error may be ctx's own.
func (s *Switch) run(ctx context.Context, command string, take func(part []byte)) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if l := s.takeIdle(); l != nil {
		if reply, err := s.send(ctx, l, command, take); !closedWhileIdle(err) {
			return reply, err
		}
	}
	l, err := s.connect(ctx)
	if err != nil {
		return "", err
	}
	return s.send(ctx, l, command, take)
}

// send sends a command on a link, which goes back to the pool unless it failed.
func (s *Switch) send(ctx context.Context, l *link, command string, take func(part []byte)) (string, error) {
	reply, err := l.send(ctx, command, take)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	s.idle = append(s.idle, l)
	s.mu.Unlock()
	return reply, nil
}

// closedWhileIdle reports whether a link ended without a byte of a reply.
func closedWhileIdle(err error) bool {
	gone, ok := errors.AsType[*UnavailableError](err)
	return ok && (gone.Reason == ReasonHungUp || gone.Reason == ReasonDisconnected)
}

// takeIdle returns the pooled link that was used last and still lives, or nil.
func (s *Switch) takeIdle() *link {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.idle) > 0 {
		last := len(s.idle) - 1
		l := s.idle[last]
		s.idle[last], s.idle = nil, s.idle[:last]
		if l.life.Err() == nil {
			return l
		}
	}
	return nil
}

// connect opens a link, unless a dial failed so recently that its error still
// stands. A dial that ctx ended says nothing about the switch.
func (s *Switch) connect(ctx context.Context) (*link, error) {
	s.mu.Lock()
	standing := s.pause
	s.mu.Unlock()
	if time.Now().Before(standing.until) {
		return nil, standing.last
	}
	started := time.Now()
	dialCtx, cancel := context.WithTimeout(ctx, s.options.DialTimeout)
	defer cancel()
	l, err := openLink(dialCtx, s.addr, s.password, s.options.MaxReply)
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = &TimeoutError{Addr: s.addr, Doing: "connecting and logging in", After: time.Since(started)}
	}
	s.noteDial(err)
	return l, err
}

// noteDial starts or ends the pause, and logs either.
func (s *Switch) noteDial(err error) {
	s.mu.Lock()
	before := s.pause.failures
	if err == nil {
		s.pause = pause{}
	} else {
		length := pauseAfter(before + 1)
		s.pause = pause{failures: before + 1, until: time.Now().Add(length), last: err}
	}
	s.mu.Unlock()
	switch {
	case err == nil && before > 0:
		s.options.Logger.Info("FreeSWITCH is back", "switch", s.addr, "failed_dials", before)
	case err != nil && before == 0:
		s.options.Logger.Warn("FreeSWITCH cannot be used", "switch", s.addr, "error", err)
	}
}

// pauseAfter returns how long to wait after so many failed dials in a row.
func pauseAfter(failures int) time.Duration {
	length := min(firstPause<<min(failures-1, 8), maxPause)
	return length/2 + rand.N(length/2)
}

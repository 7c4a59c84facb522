package fssim

import (
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// Command is one line that a client sent.
type Command struct {
	At   time.Time
	Line string // as it came, such as "api sofia profile external rescan"; of auth and userauth the verb alone
}

type commandLog struct {
	mu       sync.Mutex
	commands []Command
}

func (l *commandLog) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.commands = append(l.commands, Command{At: time.Now(), Line: line})
}

// Commands returns every command received, of all connections, oldest first.
func (s *Switch) Commands() []Command {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return slices.Clone(s.log.commands)
}

// CountCommands counts the commands received that begin with prefix, with or without "api " before it:
// CountCommands("sofia profile external rescan").
func (s *Switch) CountCommands(prefix string) int {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	n := 0
	for _, c := range s.log.commands {
		if strings.HasPrefix(c.Line, prefix) || strings.HasPrefix(strings.TrimPrefix(c.Line, "api "), prefix) {
			n++
		}
	}
	return n
}

// BytesWritten is how many bytes the switch has sent, on all connections together.
func (s *Switch) BytesWritten() int64 { return s.written.Load() }

// switchFaults is what a test told the event socket to do wrong. A pattern is a part of a command line,
// such as "killgw" or "xmlstatus gateway"; "" is every command.
type switchFaults struct {
	mu        sync.Mutex
	released  chan struct{} // not nil while the switch hangs; closed when it goes on
	refuseACL bool
	deaf      bool // listeners hear of nothing
	delays    []*delayFault
	hooks     []*hookFault
	raw       []*rawFault
	lost      []*lostFault
}

type delayFault struct {
	pattern string
	d       time.Duration
}

type hookFault struct {
	pattern string
	hook    func()
}

type rawFault struct {
	pattern string
	answer  func(net.Conn)
}

type lostFault struct{ pattern string }

// Hang makes the switch accept connections and read commands without a word, until Hang(false). Then it
// greets and answers whoever still waits.
func (s *Switch) Hang(hang bool) {
	f := &s.faults
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case hang && f.released == nil:
		f.released = make(chan struct{})
	case !hang && f.released != nil:
		close(f.released)
		f.released = nil
	}
}

// waitWhileHung reports false if the connection ended first.
func (f *switchFaults) waitWhileHung(ended <-chan struct{}) bool {
	for {
		f.mu.Lock()
		released := f.released
		f.mu.Unlock()
		if released == nil {
			return true
		}
		select {
		case <-released:
		case <-ended:
			return false
		}
	}
}

// RefuseACL makes the switch turn new connections away as one does whose access list does not name the
// client's address.
func (s *Switch) RefuseACL(refuse bool) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.refuseACL = refuse
}

func (f *switchFaults) refuses() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refuseACL
}

// LoseEvents has the listeners of events not hear of what happens, until LoseEvents(false).
func (s *Switch) LoseEvents(lose bool) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.deaf = lose
}

func (f *switchFaults) losesEvents() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.deaf
}

// EndListeners ends the connections that listen to events, without a word.
func (s *Switch) EndListeners() {
	s.netMu.Lock()
	defer s.netMu.Unlock()
	for c := range s.conns {
		if c.listens() {
			c.end("")
		}
	}
}

// Listened reports whether somebody listens to events.
func (s *Switch) Listened() bool {
	s.netMu.Lock()
	defer s.netMu.Unlock()
	for c := range s.conns {
		if c.listens() {
			return true
		}
	}
	return false
}

func (c *switchConn) listens() bool {
	c.queueMu.Lock()
	defer c.queueMu.Unlock()
	return c.subscription.format != ""
}

// Delay makes the switch run each command that contains pattern at once, but answer it d later. It lasts
// until remove is called.
func (s *Switch) Delay(pattern string, d time.Duration) (remove func()) {
	return addFault(&s.faults, &s.faults.delays, &delayFault{pattern, d})
}

func (f *switchFaults) delay(line string) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	var sum time.Duration
	for _, d := range f.delays {
		if strings.Contains(line, d.pattern) {
			sum += d.d
		}
	}
	return sum
}

// OnCommand calls hook before each command that contains pattern is run, in the goroutine of its
// connection: while hook waits, that connection has no answer and others go on. It lasts until remove is
// called.
func (s *Switch) OnCommand(pattern string, hook func()) (remove func()) {
	return addFault(&s.faults, &s.faults.hooks, &hookFault{pattern, hook})
}

// Hold stops the next command that contains pattern before it is run, and closes held then; the command goes
// on when release is called. Other connections are served meanwhile.
func (s *Switch) Hold(pattern string) (held <-chan struct{}, release func()) {
	stopped, released := make(chan struct{}), make(chan struct{})
	remove := s.OnCommand(pattern, sync.OnceFunc(func() {
		close(stopped)
		select {
		case <-released:
		case <-s.ctx.Done():
		}
	}))
	return stopped, sync.OnceFunc(func() {
		remove()
		close(released)
	})
}

// FaultOnce has the next command that contains pattern answered by answer, which writes what bytes it
// likes, or closes the connection, in place of running the command.
func (s *Switch) FaultOnce(pattern string, answer func(net.Conn)) {
	addFault(&s.faults, &s.faults.raw, &rawFault{pattern, answer})
}

// LoseReplyOnce has the next command that contains pattern run, and the connection cut off in place of
// the reply.
func (s *Switch) LoseReplyOnce(pattern string) {
	addFault(&s.faults, &s.faults.lost, &lostFault{pattern})
}

func (f *switchFaults) losesReply(line string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.lost, func(l *lostFault) bool { return strings.Contains(line, l.pattern) })
	if i < 0 {
		return false
	}
	f.lost = slices.Delete(f.lost, i, i+1)
	return true
}

// before runs the hooks for a command, and returns what answers it in the switch's place, if anything.
func (f *switchFaults) before(line string) func(net.Conn) {
	var hooks []func()
	f.mu.Lock()
	for _, h := range f.hooks {
		if strings.Contains(line, h.pattern) {
			hooks = append(hooks, h.hook)
		}
	}
	f.mu.Unlock()
	for _, hook := range hooks {
		hook()
	}

	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.raw, func(r *rawFault) bool { return strings.Contains(line, r.pattern) })
	if i < 0 {
		return nil
	}
	answer := f.raw[i].answer
	f.raw = slices.Delete(f.raw, i, i+1)
	return answer
}

func addFault[T any](f *switchFaults, list *[]*T, fault *T) (remove func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	*list = append(*list, fault)
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		*list = slices.DeleteFunc(*list, func(other *T) bool { return other == fault })
	}
}

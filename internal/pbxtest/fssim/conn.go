package fssim

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

const (
	// authTime is how long FreeSWITCH waits for the password.
	authTime = 25 * time.Second
	// writeTime ends a connection whose reader has stopped reading.
	writeTime = 60 * time.Second
	// maxCommandBytes bounds a command with its headers, and its body.
	maxCommandBytes = 1 << 20
	// maxQueuedEvents is how many events wait for a slow reader, maxLostEvents how many more it may miss
	// before it is dropped.
	maxQueuedEvents = 1000
	maxLostEvents   = 500
)

const (
	goodbyeNotice  = "Disconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n"
	shutdownNotice = "The system is being shut down.\n"
	aclRefusal     = "Access Denied, go away.\n"
)

var errCommandTooLong = errors.New("the command is longer than the simulated FreeSWITCH takes")

// header is one line of a command's or an event's head.
type header struct{ name, value string }

// request is one command as it came: its first line, the lines after it that have a colon, and a body
// if a Content-Length announced one.
type request struct {
	line    string
	headers []header
	body    string
}

func (r request) header(name string) string {
	for _, h := range r.headers {
		if strings.EqualFold(h.name, name) {
			return h.value
		}
	}
	return ""
}

// switchConn is one connection to the event socket. Commands run one after the other in its goroutine,
// so that a slow one holds up the connection's events, as on a real FreeSWITCH.
type switchConn struct {
	s        *Switch
	conn     net.Conn
	requests chan request
	done     chan struct{} // closed when run returns
	authed   bool

	endOnce sync.Once
	ended   chan struct{} // closed by end
	notice  string        // set before ended is closed

	subscription subscription

	queueMu sync.Mutex
	queue   []event
	lost    int
	wake    chan struct{} // has a value if the queue may hold events
}

func newSwitchConn(s *Switch, conn net.Conn) *switchConn {
	return &switchConn{
		s: s, conn: conn, requests: make(chan request), done: make(chan struct{}),
		ended: make(chan struct{}), wake: make(chan struct{}, 1),
	}
}

// end ends the connection from outside: at once without a notice, else after what it is doing.
func (c *switchConn) end(notice string) {
	c.endOnce.Do(func() {
		c.notice = notice
		close(c.ended)
		if notice == "" {
			c.conn.Close()
		}
	})
}

func (c *switchConn) run() {
	defer c.conn.Close()
	defer close(c.done)
	if !c.s.faults.waitWhileHung(c.ended) {
		return
	}
	if c.s.faults.refuses() {
		c.write("Content-Type: text/rude-rejection\nContent-Length: %d\n\n%s", len(aclRefusal), aclRefusal)
		return
	}
	if c.write("Content-Type: auth/request\n\n") != nil {
		return
	}
	c.s.wg.Go(c.read)
	tooLate := time.NewTimer(authTime)
	defer tooLate.Stop()
	for {
		// A command that has come goes before an event.
		select {
		case r, ok := <-c.requests:
			if !ok || c.handle(r) != nil {
				return
			}
			continue
		default:
		}
		select {
		case r, ok := <-c.requests:
			if !ok || c.handle(r) != nil {
				return
			}
		case <-c.wake:
			if c.sendEvents() != nil {
				return
			}
		case <-tooLate.C:
			if !c.authed {
				c.disconnect(goodbyeNotice)
				return
			}
		case <-c.ended:
			if c.notice != "" && c.sendEvents() == nil {
				c.disconnect(c.notice)
			}
			return
		}
	}
}

// read takes commands off the wire until it ends.
func (c *switchConn) read() {
	defer close(c.requests)
	r := bufio.NewReader(c.conn)
	for {
		req, err := readRequest(r)
		if err != nil {
			return
		}
		select {
		case c.requests <- req:
		case <-c.done:
			return
		}
	}
}

// readRequest reads one command. Lines end in LF, a CR before it is ignored, and an empty line ends the
// head, so two line breaks inside an argument begin a new command and one begins a header.
func readRequest(r *bufio.Reader) (request, error) {
	var req request
	size := 0
	for first := true; ; {
		line, err := readLine(r, maxCommandBytes-size)
		if err != nil {
			return request{}, err
		}
		size += len(line) + 1
		switch {
		case line == "" && first:
			continue
		case first:
			req.line, first = line, false
			continue
		case line != "":
			if name, value, ok := strings.Cut(line, ":"); ok {
				req.headers = append(req.headers, header{name, strings.TrimLeft(value, " ")})
			}
			continue
		}
		break
	}
	length, err := strconv.Atoi(req.header("Content-Length"))
	if err != nil || length <= 0 {
		return req, nil
	}
	if length > maxCommandBytes {
		return request{}, errCommandTooLong
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(r, body); err != nil {
		return request{}, err
	}
	req.body = string(body)
	return req, nil
}

func readLine(r *bufio.Reader, limit int) (string, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > limit {
			return "", errCommandTooLong
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			return "", err
		}
		return strings.TrimSuffix(strings.TrimSuffix(string(line), "\n"), "\r"), nil
	}
}

// errConnOver says that a connection has been answered for the last time.
var errConnOver = errors.New("the connection is over")

// handle answers one command; an error ends the connection.
func (c *switchConn) handle(r request) error {
	if !c.s.faults.waitWhileHung(c.ended) {
		return errConnOver
	}
	verb, arg, _ := strings.Cut(r.line, " ")
	verb = strings.ToLower(verb)
	line := r.line
	if verb == "auth" || verb == "userauth" {
		line = verb // passwords are not kept
	}
	c.s.log.add(line)
	if raw := c.s.faults.before(line); raw != nil {
		raw(c.conn)
		return nil
	}
	reply, err := c.execute(verb, arg, r)
	if delay := c.s.faults.delay(line); !c.s.pause(delay) {
		return errConnOver
	}
	if c.s.faults.losesReply(line) {
		return errConnOver
	}
	if reply != "" {
		err = errors.Join(err, c.write("%s", reply))
	}
	if err == nil {
		return nil
	}
	if errors.Is(err, errGoodbye) {
		c.disconnect(goodbyeNotice)
	}
	return err
}

// errGoodbye ends a connection with FreeSWITCH's notice.
var errGoodbye = errors.New("goodbye")

// execute runs a command and returns the bytes that answer it.
func (c *switchConn) execute(verb, arg string, r request) (string, error) {
	switch {
	case verb == "exit" || strings.HasPrefix(verb, "..."):
		return commandReply("+OK bye"), errGoodbye
	case !c.authed && verb == "auth" && arg == c.s.opts.Password:
		c.authed = true
		return commandReply("+OK accepted"), nil
	case !c.authed && (verb == "auth" || verb == "userauth"):
		return commandReply("-ERR invalid"), errGoodbye
	case !c.authed:
		return commandReply("-ERR command not found"), nil
	case verb == "api" && strings.Contains(r.line, " "):
		body, ok := c.s.api(arg)
		if !ok {
			return "", errConnOver
		}
		return fmt.Sprintf("Content-Type: api/response\nContent-Length: %d\n\n%s", len(body), body), nil
	case verb == "bgapi" && strings.Contains(r.line, " "):
		return c.background(arg, r.header("Job-UUID")), nil
	case verb == "sendevent":
		return commandReply("+OK " + c.s.sendEvent(arg, r)), nil
	default:
		return commandReply(c.listenerCommand(verb, arg)), nil
	}
}

func commandReply(text string) string {
	return "Content-Type: command/reply\nReply-Text: " + text + "\n\n"
}

// background starts an api command whose result comes as an event.
func (c *switchConn) background(command, job string) string {
	if job == "" {
		job = uuid.NewString()
	}
	name, arg, _ := strings.Cut(command, " ")
	c.s.wg.Go(func() {
		body, ok := c.s.apiOutput(command)
		if !ok {
			return
		}
		headers := []header{{"Job-UUID", job}, {"Job-Command", name}}
		if arg != "" {
			headers = append(headers, header{"Job-Command-Arg", arg})
		}
		c.s.publish(event{name: "BACKGROUND_JOB", source: sourceBackground, headers: headers, body: body})
	})
	return commandReply("+OK Job-UUID: " + job + "\nJob-UUID: " + job)
}

// write sends bytes to the client.
func (c *switchConn) write(format string, args ...any) error {
	if err := c.conn.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return err
	}
	text := fmt.Appendf(nil, format, args...)
	c.s.written.Add(int64(len(text))) // before whoever reads it can look
	_, err := c.conn.Write(text)
	return err
}

// disconnect tells the client why the connection ends.
func (c *switchConn) disconnect(notice string) {
	// An error means that the client has gone first.
	_ = c.write("Content-Type: text/disconnect-notice\nContent-Length: %d\n\n%s", len(notice), notice)
}

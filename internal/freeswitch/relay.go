package freeswitch

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
	"unsafe"

	"github.com/fiorix/go-eventsocket/eventsocket"
)

// bodyMark goes before the body of every reply that the relay hands to
// go-eventsocket, and is taken off again by link.send. The library fails on a
// body of less than two bytes, and takes one that starts with -E apart.
const bodyMark = "=:"

// largeBody is from how many bytes on a body does not go through the library, which
// would hold it twice more: the list of ten thousand gateways has 9 MB. The library
// gets the mark alone, and link.send the body.
const largeBody = 256 << 10

// maxCommand bounds what the relay reads from the library, in bytes. The longest
// command has a few hundred.
const maxCommand = 8 << 10

// longAgo is a deadline that ends pending reads and writes at once.
var longAgo = time.Unix(1, 0)

// The library's side of a link: go-eventsocket, and the relay's end of the
// loopback connection to it. The relay is our own because the library, which is
// the owner's choice, is unsafe alone, and can only dial.
type inside struct {
	library *eventsocket.Connection
	conn    net.Conn
	reader  *bufio.Reader // over conn; holds what the log-in read ahead
}

func (in *inside) close() {
	in.library.Close()
	in.conn.Close()
}

// openInside lets go-eventsocket dial the relay. Another process of this
// machine could find the port while it is open, so the library proves itself
// with a random password, and the port is closed before openInside returns.
func openInside(ctx context.Context) (*inside, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("opening the event socket relay on loopback: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// Closing the listener ends the accept loop and, with the connections
	// that it has not accepted, a Dial of the library's that still waits.
	context.AfterFunc(ctx, func() { listener.Close() })

	secret := rand.Text()
	type dialled struct {
		library *eventsocket.Connection
		err     error
	}
	dialling := make(chan dialled, 1)
	go func() {
		library, err := eventsocket.Dial(listener.Addr().String(), secret)
		dialling <- dialled{library, err}
	}()
	admitted := make(chan *inside)
	refused := make(chan error, 1)
	go func() { refused <- acceptLibrary(ctx, listener, secret, admitted) }()

	var in *inside
	select {
	case in = <-admitted:
	case err = <-refused:
	case <-ctx.Done():
		err = ctx.Err()
	}
	cancel()
	d := <-dialling
	switch {
	case in != nil && d.err == nil:
		in.library = d.library
		return in, nil
	case in != nil:
		in.conn.Close()
		err = d.err
	case d.err == nil:
		d.library.Close()
	}
	return nil, fmt.Errorf("opening the event socket relay on loopback: %w", err)
}

// acceptLibrary accepts until ctx ends, and sends the one connection that
// knows the secret to admitted. Whoever does not know it is cut off.
func acceptLibrary(ctx context.Context, listener net.Listener, secret string, admitted chan<- *inside) error {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			stop := context.AfterFunc(ctx, func() { conn.SetDeadline(longAgo) })
			reader := bufio.NewReaderSize(conn, maxCommand)
			if admitLibrary(conn, reader, secret) != nil || !stop() {
				conn.Close()
				return
			}
			select {
			case admitted <- &inside{conn: conn, reader: reader}:
			case <-ctx.Done():
				conn.Close()
			}
		}()
	}
}

// admitLibrary plays FreeSWITCH's part of the log-in.
func admitLibrary(conn net.Conn, reader *bufio.Reader, secret string) error {
	if _, err := conn.Write([]byte("Content-Type: " + typeAuthRequest + "\n\n")); err != nil {
		return err
	}
	command, err := readCommand(reader)
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare([]byte(command), []byte("auth "+secret)) != 1 {
		return errors.New("not the library's password")
	}
	_, err = conn.Write([]byte("Content-Type: " + typeCommandReply + "\nReply-Text: +OK accepted\n\n"))
	return err
}

// readCommand reads one command as the library writes it: a line and a blank
// line, each ended by CR LF.
func readCommand(r *bufio.Reader) (string, error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return "", err
	}
	command := strings.TrimRight(string(line), "\r\n")
	if line, err = r.ReadSlice('\n'); err != nil {
		return "", err
	}
	if strings.TrimRight(string(line), "\r\n") != "" {
		return "", errors.New("a command of two lines")
	}
	return command, nil
}

// relayCommand carries one command from the library to FreeSWITCH.
func (l *link) relayCommand() {
	command, err := readCommand(l.inside.reader)
	if err != nil {
		l.fail(fmt.Errorf("the event socket relay lost its inner side: %w", err))
		return
	}
	l.asked.Store(true)
	if _, err := l.outside.Write([]byte(command + "\n\n")); err != nil {
		l.fail(&UnavailableError{Addr: l.addr, Reason: ReasonHungUp, Err: err})
	}
}

// relayReplies carries replies from FreeSWITCH to the library until the link
// ends. Only a whole api/response that answers a command passes.
func (l *link) relayReplies(r *bufio.Reader) {
	for {
		if err := l.relayReply(r); err != nil {
			l.fail(err)
			return
		}
	}
}

func (l *link) relayReply(r *bufio.Reader) error {
	f, length, err := readHead(r, l.maxReply)
	if err != nil {
		return readError(l.addr, err)
	}
	if take := l.take.Load(); take != nil && f.contentType == typeAPIResponse && l.asked.Load() && length >= largeBody {
		err = readParts(r, length, *take)
		l.large.Store(new(string)) // nothing of it is left
	} else {
		f.body, err = readBody(r, length)
	}
	if err != nil {
		return readError(l.addr, err)
	}
	switch f.contentType {
	case typeAPIResponse:
		if !f.hasLength {
			return &ProtocolError{Addr: l.addr, Detail: "an api/response without Content-Length"}
		}
		if !l.asked.CompareAndSwap(true, false) {
			return &ProtocolError{Addr: l.addr, Detail: "a reply to no command"}
		}
		if len(f.body) >= largeBody {
			body := unsafe.String(unsafe.SliceData(f.body), len(f.body)) // nobody writes to it any more
			l.large.Store(&body)
			f.body = nil
		}
		head := fmt.Sprintf("Content-Type: %s\nContent-Length: %d\n\n%s", typeAPIResponse, len(bodyMark)+len(f.body), bodyMark)
		buffers := net.Buffers{[]byte(head), f.body}
		if _, err := buffers.WriteTo(l.inside.conn); err != nil {
			return fmt.Errorf("the event socket relay lost its inner side: %w", err)
		}
	case "text/event-plain", "text/event-json", "text/event-xml", "log/data":
		// Nothing here subscribes. The library holds sixteen events that
		// nobody reads and then stands still: they end here.
	default:
		return unexpectedFrame(l.addr, f)
	}
	return nil
}

// readError puts readFrame's error into the words of this package.
func readError(addr string, err error) error {
	if bad, ok := errors.AsType[badFrame](err); ok {
		return &ProtocolError{Addr: addr, Detail: bad.detail, Err: bad.err}
	}
	if errors.Is(err, errEnded) {
		return &UnavailableError{Addr: addr, Reason: ReasonHungUp, Err: err}
	}
	return &UnavailableError{Addr: addr, Reason: ReasonCutOff, Err: err}
}

// unexpectedFrame is what a frame means that came in place of another.
func unexpectedFrame(addr string, f frame) error {
	switch f.contentType {
	case typeRudeRejection:
		return &UnavailableError{Addr: addr, Reason: ReasonRefusedByACL}
	case typeDisconnect:
		said, _, _ := strings.Cut(string(f.body), "\n")
		return &UnavailableError{Addr: addr, Reason: ReasonDisconnected, Err: fmt.Errorf("it said %s", quote(said))}
	case typeCommandReply:
		return &ReplyError{Addr: addr, Command: "a command", Reply: f.replyText,
			Remedy: "check that the event socket user may run api commands"}
	default:
		return &ProtocolError{Addr: addr, Detail: "an unexpected message of type " + quote(f.contentType)}
	}
}

package freeswitch

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Content types of the event socket.
const (
	typeAuthRequest   = "auth/request"
	typeCommandReply  = "command/reply"
	typeAPIResponse   = "api/response"
	typeDisconnect    = "text/disconnect-notice"
	typeRudeRejection = "text/rude-rejection"
)

// Limits of a frame's header. FreeSWITCH sends two or three short lines; what
// an event has to say is in its body.
const (
	maxHeaderLine  = 8 << 10 // bytes
	maxHeaderLines = 64
)

// How much memory a body is given at first, and then how many times what has
// come: a length that lies costs no more.
const (
	bodyChunk  = 64 << 10 // bytes
	bodyGrowth = 8
)

// errEnded is the end of the stream between two frames.
var errEnded = errors.New("connection closed")

// A badFrame is what a frame did wrong.
type badFrame struct {
	detail string
	err    error // ErrReplyTooLong, or nil
}

func (b badFrame) Error() string { return b.detail }

// A frame is one message of FreeSWITCH's: header lines, a blank line, and as many
// bytes of body as Content-Length says. It is read here and not by go-eventsocket,
// which neither bounds a message nor survives a bad one.
type frame struct {
	contentType string
	replyText   string
	hasLength   bool
	body        []byte
}

// newFrameReader returns a reader that readFrame can bound header lines with.
func newFrameReader(r io.Reader) *bufio.Reader {
	return bufio.NewReaderSize(r, maxHeaderLine)
}

// readFrame reads one frame with a body of at most maxBody bytes from a reader of
// newFrameReader's. The error is errEnded if the stream ends before the frame's
// first byte, a badFrame if the bytes are wrong, else what broke it off.
func readFrame(r *bufio.Reader, maxBody int64) (frame, error) {
	f, length, err := readHead(r, maxBody)
	if err == nil {
		f.body, err = readBody(r, length)
	}
	if err != nil {
		return frame{}, err
	}
	return f, nil
}

// readHead is readFrame short of the body, of which it returns the length.
func readHead(r *bufio.Reader, maxBody int64) (f frame, length int64, err error) {
	if _, err := r.Peek(1); err != nil {
		return frame{}, 0, fmt.Errorf("%w: %w", errEnded, err)
	}
	return readHeader(r, maxBody)
}

// readBody reads a body of that length, nil for 0.
func readBody(r *bufio.Reader, length int64) (body []byte, err error) {
	for size := int64(bodyChunk); int64(len(body)) < length; size *= bodyGrowth {
		larger := make([]byte, min(size, length))
		came := copy(larger, body)
		if n, err := io.ReadFull(r, larger[came:]); err != nil {
			return nil, cutOff(int64(came+n), length, err)
		}
		body = larger
	}
	return body, nil
}

// readParts reads a body of that length, and gives take one part after the other,
// all in the same memory.
func readParts(r *bufio.Reader, length int64, take func(part []byte)) error {
	part := make([]byte, bodyChunk)
	for came := int64(0); came < length; came += int64(len(part)) {
		part = part[:min(int64(len(part)), length-came)]
		if n, err := io.ReadFull(r, part); err != nil {
			return cutOff(came+int64(n), length, err)
		}
		take(part)
	}
	return nil
}

func cutOff(came, length int64, err error) error {
	return fmt.Errorf("%d of %d bytes of a body came: %w", came, length, err)
}

// readHeader reads a frame's header lines and the blank one after them.
func readHeader(r *bufio.Reader, maxBody int64) (f frame, length int64, err error) {
	for lines := 0; ; lines++ {
		if lines > maxHeaderLines {
			return frame{}, 0, badFrame{detail: fmt.Sprintf("a header of more than %d lines", maxHeaderLines)}
		}
		raw, err := r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return frame{}, 0, badFrame{detail: fmt.Sprintf("a header line of more than %d bytes: %s", maxHeaderLine, quote(string(raw)))}
		}
		if err != nil {
			return frame{}, 0, fmt.Errorf("in a header: %w", err)
		}
		line := strings.TrimRight(string(raw), "\r\n")
		if line == "" {
			break
		}
		name, value, found := strings.Cut(line, ":")
		if !found {
			return frame{}, 0, badFrame{detail: "a header line without a colon: " + quote(line)}
		}
		value = strings.TrimSpace(value)
		switch strings.ToLower(name) {
		case "content-type":
			f.contentType = value
		case "reply-text":
			f.replyText = value
		case "content-length":
			// ParseUint takes digits alone, neither sign nor space.
			n, err := strconv.ParseUint(value, 10, 63)
			if err != nil || f.hasLength {
				return frame{}, 0, badFrame{detail: "a Content-Length of " + quote(value)}
			}
			if int64(n) > maxBody {
				return frame{}, 0, badFrame{fmt.Sprintf("a Content-Length of %d, more than the %d bytes allowed", n, maxBody), ErrReplyTooLong}
			}
			f.hasLength, length = true, int64(n)
		}
	}
	if f.contentType == "" {
		return frame{}, 0, badFrame{detail: "a message without Content-Type"}
	}
	return f, length, nil
}

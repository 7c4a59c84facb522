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
	if _, err := r.Peek(1); err != nil {
		return frame{}, fmt.Errorf("%w: %w", errEnded, err)
	}
	f, length, err := readHeader(r, maxBody)
	if err != nil {
		return frame{}, err
	}
	if length == 0 {
		return f, nil
	}
	for size := int64(bodyChunk); int64(len(f.body)) < length; size *= bodyGrowth {
		body := make([]byte, min(size, length))
		came := copy(body, f.body)
		n, err := io.ReadFull(r, body[came:])
		if err != nil {
			return frame{}, fmt.Errorf("%d of %d bytes of a body came: %w", came+n, length, err)
		}
		f.body = body
	}
	return f, nil
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

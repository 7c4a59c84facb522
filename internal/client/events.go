package client

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// event is one server-sent event.
type event struct{ name, id, data string }

const (
	// maxEvent bounds one event, in bytes: a job with a page of its items is some hundred kilobytes.
	maxEvent = 8 << 20
	// maxRetry bounds what a stream may say to wait before one comes back to it.
	maxRetry = 30 * time.Second
)

// errEventTooLarge: the stream sends an event of more than maxEvent bytes.
var errEventTooLarge = errors.New("an event has more than 8 MiB")

// readEvents reads a stream of server-sent events (WHATWG HTML, 9.2) until it ends, or take fails. alive is called at
// each line, whatever it says. retry is what the stream last said to wait before one comes back, 0 if nothing.
func readEvents(stream io.Reader, alive func(), take func(event) error) (retry time.Duration, err error) {
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, maxEvent)
	var next event
	var data []string
	size := 0
	for lines.Scan() {
		alive()
		line := lines.Text()
		if line == "" {
			if next.data = strings.Join(data, "\n"); len(data) > 0 {
				if err := take(next); err != nil {
					return retry, err
				}
			}
			next, data, size = event{id: next.id}, nil, 0
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			next.name = value
		case "id":
			next.id = value
		case "data":
			if size += len(value); size > maxEvent {
				return retry, errEventTooLarge
			}
			data = append(data, value)
		case "retry":
			if ms, err := strconv.ParseUint(value, 10, 31); err == nil {
				retry = min(time.Duration(ms)*time.Millisecond, maxRetry)
			}
		}
	}
	if err := lines.Err(); err != nil {
		return retry, fmt.Errorf("reading events: %w", err)
	}
	return retry, nil
}

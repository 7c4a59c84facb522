package webhook

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"trunkline/internal/fault"
)

// mostRetryAfter is the longest that a receiver can have us wait: then it is asked again.
const mostRetryAfter = time.Hour

// refusal is an answer by which a message was not received. It implements delivery.Answered.
type refusal struct {
	why    *fault.Error
	status int
}

func (r *refusal) Error() string { return r.why.Error() }

// Unwrap returns what the answer means.
func (r *refusal) Unwrap() error { return r.why }

// Status implements delivery.Answered.
func (r *refusal) Status() int { return r.status }

// IsGone reports whether the receiver said that it wants no more messages, by the status 410.
func IsGone(err error) bool {
	r, is := errors.AsType[*refusal](err)
	return is && r.status == http.StatusGone
}

// judge says what an answer means: nil is that the message was received. What may be different in a while is tried again, so
// that a receiver which is replaced or repaired misses nothing; what the receiver means for good is not.
func judge(host string, answer *http.Response) error {
	status := answer.StatusCode
	if status >= 200 && status <= 299 {
		return nil
	}
	why := &fault.Error{Code: fault.DeliveryRefused}
	switch {
	case status == http.StatusGone:
		why.Message = "it wants no more messages (status 410)"
	case status == http.StatusMovedPermanently || status == http.StatusPermanentRedirect:
		why.Message = fmt.Sprintf("it has moved (status %d), and a message is not sent where an answer leads; give the URL where it is now", status)
	case status >= 300 && status <= 399:
		why.Passes = true
		why.Message = fmt.Sprintf("it leads elsewhere (status %d), and a message is not sent where an answer leads; give the URL that answers itself", status)
	default:
		why.Passes = true
		why.Message = fmt.Sprintf("it answered with status %d, and only one from 200 to 299 means that the message was received", status)
	}
	why.Message = fault.Clip(host) + ": " + why.Message
	if why.Passes {
		why.RetryAfter = retryAfter(answer.Header.Get("Retry-After"), time.Now())
	}
	return &refusal{why, status}
}

// retryAfter is how long a receiver wants us to wait: seconds or a time, else 0.
func retryAfter(text string, now time.Time) time.Duration {
	text = strings.TrimSpace(text)
	if seconds, err := strconv.ParseUint(text, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(seconds, uint64(mostRetryAfter/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(at.Sub(now), 0), mostRetryAfter)
	}
	return 0
}

package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Request is one request of the API.
type Request struct {
	Method string // GET if empty
	Path   string // below the API's address, such as /v1/jobs
	Query  url.Values
	Form   url.Values // sent as a form; nil for none
	Body   []byte     // sent as it is, of ContentType; nil for none
	// ContentType is that of Body.
	ContentType string
	// IdempotencyKey makes a request that changes something safe to send again.
	IdempotencyKey string
	// Wait is how long the server is asked to wait for a job's end. 0 leaves it to the server, and Now says not at all.
	Wait time.Duration
	// Headers are further ones, such as If-Match.
	Headers map[string]string
}

// Now, as a Wait, is not to wait for a job's end.
const Now time.Duration = -1

const (
	// maxAnswer bounds what is read of one answer, in bytes.
	maxAnswer = 64 << 20
	// maxLimited is how often one waits since a limit is used up.
	maxLimited = 5
)

// Answer is what the API answered, other than an error.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Do asks, and reads the answer. What is only read, and what has an IdempotencyKey, is sent again when the
// connection breaks or the server is away, for a minute, if the server has ever answered; what was refused for a limit
// is sent again when the server says. An error is a *Problem if the API answered with one.
func (c *Client) Do(ctx context.Context, r Request) (Answer, error) {
	return retried(ctx, c, r, func() (Answer, error) { return c.once(ctx, r) })
}

// Get asks for what is at the path and decodes it into v.
func (c *Client) Get(ctx context.Context, path string, query url.Values, v any) error {
	answer, err := c.Do(ctx, Request{Path: path, Query: query})
	if err != nil {
		return err
	}
	return answer.Decode(v)
}

// Decode decodes an answer's JSON into v.
func (a Answer) Decode(v any) error {
	if err := json.Unmarshal(a.Body, v); err != nil {
		return fmt.Errorf("the answer is not the JSON that Trunkline sends (%w); check that the URL is its address, and that it is of this version or a later one", err)
	}
	return nil
}

// retried asks until there is an answer, or an error that another try would not change.
func retried[T any](ctx context.Context, c *Client, r Request, once func() (T, error)) (T, error) {
	began, pause, limited := time.Now(), c.pace.firstPause, 0
	for {
		answer, err := once()
		if err == nil || ctx.Err() != nil {
			return answer, err
		}
		wait := pause
		problem, answered := errors.AsType[*Problem](err)
		switch {
		case answered && problem.Status == http.StatusTooManyRequests:
			if limited++; problem.RetryAfter > c.pace.maxRetryAfter || limited > maxLimited {
				return answer, err
			}
			wait = max(problem.RetryAfter, c.pace.firstPause)
			c.note(fmt.Sprintf("a limit is used up; asking again in %d s", int(wait.Round(time.Second).Seconds())))
		case !r.repeatable() || answered && !problem.passes() || errors.Is(err, errForGood) || time.Since(began) > c.pace.again,
			!answered && !c.reached.Load(): // more likely it is not there at all
			return answer, err
		default:
			if pause == c.pace.firstPause {
				c.note(err.Error() + "; asking again")
			}
			pause = min(2*pause, c.pace.lastPause)
		}
		if !sleep(ctx, wait) {
			return answer, err
		}
	}
}

// repeatable says whether sending the request twice does no more than sending it once.
func (r Request) repeatable() bool {
	return r.Method == "" || r.Method == http.MethodGet || r.IdempotencyKey != ""
}

// sleep reports whether the time went by before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (c *Client) once(ctx context.Context, r Request) (Answer, error) {
	resp, stop, err := c.send(ctx, r, "application/json")
	if err != nil {
		return Answer{}, err
	}
	defer stop()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return Answer{}, fmt.Errorf("the answer of %s broke off: %w", c.base.Host, err)
	}
	if len(body) > maxAnswer {
		return Answer{}, fmt.Errorf("%w: the answer has more than %d bytes; ask for less", errForGood, maxAnswer)
	}
	if documentedProblem(body) != nil { // with status 200
		return Answer{}, c.problemIn(resp, body)
	}
	return Answer{Status: resp.StatusCode, Header: resp.Header, Body: body}, nil
}

// Download asks, and writes the answer's body to the file as it comes. What was written before an error is of no use.
func (c *Client) Download(ctx context.Context, r Request, accept string, file io.Writer) error {
	resp, err := retried(ctx, c, r, func() (download, error) {
		resp, stop, err := c.send(ctx, r, accept)
		return download{resp, stop}, err
	})
	if err != nil {
		return err
	}
	defer resp.stop()
	if _, err := io.Copy(file, resp.Body); err != nil {
		return fmt.Errorf("the answer of %s broke off: %w", c.base.Host, err)
	}
	return nil
}

type download struct {
	*http.Response
	stop func()
}

// send sends the request once, and returns an answer that is no error. stop ends it and closes its body.
func (c *Client) send(ctx context.Context, r Request, accept string) (resp *http.Response, stop func(), err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer func() {
		if err != nil {
			cancel(nil)
		}
	}()
	req, err := c.request(ctx, r, accept)
	if err != nil {
		return nil, nil, err
	}
	slow := time.AfterFunc(answerTimeout+max(r.Wait, 0), func() { cancel(errNoAnswer) })
	resp, err = c.http.Do(req)
	slow.Stop()
	if err != nil {
		if errors.Is(context.Cause(ctx), errNoAnswer) {
			err = errNoAnswer
		}
		return nil, nil, c.unreached(err)
	}
	c.reached.Store(true)
	body := resp.Body
	stop = func() { cancel(nil); body.Close() }
	if resp.StatusCode < http.StatusOK || resp.StatusCode > 299 {
		defer stop()
		return nil, nil, c.problemOf(resp)
	}
	return resp, stop, nil
}

// errNoAnswer: the server took the request and does not answer.
var errNoAnswer = errors.New("it takes the request and does not answer in time")

func (c *Client) request(ctx context.Context, r Request, accept string) (*http.Request, error) {
	to := c.base.JoinPath(r.Path)
	to.RawQuery = r.Query.Encode()
	body, contentType := r.Body, r.ContentType
	if r.Form != nil {
		body, contentType = []byte(r.Form.Encode()), "application/x-www-form-urlencoded"
	}
	method := r.Method
	if method == "" {
		method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(ctx, method, to.String(), bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errForGood, err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("User-Agent", userAgent())
	req.Header.Set("Accept", accept)
	if len(body) > 0 {
		req.Header.Set("Content-Type", contentType)
	}
	if r.IdempotencyKey != "" {
		req.Header.Set("Idempotency-Key", r.IdempotencyKey)
	}
	if r.Wait != 0 {
		req.Header.Set("Prefer", "wait="+strconv.Itoa(int(max(r.Wait, 0).Seconds())))
	}
	for name, value := range r.Headers {
		req.Header.Set(name, value)
	}
	return req, nil
}

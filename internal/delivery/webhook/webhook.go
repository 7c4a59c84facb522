// Package webhook tells others of what has happened: a message is sent to a URL over HTTPS, signed as Standard Webhooks 1.0 says
// (standardwebhooks.com), so that whoever receives it knows that it is ours, whole and new. It knows nothing of what messages are
// about, nor of where they are kept.
package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"trunkline/internal/config"
	"trunkline/internal/delivery"
	"trunkline/internal/delivery/dial"
	"trunkline/internal/fault"
)

const (
	// maxAnswer is how much of an answer is read, in bytes. Nothing is done with it, but a receiver that is cut off while it
	// answers may take that for a failure of its own.
	maxAnswer = 64 << 10
	// maxAnswerHeader bounds the headers of an answer, in bytes.
	maxAnswerHeader = 32 << 10
	userAgent       = "Trunkline"
)

// Endpoint is who is told.
type Endpoint struct {
	URL     string   // as CheckURL has it
	Secrets []Secret // with which messages are signed; while one is replaced, the new one and the old one
}

// Client sends messages.
type Client struct {
	http    *http.Client
	tls     *tls.Config
	timeout time.Duration
}

// NewClient returns a client by the settings. Nothing may connect but what guard lets through. Errors: those of dial.Authorities.
func NewClient(s config.Settings, guard dial.Guard) (*Client, error) {
	authorities, err := dial.Authorities(s.DeliveryCA)
	if err != nil {
		return nil, err
	}
	verified := &tls.Config{RootCAs: authorities, MinVersion: tls.VersionTLS12}
	return &Client{
		timeout: s.WebhookTimeout,
		tls:     verified,
		http: &http.Client{
			// The answer that leads elsewhere is the answer.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport: &http.Transport{
				// No proxy of the environment: it would connect in our place, unjudged.
				Proxy:                  nil,
				DialContext:            guard.Dialer().DialContext,
				TLSClientConfig:        verified,
				DisableKeepAlives:      true, // each message is sent to an address that is judged when it is sent
				DisableCompression:     true,
				MaxResponseHeaderBytes: maxAnswerHeader,
			},
		},
	}, nil
}

// Send sends the message once, within the time that the settings allow. It was received if the answer's status is 2xx. Errors
// are a *fault.Error that holds nothing of the URL but its host, and whose Passes says whether a retry may help; one after an
// answer is a delivery.Answered too. If ctx ends, the error is its cause.
func (c *Client) Send(ctx context.Context, to Endpoint, m delivery.Message) (delivery.Receipt, error) {
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(limited, http.MethodPost, to.URL, bytes.NewReader(m.Body))
	if err != nil || request.URL.Scheme != "https" {
		return delivery.Receipt{}, fault.Errorf(fault.DeliveryRefused, "what is kept as the receiver's URL is none that messages are sent to; give it anew")
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", userAgent)
	for name, value := range headers(m, time.Now(), to.Secrets) {
		request.Header.Set(name, value)
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return delivery.Receipt{}, c.unsent(ctx, request.URL.Hostname(), err)
	}
	_, _ = io.CopyN(io.Discard, answer.Body, maxAnswer) // its status was said already
	_ = answer.Body.Close()
	return delivery.Receipt{Where: Shown(to.URL), Status: answer.StatusCode}, judge(request.URL.Hostname(), answer)
}

// unsent words why there was no answer.
func (c *Client) unsent(ctx context.Context, host string, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	wrapped, is := errors.AsType[*url.Error](err)
	if is {
		err = wrapped.Err // without the URL
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &fault.Error{Code: fault.Timeout, Passes: true, Cause: err, Message: host + ": it did not answer within " + c.timeout.String() + ", which TRUNKLINE_WEBHOOK_TIMEOUT allows"}
	}
	if failed := dial.Fault(host, err); failed != nil {
		return failed
	}
	return &fault.Error{Code: fault.Unavailable, Passes: true, Cause: err, Message: host + ": it does not answer as a server of HTTP does"}
}

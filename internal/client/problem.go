package client

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Problem is an error that the API answered with (RFC 9457).
type Problem struct {
	Status    int    `json:"status"`
	Title     string `json:"title"`
	Detail    string `json:"detail"` // what is wrong, with the name of the parameter and the remedy
	Code      string `json:"code"`   // stable; "" if what answered is not Trunkline
	RequestID string `json:"request_id"`
	JobID     string `json:"job_id"` // the job that failed, if one did
	// Rows are what is wrong with the rows of a file, and RowsTotal how many of these there are: more than Rows
	// if there are too many to list.
	Rows      []RowFault `json:"errors"`
	RowsTotal int        `json:"errors_total"`
	// RetryAfter is after how long another try may help; 0 if the server does not say.
	RetryAfter time.Duration `json:"-"`
}

// RowFault is what is wrong with one row of a file.
type RowFault struct {
	Line    int    `json:"line"` // in the file, from 1
	Row     int    `json:"row"`  // from 1, without the header
	Field   string `json:"field"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// remedies are what a caller by the command line can do, beside what the message says.
var remedies = map[string]string{
	"authentication_failed": "give a token that is in force: trunkline token create makes one on the server, TRUNKLINE_TOKEN or --token-file carries it here",
	"not_whitelisted":       "on the server, trunkline whitelist add lets an address in",
	"forbidden":             "trunkline token list, run on the server by whoever keeps it, shows what a token may do; ask there for a wider one",
}

// Error is the message with its code, the request's id, by which the server's log has more, and the remedy.
func (p *Problem) Error() string {
	text := cmp.Or(p.Detail, p.Title, http.StatusText(p.Status))
	if remedy := remedies[p.Code]; remedy != "" {
		text += "; " + remedy
	}
	var more []string
	if p.Code != "" {
		more = append(more, p.Code)
	}
	if p.JobID != "" {
		more = append(more, "job "+p.JobID)
	}
	if p.RequestID != "" {
		more = append(more, "request "+p.RequestID)
	}
	if len(more) > 0 {
		text += " (" + strings.Join(more, ", ") + ")"
	}
	return text
}

// passes says whether the same request may be answered in a moment: the server, or a proxy before it, is away. A job
// that failed is not asked for again.
func (p *Problem) passes() bool {
	switch p.Status {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return p.JobID == "" && (p.Code == "" || p.Code == "unavailable")
	}
	return false
}

// Unclear says whether a request that ended with err may have been done all the same: nobody answered, or not the API
// itself but something on the way to it, or one that was away in the middle.
func Unclear(err error) bool {
	problem, answered := errors.AsType[*Problem](err)
	return answered && problem.passes() || !answered && !errors.Is(err, errForGood)
}

// maxProblem bounds what is read of an error, in bytes: a thousand rows with their faults are some 300 KB.
const maxProblem = 16 << 20

// problemOf reads an answer that is an error.
func (c *Client) problemOf(resp *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
	if err != nil {
		return fmt.Errorf("the answer of %s broke off: %w", c.base.Host, err)
	}
	return c.problemIn(resp, body)
}

// problemIn is the error that the body of an answer says.
func (c *Client) problemIn(resp *http.Response, body []byte) *Problem {
	p := documentedProblem(body)
	if p == nil {
		p = &Problem{}
		if json.Unmarshal(body, p) != nil || p.Code == "" {
			p = &Problem{Detail: c.strange(resp, body)}
		}
	}
	if resp.StatusCode != http.StatusOK {
		p.Status = resp.StatusCode
	}
	if seconds, err := strconv.ParseUint(resp.Header.Get("Retry-After"), 10, 31); err == nil {
		p.RetryAfter = time.Duration(seconds) * time.Second
	}
	return p
}

// documentedProblem is an error in the form of FusionPBX's documented paths, nil if the body is none. They may be set
// to answer 200 throughout; the status is then what the code stands for, as far as one asks again for it.
func documentedProblem(body []byte) *Problem {
	var d struct {
		Status    string `json:"status"`
		Message   string `json:"message"`
		Code      string `json:"code"`
		RequestID string `json:"request_id"`
		JobID     string `json:"job_id"`
	}
	if !bytes.HasPrefix(body, []byte(`{"status":"error"`)) || json.Unmarshal(body, &d) != nil || d.Code == "" {
		return nil
	}
	p := &Problem{Status: http.StatusBadRequest, Detail: d.Message, Code: d.Code, RequestID: d.RequestID, JobID: d.JobID}
	switch d.Code {
	case "rate_limited":
		p.Status = http.StatusTooManyRequests
	case "unavailable":
		p.Status = http.StatusServiceUnavailable
	}
	return p
}

// strange words an answer that is not Trunkline's: a proxy's, or another program's.
func (c *Client) strange(resp *http.Response, body []byte) string {
	text := fmt.Sprintf("%s answers %s, and not as Trunkline does", c.base.Host, resp.Status)
	switch {
	case resp.StatusCode < http.StatusBadRequest:
		return text + ": it leads to " + clip(resp.Header.Get("Location")) + ", where the token is not sent; write that address as the URL if it is right"
	case resp.StatusCode == http.StatusRequestEntityTooLarge:
		return text + "; a proxy before it takes no file of this size: deploy/nginx.conf shows what lets it through"
	}
	if line, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n"); line != "" && !strings.HasPrefix(line, "<") {
		text += " (" + clip(line) + ")"
	}
	return text + "; check that the URL is Trunkline's"
}

// clip shortens what a server said for a message.
func clip(text string) string {
	const most = 200
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}

// errForGood: another try would end the same way.
var errForGood = errors.New("cannot be asked")

// unreached words that there was no answer.
func (c *Client) unreached(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	about := fmt.Sprintf("%s does not answer", c.base)
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, foreign := errors.AsType[x509.HostnameError](err)
	_, invalid := errors.AsType[x509.CertificateInvalidError](err)
	_, noTLS := errors.AsType[tls.RecordHeaderError](err)
	switch {
	case unknown:
		return fmt.Errorf("%w: %s has a certificate of an authority that is not known here (%w); if it is right, give the authority's certificate with --ca", errForGood, c.base.Host, err)
	case foreign, invalid:
		return fmt.Errorf("%w: %s has a certificate that is not good for it: %w", errForGood, c.base.Host, err)
	case noTLS, errors.Is(err, http.ErrSchemeMismatch): // the latter is what net/http makes of it where the answer is in HTTP
		return fmt.Errorf("%w: %s speaks no TLS; the URL begins with https://, and should with http:// if it is right", errForGood, c.base.Host)
	}
	return fmt.Errorf("%s: %w; check the URL (--url or TRUNKLINE_URL), and on the server trunkline check", about, err)
}

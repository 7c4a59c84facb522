package web

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"time"

	"trunkline/internal/access"
	"trunkline/internal/fault"
)

// RetryAfter is what a caller is told to wait, in seconds, before asking again.
const RetryAfter = 1

// DocumentedError is an error at a documented path.
type DocumentedError struct {
	Status    string     `json:"status" enum:"error"`
	Message   string     `json:"message"`                      // in words, beginning with the documented name of the error if it has one
	Timestamp string     `json:"timestamp" format:"date-time"` // when, in UTC
	Code      fault.Code `json:"code"`
	RequestID string     `json:"request_id"`                     // the X-Request-Id of this request, which the log has too
	JobID     string     `json:"job_id,omitempty" format:"uuid"` // the job that failed, if one did
}

// Problem is an error of RFC 9457.
type Problem struct {
	Title     string     `json:"title"`  // the status in words
	Status    int        `json:"status"` // the HTTP status
	Detail    string     `json:"detail"` // what is wrong, with the name of the parameter and the remedy
	Code      fault.Code `json:"code"`
	RequestID string     `json:"request_id"`                     // the X-Request-Id of this request, which the log has too
	JobID     string     `json:"job_id,omitempty" format:"uuid"` // the job that failed, if one did
	// Errors are each thing that is wrong with a file, up to TRUNKLINE_BULK_ERRORS.
	Errors      []fault.Detail `json:"errors,omitempty"`
	ErrorsTotal int            `json:"errors_total,omitempty"` // how many there are
}

// fail answers with an error and has it logged.
func (r *Request) fail(err error) {
	f := FaultOf(err, r.ID)
	status := StatusOf(f.Code)
	if r.cause = f.Cause; r.denial == "" || status == http.StatusInternalServerError { // an error of ours is never hidden
		r.denial = f.Code
	}
	if r.c.Writer.Written() {
		r.broken = r.attached // too late to be told
		return
	}
	switch {
	case status == http.StatusUnauthorized && r.of.Failed == nil:
		r.c.Header("WWW-Authenticate", access.Challenge)
	case status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout, status == http.StatusTooManyRequests:
		r.c.Header("Retry-After", strconv.Itoa(max(int(f.RetryAfter.Seconds()), RetryAfter)))
	}
	if r.of.Failed != nil {
		r.of.Failed(r, status, f)
		return
	}
	if !r.documented {
		detail := f.Message
		if f.Code == fault.MissingParameters {
			detail = labelled(f) // the bare names would not say what is the matter with them
		}
		r.write(status, "application/problem+json", Problem{
			Title: http.StatusText(status), Status: status, Detail: detail, Code: f.Code, RequestID: r.ID, JobID: f.JobID,
			Errors: f.Details, ErrorsTotal: f.DetailsTotal,
		})
		return
	}
	r.Answer(status, DocumentedError{
		Status: "error", Message: labelled(f), Timestamp: Time(time.Now()), Code: f.Code, RequestID: r.ID, JobID: f.JobID,
	})
}

// labelled is the failure's message behind the documented name of such errors, if there is one.
func labelled(f *fault.Error) string {
	if label := labels[f.Code]; label != "" {
		return label + ": " + f.Message
	}
	return f.Message
}

// Answer writes v as JSON. At a documented path the status is 200 throughout if the settings say so.
func (r *Request) Answer(status int, v any) {
	if r.documented && r.front.Settings.Always200 {
		status = http.StatusOK
	}
	r.write(status, "application/json", v)
}

func (r *Request) write(status int, contentType string, v any) {
	body, err := Encode(v)
	if err != nil {
		r.Broken(err)
		return
	}
	r.Unstored()
	r.Data(status, contentType, body)
}

// Encode is v as one line of JSON. No character is escaped for HTML, which it is not.
func Encode(v any) ([]byte, error) {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return line.Bytes(), err
}

// JSON is an endpoint's answer: what ask returns, with the status, or why it does not.
func JSON[T any](status int, ask func(*Request) (T, error)) func(*Request) error {
	return func(r *Request) error {
		answer, err := ask(r)
		if err == nil {
			r.Answer(status, answer)
		}
		return err
	}
}

// Data writes a body at whose type nobody has to guess.
func (r *Request) Data(status int, contentType string, body []byte) {
	r.SetHeader("X-Content-Type-Options", "nosniff")
	r.c.Data(status, contentType, body)
}

// Attach begins an answer that is a file of unknown length, and returns what it is written to. If the endpoint then
// fails the connection breaks off, since the file would look whole.
func (r *Request) Attach(contentType, name string) io.Writer {
	r.attached = true
	r.Unstored()
	r.SetHeader("Content-Type", contentType)
	r.SetHeader("Content-Disposition", `attachment; filename="`+name+`"`)
	r.SetHeader("X-Content-Type-Options", "nosniff")
	return r.Writer()
}

// Unstored sets the header by which nobody on the way keeps the answer.
func (r *Request) Unstored() { r.SetHeader("Cache-Control", "no-store") }

// Time writes a time as the documentation does: UTC, to the second.
func Time(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Words are what an error says to the caller, for an answer that goes on without what failed. The log has what lies
// behind it.
func (r *Request) Words(err error) string {
	f := FaultOf(err, r.ID)
	if f.Cause != nil {
		r.front.Log.Warn("a part of an answer is missing", "request_id", r.ID, "code", f.Code, "cause", f.Cause)
	}
	return f.Message
}

// Broken is for an answer that cannot be made, which is a mistake of ours: the log says why.
func (r *Request) Broken(err error) {
	r.front.Log.Error("answer not made", "request_id", r.ID, "error", err)
	r.c.Status(http.StatusInternalServerError)
}

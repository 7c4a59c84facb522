package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"trunkline/internal/access"
	"trunkline/internal/fault"
)

// form is how a path words its answers.
type form int

const (
	documentedForm form = iota // as FusionPBX's documentation of the endpoints says
	problemForm                // RFC 9457
)

// retryAfter is what a caller is told to wait, in seconds, before asking again.
const retryAfter = 1

// documentedError is an error at a documented path.
type documentedError struct {
	Status    string     `json:"status" enum:"error"`
	Message   string     `json:"message"`                      // in words, beginning with the documented name of the error where it has one
	Timestamp string     `json:"timestamp" format:"date-time"` // when, in UTC
	Code      fault.Code `json:"code"`
	RequestID string     `json:"request_id"`                     // the X-Request-Id of this request, which the log has too
	JobID     string     `json:"job_id,omitempty" format:"uuid"` // the job that failed, where there is one
}

// problem is an error of RFC 9457.
type problem struct {
	Title     string     `json:"title"`  // the status in words
	Status    int        `json:"status"` // the HTTP status
	Detail    string     `json:"detail"` // what is wrong, with the name of the parameter and the remedy
	Code      fault.Code `json:"code"`
	RequestID string     `json:"request_id"`                     // the X-Request-Id of this request, which the log has too
	JobID     string     `json:"job_id,omitempty" format:"uuid"` // the job that failed, where there is one
}

// fail answers with an error and has it logged.
func (r *request) fail(err error) {
	f := faultOf(err, r.id)
	r.denial, r.cause = f.Code, f.Cause
	if r.c.Writer.Written() {
		return // too late: a download that breaks off
	}
	status := statusOf(f.Code)
	switch status {
	case http.StatusUnauthorized:
		r.c.Writer.Header()["Www-Authenticate"] = access.Challenges
	case http.StatusServiceUnavailable, http.StatusGatewayTimeout, http.StatusTooManyRequests:
		r.c.Header("Retry-After", strconv.Itoa(max(int(f.RetryAfter.Seconds()), retryAfter)))
	}
	if r.form == problemForm {
		detail := f.Message
		if f.Code == fault.MissingParameters {
			detail = labelled(f) // the bare names would not say what is the matter with them
		}
		r.write(status, "application/problem+json", problem{
			Title: http.StatusText(status), Status: status, Detail: detail, Code: f.Code, RequestID: r.id, JobID: f.JobID,
		})
		return
	}
	r.answer(status, documentedError{
		Status: "error", Message: labelled(f), Timestamp: documentedTime(time.Now()), Code: f.Code, RequestID: r.id, JobID: f.JobID,
	})
}

// labelled is the failure's message behind the documented name of such errors, where there is one.
func labelled(f *fault.Error) string {
	if label := labels[f.Code]; label != "" {
		return label + ": " + f.Message
	}
	return f.Message
}

// answer writes v as JSON. At a documented path the status is 200 throughout where the settings say so.
func (r *request) answer(status int, v any) {
	if r.form == documentedForm && r.s.settings.Always200 {
		status = http.StatusOK
	}
	r.write(status, "application/json", v)
}

func (r *request) write(status int, contentType string, v any) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false) // it is no HTML, and the header says so
	if err := encoder.Encode(v); err != nil {
		r.s.log.Error("answer not encoded", "request_id", r.id, "error", err)
		r.c.Status(http.StatusInternalServerError)
		return
	}
	r.c.Header("X-Content-Type-Options", "nosniff")
	r.c.Header("Cache-Control", "no-store")
	r.c.Data(status, contentType, body.Bytes())
}

// documentedTime writes a time as the documentation does: UTC, to the second.
func documentedTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }

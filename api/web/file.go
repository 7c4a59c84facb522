package web

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"trunkline/api/params"
	"trunkline/internal/fault"
)

// fileTime bounds how long a caller takes to send a file.
const fileTime = 2 * time.Minute

// behindForm has the file taken only if the form's fields before it, which are in given by then, show that it is of a page
// of the same session.
func (r *Request) behindForm(given params.Values, take func(io.Reader, string) error) func(io.Reader, string) error {
	return func(file io.Reader, media string) error {
		if err := r.ownForm(r.of, given); err != nil {
			return err
		}
		return take(file, media)
	}
}

// File reads the file that is the request's body, or stands in a multipart form: it is handed to take as it comes,
// with its media type, and the form's other fields are among the parameters then. The endpoint must declare it.
func (r *Request) File(bytes int64, take func(file io.Reader, media string) error) error {
	e := r.of
	if !e.File {
		return fmt.Errorf("the endpoint %s does not declare that it takes a file", r.endpoint)
	}
	// The server's time-outs are for bodies that are small; the answer comes after this one.
	stream, ends := http.NewResponseController(r.Writer()), time.Now().Add(fileTime)
	for _, err := range []error{stream.SetReadDeadline(ends), stream.SetWriteDeadline(ends.Add(r.front.Settings.WaitMax + AnswerTimeout))} {
		if err != nil && !errors.Is(err, http.ErrNotSupported) {
			return fmt.Errorf("preparing to read a file: %w", err)
		}
	}
	limits := r.limits()
	limits.BodyBytes += bytes
	given := params.Values{}
	for name, value := range r.Params {
		given[name] = value
	}
	if e.Entry == Console {
		take = r.behindForm(given, take)
	}
	if err := params.ReadFile(r.Writer(), r.HTTP(), limits, given, take); err != nil {
		return err
	}
	for _, name := range []string{"username", "password"} {
		if given.Has(name) {
			return fault.Invalid(name, "comes by a header here: send HTTP Basic (curl -u), Authorization: Bearer or X-API-Key")
		}
	}
	if err := r.keep(e, given); err != nil {
		return err
	}
	return NoTokenAmong(r.Params)
}

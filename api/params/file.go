package params

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"

	"trunkline/internal/fault"
)

// FileField is the field of a form that holds the file, if no part says that it is one.
const FileField = "file"

// ReadQuery reads the query alone.
func ReadQuery(req *http.Request, limits Limits) (Values, error) {
	r := reader{Values{}, limits}
	if err := r.readQuery(req.URL.RawQuery); err != nil {
		return nil, err
	}
	return r.Values, nil
}

// ReadFile reads a body that is a file, or a multipart form with one. The file is handed to take as it comes, with its
// media type, "" if it has none; the form's other fields, which stand before it or after it, are added to given. What
// take leaves is passed over, so that a caller who still sends hears the answer.
func ReadFile(w http.ResponseWriter, req *http.Request, limits Limits, given Values, take func(file io.Reader, media string) error) error {
	if encoding := req.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return errCompressed
	}
	body := http.MaxBytesReader(w, req.Body, limits.BodyBytes)
	media, details, err := mime.ParseMediaType(req.Header.Get("Content-Type"))
	if err != nil {
		media = ""
	}
	if media == "application/x-www-form-urlencoded" {
		return fault.Errorf(fault.InvalidRequest, "Content-Type: send a file as text/csv, application/x-ndjson or application/json, or in multipart/form-data (curl -F file=@gateways.csv)")
	}
	if media == "multipart/form-data" {
		if details["boundary"] == "" {
			return fault.Errorf(fault.InvalidRequest, "Content-Type: multipart/form-data lacks its boundary")
		}
		r := reader{given, limits}
		err = r.readParts(multipart.NewReader(body, details["boundary"]), take)
	} else {
		err = take(body, media)
	}
	if _, passed := io.Copy(io.Discard, body); err == nil && passed != nil {
		err = unreadable(passed)
	}
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge && !fault.Is(err, fault.TooLarge) {
		return fault.Errorf(fault.TooLarge, "the request's body has more than %d bytes", limits.BodyBytes)
	}
	return err
}

// readParts reads the fields of a form and the one file among them.
func (r reader) readParts(parts *multipart.Reader, take func(io.Reader, string) error) error {
	taken := false
	for {
		part, err := parts.NextPart()
		switch {
		case errors.Is(err, io.EOF) && !taken:
			return fault.Missing(FileField)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return unreadable(err)
		}
		if part.FileName() == "" && part.FormName() != FileField {
			value, err := io.ReadAll(io.LimitReader(part, r.longest(part.FormName())+1))
			if err != nil {
				return unreadable(err)
			}
			if err := r.add(part.FormName(), string(value)); err != nil {
				return err
			}
			continue
		}
		if taken {
			return fault.Invalid(FileField, "is there twice; send one file")
		}
		taken = true
		media, _, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
		if err != nil {
			media = ""
		}
		if err := take(part, media); err != nil {
			return err
		}
	}
}

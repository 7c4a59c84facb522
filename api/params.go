package api

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"trunkline/internal/fault"
)

// params are a request's parameters, from its query and its body alike, by lower-case name. Values are
// valid UTF-8 without control characters, but for the line breaks and tabs of textParam.
type params map[string]string

// get returns the value without space around it, "" where there is none.
func (p params) get(name string) string { return strings.TrimSpace(p[name]) }

// raw returns the value exactly as given: a password may begin with a space.
func (p params) raw(name string) string { return p[name] }

// has reports whether the parameter was given, be it empty.
func (p params) has(name string) bool {
	_, ok := p[name]
	return ok
}

// add takes one parameter, or says what is wrong with it, by name and never by value.
func (p paramReader) add(name, value string) error {
	name = strings.ToLower(name)
	switch {
	case !isText(name):
		return fault.Errorf(fault.InvalidRequest, "a parameter's name holds control characters or is not valid UTF-8")
	case p.has(name):
		return fault.Invalid(quoted(name), "is given twice; give it once")
	case !utf8.ValidString(value):
		return fault.Invalid(quoted(name), "is not valid UTF-8; send it as UTF-8")
	case !isText(value) && !(name == textParam && isMultiline(value)):
		return fault.Invalid(quoted(name), "holds a line break or another control character; remove it")
	case len(value) > p.limits.value:
		return fault.Invalid(quoted(name), "is longer than %d bytes; shorten it", p.limits.value)
	case len(p.params) == p.limits.count:
		return fault.Errorf(fault.InvalidRequest, "there are more than %d parameters", p.limits.count)
	}
	p.params[name] = value
	return nil
}

func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl) }

// textParam is the one parameter whose value may have several lines: a whole file.
const textParam = "text"

// isMultiline expects valid UTF-8.
func isMultiline(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune("\t\r\n", r) })
}

// quoted shortens a caller's own name for a parameter.
func quoted(name string) string {
	const most = 64
	if len(name) > most {
		name = strings.ToValidUTF8(name[:most], "") + "..."
	}
	return name
}

// secretParams must not be in a URL, which browsers, proxies and logs keep.
var secretParams = []string{"username", "password", "gateway_password", "api_key", "token", "access_token", "key"}

// elsewhere is where a secret parameter belongs in place of the query.
func elsewhere(name string) string {
	switch name {
	case "username", "password":
		return "in the body or by HTTP Basic"
	case "gateway_password":
		return "in the body"
	}
	return "as Authorization: Bearer or X-API-Key"
}

// paramLimits bound what is read of a request: the bytes of its body, the number of its parameters, and
// the bytes of each one's value.
type paramLimits struct {
	body         int64
	count, value int
}

// paramReader gathers a request's parameters within the limits.
type paramReader struct {
	params
	limits paramLimits
}

// readParams reads the query and the body: a form, multipart or JSON.
func readParams(w http.ResponseWriter, req *http.Request, limits paramLimits) (params, error) {
	p := paramReader{params{}, limits}
	if err := p.readQuery(req.URL.RawQuery); err != nil {
		return nil, err
	}
	for _, name := range secretParams {
		if p.has(name) {
			return nil, fault.Errorf(fault.CredentialsInQuery, "%s is in the URL's query, where proxies and logs keep it; send it %s, and change it if it was real", name, elsewhere(name))
		}
	}
	if req.Body == nil || req.Body == http.NoBody {
		return p.params, nil
	}
	req.Body = http.MaxBytesReader(w, req.Body, limits.body)
	err := p.readBody(req)
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, fault.Errorf(fault.TooLarge, "the request's body has more than %d bytes", limits.body)
	}
	if err != nil {
		return nil, err
	}
	return p.params, nil
}

// readQuery refuses what url.ParseQuery would drop, and finds a secret's name also where PHP's
// brackets follow it.
func (p paramReader) readQuery(query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return fault.Errorf(fault.InvalidRequest, "the URL's query cannot be read; encode it as a form")
	}
	for name := range values {
		bare, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(name)), "[")
		if slices.Contains(secretParams, bare) {
			p.params[bare] = ""
			return nil
		}
	}
	return p.addAll(values)
}

func (p paramReader) addAll(values url.Values) error {
	for name, all := range values {
		for _, value := range all {
			if err := p.add(name, value); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p paramReader) readBody(req *http.Request) error {
	if encoding := req.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return fault.Errorf(fault.InvalidRequest, "Content-Encoding: a compressed body is not read; send it as it is")
	}
	media, details, err := mime.ParseMediaType(req.Header.Get("Content-Type"))
	if err != nil {
		media = ""
	}
	switch {
	case media == "application/x-www-form-urlencoded":
		return p.readForm(req.Body)
	case media == "multipart/form-data" && details["boundary"] != "":
		return p.readMultipart(req)
	case media == "application/json":
		return p.readJSON(req.Body)
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return bodyFailure(err)
	}
	if len(body) == 0 {
		return nil
	}
	return fault.Errorf(fault.InvalidRequest, "Content-Type: send application/x-www-form-urlencoded, multipart/form-data or application/json")
}

// bodyFailure is the error of reading a body. One about its size is told apart by the caller.
func bodyFailure(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return err
	}
	return &fault.Error{Code: fault.InvalidRequest, Message: "the request's body cannot be read", Cause: err}
}

func (p paramReader) readForm(body io.Reader) error {
	content, err := io.ReadAll(body)
	if err != nil {
		return bodyFailure(err)
	}
	values, err := url.ParseQuery(string(content))
	if err != nil {
		// Its error repeats what it could not read, which may be a password.
		return fault.Errorf(fault.InvalidRequest, "the form cannot be read; encode %%, & and ; in values")
	}
	return p.addAll(values)
}

func (p paramReader) readMultipart(req *http.Request) error {
	reader, err := req.MultipartReader()
	if err != nil {
		return bodyFailure(err)
	}
	for {
		part, err := reader.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return bodyFailure(err)
		}
		if part.FileName() != "" {
			return fault.Invalid(quoted(strings.ToValidUTF8(part.FormName(), "?")), "is a file; send it as a field")
		}
		value, err := io.ReadAll(part)
		if err != nil {
			return bodyFailure(err)
		}
		if err := p.add(part.FormName(), string(value)); err != nil {
			return err
		}
	}
}

// readJSON reads one flat object. It goes token by token, since decoding into a map would hide a name
// that is given twice.
func (p paramReader) readJSON(body io.Reader) error {
	content, err := io.ReadAll(body)
	if err != nil {
		return bodyFailure(err)
	}
	if !utf8.Valid(content) {
		return fault.Errorf(fault.InvalidRequest, "the JSON is not valid UTF-8")
	}
	notJSON := fault.Errorf(fault.InvalidRequest, "the body is not one JSON object; check its syntax")
	decoder := json.NewDecoder(strings.NewReader(string(content)))
	decoder.UseNumber()
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return notJSON
	}
	for decoder.More() {
		token, err := decoder.Token()
		name, isName := token.(string)
		if err != nil || !isName {
			return notJSON
		}
		value, err := decoder.Token()
		if err != nil {
			return notJSON
		}
		if err := p.addJSON(name, value); err != nil {
			return err
		}
	}
	if _, err := decoder.Token(); err != nil {
		return notJSON
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return notJSON
	}
	return nil
}

// addJSON takes a string, a number as it is written, or a boolean; null is as if it were not there.
func (p paramReader) addJSON(name string, value json.Token) error {
	switch v := value.(type) {
	case nil:
		return nil
	case string:
		return p.add(name, v)
	case json.Number:
		return p.add(name, v.String())
	case bool:
		return p.add(name, strconv.FormatBool(v))
	}
	if !isText(name) {
		name = "a parameter"
	}
	return fault.Invalid(quoted(name), "is nested; write a string (several values with commas between them), a number or a boolean")
}

package params

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"trunkline/internal/fault"
)

// Limits bound what is read of a request.
type Limits struct {
	BodyBytes  int64
	Count      int // of parameters
	ValueBytes int // of each one's value, unless it is a list
	Lists      map[string]List
	Lines      map[string]bool // whose value may have several lines
}

// List bounds a parameter that is a list: its entries stand with commas between, in JSON also in an array. In bytes it
// is bounded by the body alone.
type List struct {
	Entries int
	Setting string // where that comes from, for who sends more; "": from nowhere
}

// reader gathers a request's parameters within the limits.
type reader struct {
	Values
	limits Limits
}

// Read reads the query and the body: a form, multipart or JSON. Errors are *fault.Error: they name a
// parameter and never repeat a value.
func Read(w http.ResponseWriter, req *http.Request, limits Limits) (Values, error) {
	r := reader{Values{}, limits}
	if err := r.readQuery(req.URL.RawQuery); err != nil {
		return nil, err
	}
	if req.Body == nil || req.Body == http.NoBody {
		return r.Values, nil
	}
	req.Body = http.MaxBytesReader(w, req.Body, limits.BodyBytes)
	if err := r.readBody(req); err != nil {
		return nil, err
	}
	return r.Values, nil
}

const (
	asBasic = "in the body or by HTTP Basic"
	asToken = "as Authorization: Bearer or X-API-Key"
)

// secrets are the parameters that must not be in a URL, which browsers, proxies and logs keep, and how
// each is sent instead.
var secrets = map[string]string{
	"username":         asBasic,
	"password":         asBasic,
	"gateway_password": "in the body",
	"login_password":   "in the body",
	"private_key":      "in the body",
	"passphrase":       "in the body",
	"access_key":       "in the body",
	"secret_key":       "in the body",
	"webhook_url":      "in the body",
	"callback_url":     "in the body",
	"sign_on_code":     "in the body",
	"form_token":       "in the body",
	"api_key":          asToken,
	"token":            asToken,
	"access_token":     asToken,
	"key":              asToken,
}

// IsSecret reports whether the parameter must not be in a URL.
func IsSecret(name string) bool { return secrets[name] != "" }

// readQuery refuses what url.ParseQuery would drop, and finds a secret's name also if PHP's
// brackets follow it.
func (r reader) readQuery(query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return fault.Errorf(fault.InvalidRequest, "the URL's query cannot be read; encode it as a form")
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		bare, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(name)), "[")
		if remedy := secrets[bare]; remedy != "" {
			return fault.Errorf(fault.CredentialsInQuery, "%s is in the URL's query, where proxies and logs keep it; send it %s, and change it if it was real", bare, remedy)
		}
	}
	return r.addAll(values)
}

// addAll adds what a query or a form has. A list may be given several times there, as by boxes that are ticked.
func (r reader) addAll(values url.Values) error {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if _, isList := r.limits.Lists[strings.ToLower(name)]; isList {
			values[name] = []string{strings.Join(values[name], ",")}
		}
		for _, value := range values[name] {
			if err := r.add(name, value); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r reader) readBody(req *http.Request) error {
	if encoding := req.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return errCompressed
	}
	body, err := io.ReadAll(req.Body)
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return fault.Errorf(fault.TooLarge, "the request's body has more than %d bytes", r.limits.BodyBytes)
	}
	if err != nil {
		return unreadable(err)
	}
	media, details, err := mime.ParseMediaType(req.Header.Get("Content-Type"))
	if err != nil {
		media = ""
	}
	switch {
	case media == "application/x-www-form-urlencoded":
		return r.readForm(body)
	case media == "multipart/form-data" && details["boundary"] != "":
		return r.readMultipart(multipart.NewReader(bytes.NewReader(body), details["boundary"]))
	case media == "application/json":
		return r.readJSON(body)
	case len(body) == 0:
		return nil
	}
	return fault.Errorf(fault.InvalidRequest, "Content-Type: send application/x-www-form-urlencoded, multipart/form-data or application/json")
}

var errNotJSON error = fault.Errorf(fault.InvalidRequest, "the body is not one JSON object; check its syntax")

var errCompressed error = fault.Errorf(fault.InvalidRequest, "Content-Encoding: a compressed body is not read; send it as it is")

func unreadable(err error) error {
	return &fault.Error{Code: fault.InvalidRequest, Message: "the request's body cannot be read", Cause: err}
}

func (r reader) readForm(body []byte) error {
	values, err := url.ParseQuery(string(body))
	if err != nil {
		// Its error repeats what it could not read, which may be a password.
		return fault.Errorf(fault.InvalidRequest, "the form cannot be read; encode %%, & and ; in values")
	}
	return r.addAll(values)
}

func (r reader) readMultipart(parts *multipart.Reader) error {
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return unreadable(err)
		}
		if part.FileName() != "" {
			return fault.Invalid(fault.Clip(strings.ToValidUTF8(part.FormName(), "?")), "is a file; send it as a field")
		}
		value, err := io.ReadAll(part)
		if err != nil {
			return unreadable(err)
		}
		if err := r.add(part.FormName(), string(value)); err != nil {
			return err
		}
	}
}

// readJSON reads one flat object. It goes token by token, since decoding into a map would hide a name
// that is given twice.
func (r reader) readJSON(body []byte) error {
	if !utf8.Valid(body) {
		return fault.Errorf(fault.InvalidRequest, "the JSON is not valid UTF-8")
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return errNotJSON
	}
	for decoder.More() {
		token, err := decoder.Token()
		name, isName := token.(string)
		if err != nil || !isName {
			return errNotJSON
		}
		value, err := decoder.Token()
		if err != nil {
			return errNotJSON
		}
		if _, isList := r.limits.Lists[strings.ToLower(name)]; isList && value == json.Delim('[') {
			if value, err = r.readArray(name, decoder); err != nil {
				return err
			}
		}
		if err := r.addJSON(name, value); err != nil {
			return err
		}
	}
	if _, err := decoder.Token(); err != nil {
		return errNotJSON
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errNotJSON
	}
	return nil
}

// readArray reads the rest of an array that is a list, as the text that it is elsewhere.
func (r reader) readArray(name string, decoder *json.Decoder) (string, error) {
	var entries []string
	for decoder.More() {
		token, err := decoder.Token()
		entry, isText := token.(string)
		if err == nil && (!isText || strings.Contains(entry, ",")) {
			return "", fault.Invalid(name, "has an entry that is not one text; write an array of strings")
		}
		if err != nil {
			return "", errNotJSON
		}
		entries = append(entries, entry)
	}
	if _, err := decoder.Token(); err != nil {
		return "", errNotJSON
	}
	return strings.Join(entries, ","), nil
}

// addJSON takes a string, a number as it is written, or a boolean; null is as if it were not there.
func (r reader) addJSON(name string, value json.Token) error {
	switch v := value.(type) {
	case nil:
		return nil
	case string:
		return r.add(name, v)
	case json.Number:
		return r.add(name, v.String())
	case bool:
		return r.add(name, strconv.FormatBool(v))
	}
	if !IsText(name) {
		name = "a parameter"
	}
	return fault.Invalid(fault.Clip(name), "is nested; write a string (several values with commas between them), a number or a boolean")
}

// add takes one parameter, or says what is wrong with it, by name and never by value.
func (r reader) add(name, value string) error {
	name = strings.ToLower(name)
	switch {
	case !IsText(name):
		return fault.Errorf(fault.InvalidRequest, "a parameter's name holds control characters or is not valid UTF-8")
	case r.Has(name):
		return fault.Invalid(fault.Clip(name), "is given twice; give it once")
	case !utf8.ValidString(value):
		return fault.Invalid(fault.Clip(name), "is not valid UTF-8; send it as UTF-8")
	case !IsText(value) && !(r.limits.Lines[name] && isMultiline(value)):
		return fault.Invalid(fault.Clip(name), "holds a line break or another control character; remove it")
	case int64(len(value)) > r.longest(name):
		return fault.Invalid(fault.Clip(name), "is longer than %d bytes; shorten it", r.longest(name))
	case len(r.Values) == r.limits.Count:
		return fault.Errorf(fault.InvalidRequest, "there are more than %d parameters", r.limits.Count)
	}
	if list, isList := r.limits.Lists[name]; isList {
		if n := len(Split(value)); n > list.Entries {
			of := ""
			if list.Setting != "" {
				of = " (" + list.Setting + ")"
			}
			return fault.Errorf(fault.TooLarge, "%s: has %d entries, more than the %d that are taken at once%s; send it in parts", name, n, list.Entries, of)
		}
	}
	r.Values[name] = value
	return nil
}

// longest is how many bytes a parameter's value may have.
func (r reader) longest(name string) int64 {
	if _, isList := r.limits.Lists[strings.ToLower(name)]; isList {
		return r.limits.BodyBytes
	}
	return int64(r.limits.ValueBytes)
}

// IsText reports whether a text is valid UTF-8 without control characters.
func IsText(s string) bool { return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl) }

// isMultiline expects valid UTF-8.
func isMultiline(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune("\t\r\n", r) })
}

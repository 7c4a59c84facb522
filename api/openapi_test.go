package api_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"trunkline/internal/version"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// contract is openapi.json, against which every answer that a test gets is held.
type contract struct {
	document *openapi3.T
	router   routers.Router
	mu       sync.Mutex
	compiler *jsonschema.Compiler // holds mu
}

var theContract = sync.OnceValues(func() (*contract, error) {
	content, err := os.ReadFile("openapi.json")
	if err != nil {
		return nil, err
	}
	return newContract(content)
})

func newContract(content []byte) (*contract, error) {
	loader := openapi3.NewLoader()
	document, err := loader.LoadFromData(content)
	if err != nil {
		return nil, err
	}
	if err := document.Validate(loader.Context); err != nil {
		return nil, err
	}
	router, err := legacy.NewRouter(document)
	if err != nil {
		return nil, err
	}
	plain, err := jsonschema.UnmarshalJSON(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.AssertFormat()
	return &contract{document: document, router: router, compiler: compiler}, compiler.AddResource("openapi.json", plain)
}

// holds checks an answer: its status, headers, code and body must be as the document says. An answer at
// a path, or to a method, that the document does not have must be an error in the form of the paths
// around it.
func (c *contract) holds(ctx context.Context, req *http.Request, got answer) error {
	route, pathParams, err := c.router.FindRoute(req)
	if err != nil {
		return c.holdsUnrouted(req, got)
	}
	asGet := req.Clone(ctx) // since no answer to HEAD is looked at
	asGet.Method = http.MethodGet
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: asGet, PathParams: pathParams, Route: route},
		Status:                 got.status,
		Header:                 got.header,
		Options:                &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true, ExcludeResponseBody: true},
	}
	if err := openapi3filter.ValidateResponse(ctx, input); err != nil {
		return err
	}
	if req.Method == http.MethodHead {
		return nil
	}
	response := route.Operation.Responses.Status(got.status)
	if response == nil { // 304, which ValidateResponse lets pass
		return fmt.Errorf("an answer of status %d", got.status)
	}
	media, _, err := mime.ParseMediaType(got.header.Get("Content-Type"))
	if len(response.Value.Content) == 0 && got.body == "" {
		return nil
	}
	if err != nil || response.Value.Content[media] == nil {
		return fmt.Errorf("an answer of type %q", got.header.Get("Content-Type"))
	}
	// Of a file, and of a part of one, only status and headers are described.
	if !strings.HasSuffix(media, "/json") && !strings.HasSuffix(media, "+json") || got.status == http.StatusPartialContent {
		return nil
	}
	at := response.Ref
	if at == "" {
		at = "#/paths/" + pointer(route.Path) + "/" + strings.ToLower(req.Method) + "/responses/" + strconv.Itoa(got.status)
	}
	if err := c.holdsBody(at+"/content/"+pointer(media)+"/schema", got); err != nil {
		return err
	}
	if response.Ref != "" {
		return hasCode(route.Operation, got)
	}
	return nil
}

// pointer is a name as a step of a JSON pointer.
func pointer(name string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(name) }

// hasCode checks that an error has one of the operation's codes.
func hasCode(o *openapi3.Operation, got answer) error {
	m, err := got.json()
	if err != nil {
		return err
	}
	if codes, _ := o.Extensions["x-codes"].([]any); !slices.Contains(codes, m["code"]) {
		return fmt.Errorf("code %v is none of %v", m["code"], codes)
	}
	return nil
}

// holdsBody checks the answer's JSON against the schema at that place of the document.
func (c *contract) holdsBody(at string, got answer) error {
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(got.body))
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	schema, err := c.compiler.Compile("openapi.json" + at)
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

func (c *contract) holdsUnrouted(req *http.Request, got answer) error {
	if got.status < http.StatusBadRequest {
		return errors.New("openapi.json does not have this path and method")
	}
	name, mediaType := "Problem", "application/problem+json"
	if path := req.URL.Path; strings.HasPrefix(path, "/app/") || strings.HasSuffix(path, ".php") {
		name, mediaType = "DocumentedError", "application/json"
	}
	if got.header.Get("Content-Type") != mediaType {
		return errors.New("an error of type " + got.header.Get("Content-Type") + ", want " + mediaType)
	}
	if req.Method == http.MethodHead {
		return nil
	}
	return c.holdsBody("#/components/schemas/"+name, got)
}

func TestDescriptionIsServed(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	want, err := os.ReadFile("openapi.json")
	must(t, err)
	if got := b.do(t, call{path: "/openapi.json"}).want(t, http.StatusOK, ""); got.body != strings.Replace(string(want), "unversioned", version.This(), 1) {
		t.Error("what is served is not openapi.json")
	}
	b.do(t, call{path: "/openapi.json", from: stranger + ":1"}).want(t, http.StatusForbidden, "not_whitelisted")
}

// What the document does not say is found in an answer, whatever it is.
func TestContractIsStrict(t *testing.T) {
	t.Parallel()
	c, err := theContract()
	must(t, err)
	header := func(media string, without ...string) http.Header {
		h := http.Header{"Content-Type": {media}, "Retry-After": {"1"}}
		for _, name := range []string{"X-Request-Id", "X-Ratelimit-Limit", "X-Ratelimit-Remaining", "X-Ratelimit-Reset"} {
			h.Set(name, "1")
		}
		for _, name := range without {
			h.Del(name)
		}
		return h
	}
	const problemType, plain = "application/problem+json", "application/json"
	problem := func(code, more string) string {
		return `{"title":"a","status":1,"detail":"b","request_id":"c","code":"` + code + `"` + more + `}`
	}
	for name, one := range map[string]struct {
		method, path string
		answer       answer
		good         bool
	}{
		"as it is":              {"GET", "/healthz", answer{200, header(plain), `{"status":"ok"}`}, true},
		"HEAD as it is":         {"HEAD", "/healthz", answer{200, header(plain), ""}, true},
		"an error as it is":     {"GET", "/v1/jobs", answer{404, header(problemType), problem("not_found", "")}, true},
		"null as it is":         {"GET", "/v1/whitelist/check", answer{200, header(plain), `{"address":"a","allowed":false,"entry":null}`}, true},
		"another field":         {"GET", "/healthz", answer{200, header(plain), `{"status":"ok","more":1}`}, false},
		"a field less":          {"GET", "/healthz", answer{200, header(plain), `{}`}, false},
		"another type":          {"GET", "/healthz", answer{200, header(plain), `{"status":1}`}, false},
		"another value":         {"GET", "/healthz", answer{200, header(plain), `{"status":"fine"}`}, false},
		"null":                  {"GET", "/healthz", answer{200, header(plain), `{"status":"ok","parts":null}`}, false},
		"below, a field less":   {"GET", "/v1/whitelist/check", answer{200, header(plain), `{"address":"a","allowed":false,"entry":{"line":1}}`}, false},
		"no time":               {"GET", "/v1/audit", answer{200, header(plain), `{"entries":[{"id":"0190b5a0-0000-7000-8000-000000000000","at":"a","last_at":"b","times":1,"kind":"change","address":"","who":"","action":"","detail":{}}]}`}, false},
		"another status":        {"GET", "/healthz", answer{418, header(plain), `{"status":"ok"}`}, false},
		"another media type":    {"GET", "/healthz", answer{200, header("text/html"), `{"status":"ok"}`}, false},
		"a header less":         {"GET", "/healthz", answer{200, header(plain, "X-Request-Id"), `{"status":"ok"}`}, false},
		"HEAD, a header less":   {"HEAD", "/healthz", answer{200, header(plain, "X-Request-Id"), ""}, false},
		"HEAD, another status":  {"HEAD", "/healthz", answer{418, header(plain), ""}, false},
		"an error's field more": {"GET", "/v1/jobs", answer{404, header(problemType), problem("not_found", `,"more":1`)}, false},
		"a code of no status":   {"GET", "/v1/jobs", answer{404, header(problemType), problem("invalid_request", "")}, false},
		"a code of others":      {"GET", "/v1/tokens", answer{403, header(problemType), problem("link_expired", "")}, false},
		"an unknown method":     {"PUT", "/healthz", answer{200, header(plain), `{"status":"ok"}`}, false},
	} {
		err := c.holds(t.Context(), httptest.NewRequest(one.method, one.path, nil), one.answer)
		if (err == nil) != one.good {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

package api_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
)

// contract is openapi.json, against which every answer that a test gets is held.
type contract struct {
	document *openapi3.T
	router   routers.Router
}

var theContract = sync.OnceValues(func() (*contract, error) {
	content, err := os.ReadFile("openapi.json")
	if err != nil {
		return nil, err
	}
	loader := openapi3.NewLoader()
	document, err := loader.LoadFromData(content)
	if err != nil {
		return nil, err
	}
	if err := document.Validate(loader.Context); err != nil {
		return nil, err
	}
	router, err := legacy.NewRouter(document)
	return &contract{document, router}, err
})

// holds checks an answer: its status, headers and body must be as the document says. An answer at a
// path, or to a method, that the document does not have must be an error in the form of the paths
// around it.
func (c *contract) holds(ctx context.Context, req *http.Request, got answer) error {
	route, pathParams, err := c.router.FindRoute(req)
	if err != nil {
		return c.holdsUnrouted(req, got)
	}
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: req, PathParams: pathParams, Route: route},
		Status:                 got.status,
		Header:                 got.header,
		Options:                &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	}
	// Of a file only status and headers are described, and of an answer to HEAD there is nothing else.
	input.Options.ExcludeResponseBody = req.Method == http.MethodHead || !strings.Contains(got.header.Get("Content-Type"), "json")
	input.SetBodyBytes([]byte(got.body))
	return openapi3filter.ValidateResponse(ctx, input)
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
	value, err := got.json()
	if err != nil {
		return err
	}
	return c.document.Components.Schemas[name].Value.VisitJSON(value)
}

func TestDescriptionIsServed(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	want, err := os.ReadFile("openapi.json")
	must(t, err)
	if got := b.do(t, call{path: "/openapi.json"}).want(t, http.StatusOK, ""); got.body != string(want) {
		t.Error("what is served is not openapi.json")
	}
	b.do(t, call{path: "/openapi.json", from: stranger + ":1"}).want(t, http.StatusForbidden, "not_whitelisted")
}

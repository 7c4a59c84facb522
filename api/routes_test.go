package api

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"trunkline/api/web"
)

// Every path and method that is served is in openapi.json, and nothing else is.
func TestEveryEndpointIsDescribed(t *testing.T) {
	t.Parallel()
	var document struct {
		Paths      map[string]map[string]json.RawMessage
		Components struct {
			Schemas struct{ Code struct{ Enum []string } }
		}
	}
	if err := json.Unmarshal(openAPI, &document); err != nil {
		t.Fatal(err)
	}
	var described, served []string
	for path, methods := range document.Paths {
		for method := range methods {
			described = append(described, strings.ToUpper(method)+" "+path)
		}
	}
	parameter := regexp.MustCompile(`:(\w+)`)
	for _, e := range new(Server).endpoints() {
		for _, method := range e.Methods {
			served = append(served, method+" "+parameter.ReplaceAllString(e.Path, "{$1}"))
		}
	}
	slices.Sort(described)
	slices.Sort(served)
	if !slices.Equal(described, served) {
		t.Errorf("described:\n%s\nserved:\n%s", strings.Join(described, "\n"), strings.Join(served, "\n"))
	}
	for code := range web.Statuses {
		if !slices.Contains(document.Components.Schemas.Code.Enum, code) {
			t.Errorf("code %s is not described", code)
		}
	}
	for _, code := range document.Components.Schemas.Code.Enum {
		if _, known := web.Statuses[code]; !known && web.StatusOf(code) != http.StatusInternalServerError {
			t.Errorf("code %s is described and cannot occur", code)
		}
	}
}

package console

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"

	"trunkline/api/web"
)

var referencePage = page{path: "/api", title: "API", template: "reference", show: (*Service).reference}

// reference is the API as its description has it.
type reference struct {
	Groups      []operationGroup
	ScriptToken string // by which the page's script may ask in the session's name
}

// operationGroup is the operations of a resource.
type operationGroup struct {
	Name, About string
	Operations  []operation
}

// operation is one method of one path.
type operation struct {
	Method, Path, Summary, Note string
}

// described is what is read of openapi.json.
type described struct {
	Tags []struct {
		Name        string `json:"name"`
		Description string `json:"description"`
	} `json:"tags"`
	Paths map[string]map[string]struct {
		Tags        []string `json:"tags"`
		Summary     string   `json:"summary"`
		Description string   `json:"description"`
	} `json:"paths"`
}

// methods are those of operations, in the order in which a path's are shown.
var methods = []string{"get", "head", "post", "put", "patch", "delete"}

// operationsOf are the operations that a description has, by resource.
func operationsOf(openAPI []byte) (groups []operationGroup, err error) {
	var of described
	if err := json.Unmarshal(openAPI, &of); err != nil {
		return nil, err
	}
	for _, tag := range of.Tags {
		group := operationGroup{Name: tag.Name, About: tag.Description}
		for _, path := range slices.Sorted(maps.Keys(of.Paths)) {
			for _, method := range methods {
				if o, has := of.Paths[path][method]; has && slices.Contains(o.Tags, tag.Name) {
					group.Operations = append(group.Operations, operation{strings.ToUpper(method), path, o.Summary, o.Description})
				}
			}
		}
		groups = append(groups, group)
	}
	return groups, nil
}

// descriptionEndpoint sends the description to whoever has a session: at its own path it needs the whitelist.
func (s *Service) descriptionEndpoint() web.Endpoint {
	return web.Endpoint{
		ID: "consoleDescription", Methods: []string{"GET"}, Path: home + "/openapi.json", Entry: web.Console, Failed: s.failed, NoSession: toSignIn,
		Answer: func(r *web.Request) error {
			r.Data(http.StatusOK, "application/json", s.OpenAPI)
			return nil
		},
	}
}

func (s *Service) reference(r *web.Request) (any, error) {
	r.ShowsOwnPictures()
	groups, err := s.operations()
	return reference{groups, r.ScriptToken()}, err
}

package api

import (
	"net/http"
	"strings"

	"trunkline/api/web"
	"trunkline/internal/token"
)

// ScopedPath is an endpoint that asks for credentials with a scope.
type ScopedPath struct {
	Method, Path string
	Scope, Also  token.Scope
}

// ScopedPaths are all of them, one for each method but HEAD.
func (s *Server) ScopedPaths() []ScopedPath {
	var paths []ScopedPath
	for _, e := range s.endpoints() {
		if e.Entry != web.SignedIn || e.Scope == "" {
			continue
		}
		for _, method := range e.Methods {
			if method != http.MethodHead {
				paths = append(paths, ScopedPath{method, e.Path, e.Scope, e.Also})
			}
		}
	}
	return paths
}

// Endpoint is one method of a path, for tests of all of them.
type Endpoint struct {
	Method, Path string // ids are those of no job, token or gateway
	SignedIn     bool   // it needs credentials
	Everybody    bool   // it needs nothing
}

// Endpoints are all of them.
func (s *Server) Endpoints() []Endpoint {
	var all []Endpoint
	for _, e := range s.endpoints() {
		for _, method := range e.Methods {
			all = append(all, Endpoint{
				Method: method, Path: strings.NewReplacer(":id", "0190b5a0-0000-7000-8000-000000000000", ":external_id", "nobody%2Fs").Replace(e.Path),
				SignedIn: e.Entry == web.SignedIn || e.Entry == web.SignedInOrLink, Everybody: e.Entry == web.Everybody,
			})
		}
	}
	return all
}

// endpoints is every path that there is.
func (s *Server) endpoints() []web.Endpoint {
	var all []web.Endpoint
	for _, g := range s.groups() {
		all = append(all, g.Endpoints...)
	}
	return all
}

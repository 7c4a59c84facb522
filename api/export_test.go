package api

import (
	"net/http"
	"strings"

	"trunkline/internal/token"
)

// ScopedPath is an endpoint that asks for credentials with one of some scopes.
type ScopedPath struct {
	Method, Path string
	Scopes       []token.Scope
}

// ScopedPaths are all of them, one for each method but HEAD.
func (s *Server) ScopedPaths() []ScopedPath {
	var paths []ScopedPath
	for _, e := range s.endpoints() {
		if e.entry != signedIn || len(e.scopes) == 0 {
			continue
		}
		for _, method := range e.methods {
			if method != http.MethodHead {
				paths = append(paths, ScopedPath{method, e.path, e.scopes})
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
	Class        string // what it is counted against, once signed in
}

// Endpoints are all of them.
func (s *Server) Endpoints() []Endpoint {
	var all []Endpoint
	for _, e := range s.endpoints() {
		for _, method := range e.methods {
			all = append(all, Endpoint{
				Method: method, Path: strings.ReplaceAll(e.path, ":id", "0190b5a0-0000-7000-8000-000000000000"),
				SignedIn: e.entry == signedIn || e.entry == signedInOrLink, Everybody: e.entry == everybody,
				Class: classNames[e.limit],
			})
		}
	}
	return all
}

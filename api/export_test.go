package api

import (
	"net/http"

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

package api

import (
	"slices"
	"strings"

	"trunkline/api/web"
)

// ConsolePaths are what those who are signed in to the console can read, as the router has it: /console/jobs/:id. Those
// of forms, which lead back to their page, are left out.
func (s *Server) ConsolePaths() []string {
	var paths []string
	for _, e := range s.console.Pages().Endpoints {
		if e.Entry == web.Console && slices.Contains(e.Methods, "GET") && !strings.HasSuffix(e.ID, ".back") {
			paths = append(paths, e.Path)
		}
	}
	return paths
}

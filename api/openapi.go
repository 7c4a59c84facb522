package api

import (
	_ "embed"
	"net/http"
)

// openAPI describes every path of the front end. The tests hold each answer that they get against it.
//
//go:embed openapi.json
var openAPI []byte

// describe sends that description.
func (s *Server) describe(r *request) error {
	r.c.Header("X-Content-Type-Options", "nosniff")
	r.c.Data(http.StatusOK, "application/json", openAPI)
	return nil
}

package api

import (
	"bytes"
	_ "embed"
	"net/http"

	"trunkline/api/web"
	"trunkline/internal/version"
)

// openAPI describes every path of the front end: make openapi makes it of the endpoints and of the types
// of their answers. The tests hold each answer that they get against it.
//
//go:embed openapi.json
var openAPI []byte

// unversioned stands in openapi.json in place of the build, which what is served has.
const unversioned = "unversioned"

// signpost is what stands at /.
type signpost struct {
	Name    string `json:"name"`
	OpenAPI string `json:"openapi"` // the path of the description of every endpoint
}

// point tells whoever opens the front end's own address where to go on.
func point(*web.Request) (signpost, error) {
	return signpost{Name: "Trunkline", OpenAPI: "/openapi.json"}, nil
}

// described is that description, with the build that answers.
func described() []byte {
	return bytes.Replace(openAPI, []byte(unversioned), []byte(version.This()), 1)
}

// describe sends it.
func describe(r *web.Request) error {
	r.Data(http.StatusOK, "application/json", described())
	return nil
}

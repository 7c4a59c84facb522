package api

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"trunkline/internal/fault"
)

// write is given by make openapi.
var write = flag.Bool("write-openapi", false, "write openapi.json instead of comparing it")

// TestDescriptionIsFresh holds openapi.json against the endpoints and the types of their answers.
func TestDescriptionIsFresh(t *testing.T) {
	t.Parallel()
	want := newDescription(t).text()
	if *write {
		if err := os.WriteFile("openapi.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(openAPI, want) {
		t.Error("openapi.json is stale; run make openapi")
	}
}

// description is the document while it is made.
type description struct {
	t testing.TB
	*schemas
	document *openapi3.T
}

func newDescription(t testing.TB) *description {
	d := &description{t: t, schemas: newSchemas(t), document: &openapi3.T{
		OpenAPI: "3.1.0",
		Info: &openapi3.Info{Title: "Trunkline", Version: unversioned, Description: "The programmable front door of a FusionPBX. " +
			"Callers must be on the whitelist; credentials are a FusionPBX superadmin's or admin's, or a token. Credentials in a URL's query are refused. " +
			"A path answers any other method with 405 and the header Allow. Every endpoint may answer 500 with the code server_error: something went wrong in Trunkline itself. " +
			"An operation's x-codes are the codes of its errors."},
		Servers: openapi3.Servers{{URL: "/"}},
		Paths:   openapi3.NewPaths(),
	}}
	c := openapi3.NewComponents()
	d.document.Components = &c
	c.SecuritySchemes = openapi3.SecuritySchemes{
		"basic":  {Value: openapi3.NewSecurityScheme().WithType("http").WithScheme("basic").WithDescription("A FusionPBX user: user or user@domain.")},
		"bearer": {Value: openapi3.NewSecurityScheme().WithType("http").WithScheme("bearer").WithDescription("A token, or a superadmin's api_key.")},
		"apiKey": {Value: openapi3.NewSecurityScheme().WithType("apiKey").WithIn("header").WithName("X-API-Key").WithDescription("The same as bearer.")},
	}
	c.Headers, c.Responses, c.Schemas = openapi3.Headers{}, openapi3.ResponseBodies{}, d.all
	for name, about := range headerTexts {
		schema := openapi3.NewStringSchema()
		if strings.HasPrefix(name, "X-RateLimit-") || name == "Retry-After" {
			schema = openapi3.NewIntegerSchema()
		}
		c.Headers[name] = &openapi3.HeaderRef{Value: &openapi3.Header{Parameter: openapi3.Parameter{Description: about, Required: true, Schema: schema.NewRef()}}}
	}
	d.sources.keyOf(reflect.TypeFor[fault.Error]())
	d.all["Code"] = openapi3.NewSchemaRef("", &openapi3.Schema{Type: &openapi3.Types{"string"}, Description: "A stable name of the error.",
		Enum: d.sources.constants["trunkline/internal/fault.Code"]})
	d.all["Record"] = openapi3.NewSchemaRef("", &openapi3.Schema{Type: &openapi3.Types{"object"}, Description: "A CDR: the columns that were asked for."})
	for _, g := range new(Server).groups() {
		d.document.Tags = append(d.document.Tags, &openapi3.Tag{Name: g.name, Description: g.about})
		for _, e := range g.endpoints {
			for _, method := range e.methods {
				d.document.AddOperation(ginParameter.ReplaceAllString(e.path, "{$1}"), method, d.operation(g.name, e, method))
			}
		}
	}
	return d
}

// ginParameter is a parameter in a path as gin has it.
var ginParameter = regexp.MustCompile(`:(\w+)`)

// text is the document, indented, with a line end.
func (d *description) text() []byte {
	plain, err := json.Marshal(d.document)
	if err != nil {
		d.t.Fatal(err)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, plain, "", "  "); err != nil {
		d.t.Fatal(err)
	}
	indented.WriteByte('\n')
	return indented.Bytes()
}

func (d *description) operation(tag string, e endpoint, method string) *openapi3.Operation {
	o := openapi3.NewOperation()
	if e.id == "" || e.summary == "" || len(e.replies) == 0 {
		d.t.Errorf("%s %s: an id, a summary and replies are needed", method, e.path)
	}
	o.Tags, o.Summary, o.OperationID = []string{tag}, e.summary, operationID(e, method)
	o.Description = strings.TrimSpace(needs(e) + " " + e.note)
	o.Security = security(e, method)
	inBody := method == http.MethodPost || method == http.MethodPut
	for _, match := range ginParameter.FindAllStringSubmatch(e.path, -1) {
		of := strings.TrimSuffix(strings.Split(e.path, "/")[2], "s")
		o.AddParameter(openapi3.NewPathParameter(match[1]).WithDescription("The " + of + "'s UUID.").WithSchema(openapi3.NewUUIDSchema()))
	}
	body := openapi3.NewObjectSchema()
	for _, p := range e.params {
		secret := slices.Contains(secretParams, p.name)
		switch {
		case p.about == "":
			d.t.Errorf("%s: nothing says what %s is", e.id, p.name)
		case p.header:
			o.AddParameter(openapi3.NewHeaderParameter(p.name).WithDescription(p.text()).WithSchema(p.schema()))
		case !inBody && !secret:
			o.AddParameter(openapi3.NewQueryParameter(p.name).WithDescription(p.text()).WithRequired(p.required).WithSchema(p.schema()))
		case inBody:
			schema := p.schema()
			schema.Description = p.text()
			body.WithProperty(p.name, schema)
			if p.required {
				body.Required = append(body.Required, p.name)
			}
		}
	}
	if inBody && len(body.Properties) > 0 {
		for _, p := range credentialParams {
			schema := p.schema()
			schema.Description = p.text()
			body.WithProperty(p.name, schema)
		}
		name := strings.ToUpper(e.id[:1]) + e.id[1:] + "Request"
		d.all[name] = body.NewRef()
		o.RequestBody = &openapi3.RequestBodyRef{Value: openapi3.NewRequestBody().WithSchemaRef(openapi3.NewSchemaRef("#/components/schemas/"+name, nil),
			[]string{"application/x-www-form-urlencoded", "application/json", "multipart/form-data"})}
	}
	d.answers(o, e, method)
	return o
}

// credentialParams are those of every body, where somebody has to sign in.
var credentialParams = []parameter{
	{name: "username", about: "A FusionPBX superadmin or admin: user or user@domain. Instead of HTTP Basic or a token."},
	{name: "password", about: "That user's password."},
}

// operationID is the endpoint's id, with the method where it is not the one that callers should take.
func operationID(e endpoint, method string) string {
	switch {
	case method == http.MethodPost || method == e.methods[0] && !slices.Contains(e.methods, http.MethodPost):
		return e.id
	case slices.Contains(e.methods, http.MethodPost):
		return e.id + "By" + method[:1] + strings.ToLower(method[1:])
	}
	return e.id + method[:1] + strings.ToLower(method[1:])
}

// needs says what a caller must have.
func needs(e endpoint) string {
	switch {
	case e.entry == whitelisted:
		return "Needs the whitelist alone."
	case len(e.scopes) > 0:
		return "Scope: " + strings.Join(namesOf(e.scopes), " or ") + "."
	}
	return ""
}

// security are the ways to sign in; the empty one is by parameters of the body, or by a link.
func security(e endpoint, method string) *openapi3.SecurityRequirements {
	ways := openapi3.NewSecurityRequirements()
	if e.entry != signedIn && e.entry != signedInOrLink {
		return ways
	}
	for _, way := range []string{"basic", "bearer", "apiKey"} {
		ways.With(openapi3.NewSecurityRequirement().Authenticate(way))
	}
	if e.entry == signedInOrLink || method != http.MethodGet {
		ways.With(openapi3.NewSecurityRequirement())
	}
	return ways
}

// text says what the parameter is.
func (p parameter) text() string {
	if p.kind == kindNumberOrEmpty {
		return fmt.Sprintf("%s A whole number of %d or more.", p.about, p.least)
	}
	return p.about
}

func (p parameter) schema() *openapi3.Schema {
	s := openapi3.NewStringSchema()
	switch p.kind {
	case kindFlag:
		return s.WithEnum("true", "false", "1", "0", "yes", "no")
	case kindUUID:
		return openapi3.NewUUIDSchema()
	case kindNumberOrEmpty:
		return s.WithPattern("^[0-9]*$")
	case kindNumber:
		s = openapi3.NewIntegerSchema().WithMin(float64(p.least))
		if p.most > 0 {
			s.WithMax(float64(p.most))
		}
		if p.usual > 0 {
			s.WithDefault(p.usual)
		}
		return s
	}
	for _, choice := range p.choices {
		s.Enum = append(s.Enum, choice)
	}
	if p.most > 0 {
		s.WithMaxLength(int64(p.most))
	}
	if strings.HasSuffix(p.name, "password") {
		s.WithFormat("password")
	}
	return s
}

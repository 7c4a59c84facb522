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
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"trunkline/api/params"
	"trunkline/api/web"
	"trunkline/internal/fault"
)

// write is given by make openapi.
var write = flag.Bool("write-openapi", false, "write openapi.json instead of comparing it")

// TestDescriptionIsFresh holds openapi.json against the web.Endpoints and the types of their answers.
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
		"session": {Value: openapi3.NewSecurityScheme().WithType("apiKey").WithIn("cookie").WithName("__Host-trunkline").
			WithDescription("A session of the console, with script: for what its own pages ask for, within the same origin.")},
		"script": {Value: openapi3.NewSecurityScheme().WithType("apiKey").WithIn("header").WithName(web.ScriptHeader).WithDescription("That of the session.")},
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
		d.document.Tags = append(d.document.Tags, &openapi3.Tag{Name: g.Name, Description: g.About})
		for _, e := range g.Endpoints {
			for _, method := range e.Methods {
				d.document.AddOperation(ginParameter.ReplaceAllString(e.Path, "{$1}"), method, d.operation(g.Name, e, method))
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

func (d *description) operation(tag string, e web.Endpoint, method string) *openapi3.Operation {
	o := openapi3.NewOperation()
	if e.ID == "" || e.Summary == "" || len(e.Replies) == 0 {
		d.t.Errorf("%s %s: an id, a summary and replies are needed", method, e.Path)
	}
	o.Tags, o.Summary, o.OperationID = []string{tag}, e.Summary, operationID(e, method)
	o.Description = strings.TrimSpace(needs(e) + " " + e.Note)
	for _, of := range e.AtOnce {
		o.Description = strings.TrimSpace(o.Description + fmt.Sprintf(" There are only so many %s at once, of which no domain can hold all.", of))
	}
	o.Security = security(e, method)
	inBody := method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch
	for _, match := range ginParameter.FindAllStringSubmatch(e.Path, -1) {
		of := strings.TrimSuffix(strings.Split(e.Path, "/")[2], "s")
		if match[1] != "id" {
			o.AddParameter(openapi3.NewPathParameter(match[1]).WithDescription("The caller's own name for the " + of + ", percent-encoded.").WithSchema(openapi3.NewStringSchema()))
			continue
		}
		o.AddParameter(openapi3.NewPathParameter(match[1]).WithDescription("The " + of + "'s UUID.").WithSchema(openapi3.NewUUIDSchema()))
	}
	body := openapi3.NewObjectSchema()
	for _, p := range e.Params {
		secret := params.IsSecret(p.Name)
		switch {
		case p.About == "":
			d.t.Errorf("%s: nothing says what %s is", e.ID, p.Name)
		case p.Header:
			o.AddParameter(openapi3.NewHeaderParameter(p.Name).WithDescription(paramText(p)).WithSchema(paramSchema(p)))
		case (!inBody || e.File) && !secret:
			o.AddParameter(openapi3.NewQueryParameter(p.Name).WithDescription(paramText(p)).WithRequired(p.Required).WithSchema(paramSchema(p)))
		case inBody:
			schema := paramSchema(p)
			schema.Description = paramText(p)
			body.WithProperty(p.Name, schema)
			if p.Required {
				body.Required = append(body.Required, p.Name)
			}
		}
	}
	if e.File {
		o.RequestBody = d.file(e)
	} else if inBody && len(body.Properties) > 0 {
		for _, p := range credentialParams {
			schema := paramSchema(p)
			schema.Description = paramText(p)
			body.WithProperty(p.Name, schema)
		}
		name := strings.ToUpper(e.ID[:1]) + e.ID[1:] + "Request"
		d.all[name] = body.NewRef()
		o.RequestBody = &openapi3.RequestBodyRef{Value: openapi3.NewRequestBody().WithSchemaRef(openapi3.NewSchemaRef("#/components/schemas/"+name, nil),
			[]string{"application/x-www-form-urlencoded", "application/json", "multipart/form-data"})}
	}
	d.answers(o, e, method)
	return o
}

// file is a body that is a file, or a form with one and the endpoint's parameters.
func (d *description) file(e web.Endpoint) *openapi3.RequestBodyRef {
	form := openapi3.NewObjectSchema().WithProperty(params.FileField, &openapi3.Schema{Type: &openapi3.Types{"string"}, Format: "binary", Description: "The file."})
	form.Required = []string{params.FileField}
	for _, p := range e.Params {
		if !p.Header {
			schema := paramSchema(p)
			schema.Description = paramText(p)
			form.WithProperty(p.Name, schema)
		}
	}
	text := openapi3.NewStringSchema()
	rows := openapi3.NewArraySchema().WithItems(openapi3.NewObjectSchema().WithAnyAdditionalProperties())
	content := openapi3.Content{
		"text/csv": openapi3.NewMediaType().WithSchema(text), "application/x-ndjson": openapi3.NewMediaType().WithSchema(text),
		"application/json": openapi3.NewMediaType().WithSchema(rows), "multipart/form-data": openapi3.NewMediaType().WithSchema(form),
	}
	return &openapi3.RequestBodyRef{Value: openapi3.NewRequestBody().WithRequired(true).WithContent(content)}
}

// credentialParams are those of every body, where somebody has to sign in.
var credentialParams = []web.Param{
	{Name: "username", About: "A FusionPBX superadmin or admin: user or user@domain. Instead of HTTP Basic or a token."},
	{Name: "password", About: "That user's password."},
}

// operationID is the web.Endpoint's id, with the method where it is not the one that callers should take.
func operationID(e web.Endpoint, method string) string {
	switch {
	case method == http.MethodPost || method == e.Methods[0] && !slices.Contains(e.Methods, http.MethodPost):
		return e.ID
	case slices.Contains(e.Methods, http.MethodPost):
		return e.ID + "By" + method[:1] + strings.ToLower(method[1:])
	}
	return e.ID + method[:1] + strings.ToLower(method[1:])
}

// needs says what a caller must have.
func needs(e web.Endpoint) string {
	switch {
	case e.Entry == web.Whitelisted:
		return "Needs the whitelist alone."
	case e.Also != "":
		return "Scopes: " + string(e.Scope) + " and " + string(e.Also) + "."
	case e.Scope != "":
		return "Scope: " + string(e.Scope) + "."
	}
	return ""
}

// security are the ways to sign in; the empty one is by parameters of the body, or by a link.
func security(e web.Endpoint, method string) *openapi3.SecurityRequirements {
	ways := openapi3.NewSecurityRequirements()
	if e.Entry != web.SignedIn && e.Entry != web.SignedInOrLink {
		return ways
	}
	for _, way := range []string{"basic", "bearer", "apiKey"} {
		ways.With(openapi3.NewSecurityRequirement().Authenticate(way))
	}
	if !web.IsDocumented(e.Path) {
		ways.With(openapi3.NewSecurityRequirement().Authenticate("session").Authenticate("script"))
	}
	if e.Entry == web.SignedInOrLink || method != http.MethodGet {
		ways.With(openapi3.NewSecurityRequirement())
	}
	return ways
}

// text says what the parameter is.
func paramText(p web.Param) string {
	if p.Kind == web.KindNumberOrEmpty {
		return fmt.Sprintf("%s A whole number of %d or more.", p.About, p.Least)
	}
	if p.Kind == web.KindUUIDs {
		most := "TRUNKLINE_BULK_ROWS"
		if p.Most > 0 {
			most = strconv.Itoa(p.Most)
		}
		return p.About + " With commas between, or in JSON an array; up to " + most + "."
	}
	return p.About
}

func paramSchema(p web.Param) *openapi3.Schema {
	s := openapi3.NewStringSchema()
	switch p.Kind {
	case web.KindFlag:
		return s.WithEnum("true", "false", "1", "0", "yes", "no")
	case web.KindUUID:
		return openapi3.NewUUIDSchema()
	case web.KindUUIDs:
		return openapi3.NewOneOfSchema(s.WithPattern("^[0-9A-Fa-f, -]*$"), openapi3.NewArraySchema().WithItems(openapi3.NewUUIDSchema()))
	case web.KindNumberOrEmpty:
		return s.WithPattern("^[0-9]*$")
	case web.KindNumber:
		s = openapi3.NewIntegerSchema().WithMin(float64(p.Least))
		if p.Most > 0 {
			s.WithMax(float64(p.Most))
		}
		if p.Usual > 0 {
			s.WithDefault(p.Usual)
		}
		return s
	}
	for _, choice := range p.Choices {
		s.Enum = append(s.Enum, choice)
	}
	if p.Most > 0 {
		s.WithMaxLength(int64(p.Most))
	}
	if strings.HasSuffix(p.Name, "password") {
		s.WithFormat("password")
	}
	return s
}

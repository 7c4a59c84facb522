package api

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"trunkline/api/web"
	"trunkline/internal/export"
	"trunkline/internal/fault"
)

// headerTexts are the headers of answers.
var headerTexts = map[string]string{
	"X-Request-Id":          "The request's id: the caller's own X-Request-Id where it is sane.",
	"X-RateLimit-Limit":     "Requests a minute that this endpoint's budget has.",
	"X-RateLimit-Remaining": "Requests that are left of it.",
	"X-RateLimit-Reset":     "When it is full again, Unix seconds.",
	"Retry-After":           "Seconds to wait before asking again.",
	"ETag":                  "Names the thing as it stands, for If-Match.",
	"Location":              "Where what was made is, or the job.",
	"WWW-Authenticate":      "How to sign in.",
}

// faultTexts say what an error of a status means.
var faultTexts = map[int]string{
	400: "A parameter is missing or cannot be used.",
	401: "The credentials are missing or wrong.",
	403: "The address is not on the whitelist, or the credentials do not permit this.",
	404: "There is no such thing.",
	409: "It cannot be done as things stand.",
	412: "If-Match or If-None-Match does not hold.",
	410: "The file was deleted when its time was up.",
	413: "The body is too large.",
	422: "It cannot be provisioned or delivered like this, or the key was used with another body.",
	429: "Too many requests, or too many failed logins.",
	500: "Something went wrong in Trunkline or at the switch.",
	503: "The database, Redis, a switch or a destination does not answer.",
	504: "A switch did not answer in time.",
	507: "The export folder or a destination is full.",
}

// answers adds what the web.Endpoint answers, errors included.
func (d *description) answers(o *openapi3.Operation, e web.Endpoint, method string) {
	o.Responses = openapi3.NewResponsesWithCapacity(len(e.Replies))
	for _, reply := range e.Replies {
		o.Responses.Set(strconv.Itoa(reply.Status), &openapi3.ResponseRef{Value: d.reply(reply, method)})
	}
	codes := append(e.EntryFaults(), e.Faults...)
	if slices.ContainsFunc(e.Params, func(p web.Param) bool { return p.Required }) {
		codes = append(codes, fault.MissingParameters)
	}
	slices.Sort(codes)
	codes = slices.Compact(codes)
	o.Extensions = map[string]any{"x-codes": codes}
	for _, code := range codes {
		status := strconv.Itoa(web.StatusOf(code))
		if o.Responses.Value(status) == nil {
			o.Responses.Set(status, &openapi3.ResponseRef{Ref: d.faultResponse(web.IsDocumented(e.Path), web.StatusOf(code))})
		}
	}
}

func (d *description) reply(r web.Reply, method string) *openapi3.Response {
	response := openapi3.NewResponse().WithDescription(r.About)
	response.Headers = standardHeaders()
	if r.Status == http.StatusAccepted {
		response.Headers["Retry-After"] = headerRef("Retry-After")
	}
	if r.Status == http.StatusAccepted || r.Location {
		response.Headers["Location"] = headerRef("Location")
	}
	if r.ETag {
		response.Headers["ETag"] = headerRef("ETag")
	}
	if method == http.MethodHead {
		return response
	}
	response.Content = openapi3.Content{}
	if r.Body != nil {
		response.Content["application/json"] = openapi3.NewMediaType().WithSchemaRef(d.of(r.Body))
	}
	for _, media := range r.Media {
		response.Content[media] = openapi3.NewMediaType().WithSchema(openapi3.NewStringSchema())
	}
	if r.File {
		d.addFile(response.Content)
	}
	return response
}

// addFile adds an export's file, in every format and packing.
func (d *description) addFile(content openapi3.Content) {
	for _, format := range export.Formats() {
		media, _, _ := strings.Cut(export.ContentType(format, export.None), ";")
		file := openapi3.NewSchemaRef("", openapi3.NewStringSchema())
		if media == "application/json" {
			file = openapi3.NewSchemaRef("", openapi3.NewArraySchema())
			file.Value.Items = openapi3.NewSchemaRef("#/components/schemas/Record", nil)
		}
		if answer := content[media]; answer != nil {
			file = openapi3.NewSchemaRef("", &openapi3.Schema{OneOf: openapi3.SchemaRefs{answer.Schema, file}})
		}
		content[media] = openapi3.NewMediaType().WithSchemaRef(file)
	}
	for _, compression := range export.Compressions() {
		content[export.ContentType(export.CSV, export.Compression(compression))] = openapi3.NewMediaType().WithSchema(openapi3.NewStringSchema())
	}
}

// faultResponse is the errors of a status, whose body has one of its codes.
func (d *description) faultResponse(documented bool, status int) string {
	name, media, body := "Problem", "application/problem+json", any(web.Problem{})
	if documented {
		name, media, body = "Documented", "application/json", web.DocumentedError{}
	}
	name += strconv.Itoa(status)
	if d.document.Components.Responses[name] == nil {
		if faultTexts[status] == "" {
			d.t.Errorf("nothing says what an error of status %d means", status)
		}
		response := openapi3.NewResponse().WithDescription(faultTexts[status])
		response.Headers = standardHeaders()
		switch status {
		case http.StatusUnauthorized:
			response.Headers["WWW-Authenticate"] = headerRef("WWW-Authenticate")
		case http.StatusServiceUnavailable, http.StatusGatewayTimeout, http.StatusTooManyRequests:
			response.Headers["Retry-After"] = headerRef("Retry-After")
		}
		codes := openapi3.NewSchema()
		for _, code := range d.all["Code"].Value.Enum {
			if web.StatusOf(code.(string)) == status {
				codes.Enum = append(codes.Enum, code)
			}
		}
		response.Content = openapi3.Content{media: openapi3.NewMediaType().WithSchema(&openapi3.Schema{AllOf: openapi3.SchemaRefs{
			d.of(body), openapi3.NewSchemaRef("", openapi3.NewSchema().WithProperty("code", codes)),
		}})}
		d.document.Components.Responses[name] = &openapi3.ResponseRef{Value: response}
	}
	return "#/components/responses/" + name
}

// standardHeaders are those of every answer.
func standardHeaders() openapi3.Headers {
	headers := openapi3.Headers{}
	for _, name := range []string{"X-Request-Id", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"} {
		headers[name] = headerRef(name)
	}
	return headers
}

func headerRef(name string) *openapi3.HeaderRef {
	return &openapi3.HeaderRef{Ref: "#/components/headers/" + name}
}

package api

import (
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3gen"

	"trunkline/api/cdrs"
	"trunkline/api/deliveries"
	"trunkline/api/gateways"
	"trunkline/api/jobs"
	"trunkline/api/schedules"
	"trunkline/internal/audit"
	"trunkline/internal/delivery"
	"trunkline/internal/gateway"
	"trunkline/internal/token"
)

// schemaNames are those of types that are not called as callers know them.
var schemaNames = map[reflect.Type]string{
	reflect.TypeFor[token.View]():     "Token",
	reflect.TypeFor[token.Issued]():   "IssuedToken",
	reflect.TypeFor[audit.Entry]():    "AuditEntry",
	reflect.TypeFor[gateway.Result](): "ProvisionedGateway",
	reflect.TypeFor[gateway.Shown]():  "GatewayAtSwitch",

	reflect.TypeFor[deliveries.Attempt]():    "DeliveryAttempt",
	reflect.TypeFor[jobs.Attempt]():          "JobAttempt",
	reflect.TypeFor[schedules.Destination](): "ScheduleDestination",
	reflect.TypeFor[schedules.Window]():      "ScheduleWindow",
	reflect.TypeFor[schedules.File]():        "ScheduleFile",
	reflect.TypeFor[schedules.Times]():       "ScheduleTimes",
	reflect.TypeFor[schedules.Made]():        "ScheduleWindows",
	reflect.TypeFor[schedules.Switched]():    "SchedulesSwitched",
	reflect.TypeFor[schedules.Brief]():       "ScheduleNamed",
}

// jobResults are what the kinds of job leave.
var jobResults = []any{gateway.Result{}, cdrs.ExportResult{}, gateway.BulkResult{}, delivery.Receipt{}}

// jobItem is what a job of many has of each item.
var jobItem = gateways.Item{}

// schemaName is the type's own name, in the capitals of an exported one, but for schemaNames.
func schemaName(t reflect.Type) string {
	if name := schemaNames[t]; name != "" || t.Name() == "" {
		return name
	}
	return strings.ToUpper(t.Name()[:1]) + t.Name()[1:]
}

// schemas makes the schemas of the types that answers have.
type schemas struct {
	t         testing.TB
	sources   *sources
	generator *openapi3gen.Generator
	all       openapi3.Schemas
	types     map[string]reflect.Type // of each name
}

func newSchemas(t testing.TB) *schemas {
	s := &schemas{t: t, sources: newSources(t), all: openapi3.Schemas{}, types: map[string]reflect.Type{}}
	s.generator = openapi3gen.NewGenerator(
		openapi3gen.CreateTypeNameGenerator(schemaName),
		openapi3gen.CreateComponentSchemas(openapi3gen.ExportComponentSchemasOptions{ExportComponentSchemas: true, ExportTopLevelSchema: true}),
		openapi3gen.SchemaCustomizer(func(_ string, of reflect.Type, _ reflect.StructTag, schema *openapi3.Schema) error {
			s.complete(of, schema)
			return nil
		}),
	)
	return s
}

// of is the schema of the value's type.
func (s *schemas) of(value any) *openapi3.SchemaRef {
	ref, err := s.generator.NewSchemaRefForValue(value, s.all)
	if err != nil {
		s.t.Fatal(err)
	}
	return ref
}

// constants are the values of a named type of texts; none where it may be any text.
func (s *schemas) constants(of reflect.Type) []any { return s.sources.constants[s.sources.keyOf(of)] }

// complete adds what the generator does not find out: of a type its comment and constants, of a struct's
// fields their comments, which are required, and that there are no others.
func (s *schemas) complete(of reflect.Type, schema *openapi3.Schema) {
	schema.Nullable = false // OpenAPI 3.0's word
	key := s.sources.keyOf(of)
	if of.Kind() == reflect.String {
		schema.Enum = s.constants(of)
	}
	if of.Kind() != reflect.Struct || len(schema.Properties) == 0 {
		return
	}
	if other, taken := s.types[schemaName(of)]; taken && other != of {
		s.t.Fatalf("%v and %v are both called %s", of, other, schemaName(of))
	}
	s.types[schemaName(of)] = of
	schema.Description = s.sources.comments[key]
	closed := false
	schema.AdditionalProperties = openapi3.AdditionalProperties{Has: &closed}
	s.completeFields(of, schema)
	slices.Sort(schema.Required)
}

func (s *schemas) completeFields(of reflect.Type, schema *openapi3.Schema) {
	for field := range of.Fields() {
		if field.Anonymous {
			s.completeFields(field.Type, schema)
			continue
		}
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		property := schema.Properties[name]
		if property == nil {
			continue
		}
		optional := strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero")
		if !optional {
			schema.Required = append(schema.Required, name)
		}
		schema.Properties[name] = s.completeField(s.sources.keyOf(of)+"."+field.Name, field, property, optional)
	}
}

func (s *schemas) completeField(key string, field reflect.StructField, property *openapi3.SchemaRef, optional bool) *openapi3.SchemaRef {
	value := property.Value
	switch {
	case strings.HasSuffix(s.sources.fieldTypes[key], "fault.Code"):
		return openapi3.NewSchemaRef("#/components/schemas/Code", nil)
	case field.Type == reflect.TypeFor[json.RawMessage]():
		value.Type = &openapi3.Types{openapi3.TypeObject}
		if record := field.Tag.Get("items"); record != "" {
			value.Type, value.Items = &openapi3.Types{openapi3.TypeArray}, openapi3.NewSchemaRef("#/components/schemas/"+record, nil)
		}
	case field.Type.Kind() == reflect.Interface && field.Tag.Get("items") != "":
		s.of(jobItem)
		value.Type, value.Items = &openapi3.Types{openapi3.TypeArray}, openapi3.NewSchemaRef("#/components/schemas/"+field.Tag.Get("items"), nil)
	case field.Type.Kind() == reflect.Interface:
		for _, result := range jobResults {
			value.OneOf = append(value.OneOf, s.of(result))
		}
	case field.Type.Kind() == reflect.Pointer && !optional:
		null := openapi3.NewSchemaRef("", &openapi3.Schema{Type: &openapi3.Types{"null"}})
		property = openapi3.NewSchemaRef("", &openapi3.Schema{AnyOf: openapi3.SchemaRefs{property, null}})
		value = property.Value
	case strings.HasPrefix(property.Ref, "#"):
		return property
	}
	value.Description = s.sources.comments[key]
	if format := field.Tag.Get("format"); format != "" {
		value.Format = format
	}
	if values := field.Tag.Get("enum"); values != "" {
		value.Enum = nil
		for one := range strings.SplitSeq(values, ",") {
			value.Enum = append(value.Enum, one)
			if n, err := strconv.Atoi(one); err == nil && value.Type.Is(openapi3.TypeInteger) {
				value.Enum[len(value.Enum)-1] = n
			}
		}
	}
	return property
}

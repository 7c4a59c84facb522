package destinations

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"trunkline/internal/fault"
)

// Field is one setting of a destination, or one of its credentials.
type Field struct {
	Name   string
	About  string
	Type   FieldType
	Secret bool // it is sealed, and never shown
	Needed bool // there is no destination of the kind without it
}

// FieldType says how a field is written.
type FieldType int

// The types of fields.
const (
	Text FieldType = iota
	Lines
	Number
	Flag
)

// fieldsOf are the fields of a struct that callers give: in the others, whose tag ours says "true", stands what we made.
func fieldsOf(t reflect.Type, secret bool) (fields []Field) {
	for _, f := range reflect.VisibleFields(t) {
		if f.Tag.Get("ours") == "true" {
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		field := Field{Name: name, About: f.Tag.Get("about"), Secret: secret, Needed: !strings.Contains(options, "omitempty")}
		switch {
		case f.Type.Kind() == reflect.Bool:
			field.Type = Flag
		case f.Type.Kind() == reflect.Int:
			field.Type = Number
		case f.Tag.Get("lines") == "true":
			field.Type = Lines
		}
		fields = append(fields, field)
	}
	return fields
}

// Fields are those of all kinds, each once, with what it means to which kind.
func Fields() (all []Field) {
	for _, k := range kinds {
		for _, f := range k.fields {
			f.About = k.name + ": " + f.About
			if i := slices.IndexFunc(all, func(other Field) bool { return other.Name == f.Name }); i >= 0 {
				all[i].About += " " + f.About
			} else {
				all = append(all, f)
			}
		}
	}
	return all
}

// FieldsOf are those of one kind; none if there is no such kind.
func FieldsOf(name string) []Field {
	k, err := kindOf(name)
	if err != nil {
		return nil
	}
	return slices.Clone(k.fields)
}

// SecretOfOurs reports whether destinations of the kind have a secret that we make.
func SecretOfOurs(name string) bool {
	k, err := kindOf(name)
	return err == nil && k.renew != nil
}

// HostKey is the key of a server that is pinned in a destination's settings, "" if none is.
func HostKey(settings json.RawMessage) string {
	var pinned map[string]any
	if json.Unmarshal(settings, &pinned) != nil {
		return ""
	}
	key, _ := pinned[hostKeyField].(string)
	return key
}

// Values are fields as a caller gives them, by name; "" clears one.
type Values map[string]string

// over puts values in the place of those that were kept, and returns settings and credentials as JSON; nil: there are none.
// Errors: a fault.InvalidRequest that names the field.
func (v Values) over(k kind, settings, credentials json.RawMessage) (s, c json.RawMessage, err error) {
	kept, secrets := map[string]any{}, map[string]any{}
	for _, old := range []struct {
		text json.RawMessage
		into *map[string]any
	}{{settings, &kept}, {credentials, &secrets}} {
		if old.text == nil {
			continue
		}
		if err := json.Unmarshal(old.text, old.into); err != nil {
			return nil, nil, fmt.Errorf("reading what is kept of a destination: %w", err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v)) {
		i := slices.IndexFunc(k.fields, func(f Field) bool { return f.Name == name })
		if i < 0 {
			return nil, nil, fault.Invalid(fault.Clip(name), "is not of destinations of kind %s; leave it out", k.name)
		}
		into := kept
		if k.fields[i].Secret {
			into = secrets
		}
		if into[name], err = k.fields[i].read(v[name]); err != nil {
			return nil, nil, err
		}
		if v[name] == "" {
			delete(into, name)
		}
	}
	if s, err = json.Marshal(kept); err != nil || len(secrets) == 0 {
		return s, nil, err
	}
	c, err = json.Marshal(secrets)
	return s, c, err
}

// haveSecrets reports whether credentials of that kind are among them.
func (v Values) haveSecrets(k kind) bool {
	return slices.ContainsFunc(k.fields, func(f Field) bool { return f.Secret && v[f.Name] != "" })
}

// read is the value of a field that is written so. The error never holds the value, which may be secret.
func (f Field) read(text string) (any, error) {
	switch f.Type {
	case Number:
		n, err := strconv.Atoi(text)
		if err != nil && text != "" {
			return nil, fault.Invalid(f.Name, "is not a whole number")
		}
		return n, nil
	case Flag:
		switch text {
		case "true", "1", "yes":
			return true, nil
		case "false", "0", "no", "":
			return false, nil
		}
		return nil, fault.Invalid(f.Name, "is neither true nor false; write one of them")
	}
	return text, nil
}

// read reads settings and credentials as they are kept, nil as those of which nothing was said.
func read[S, C any](settings, credentials json.RawMessage) (s S, c C, err error) {
	if settings != nil {
		err = json.Unmarshal(settings, &s)
	}
	if credentials != nil && err == nil {
		err = json.Unmarshal(credentials, &c)
	}
	if err != nil {
		err = fmt.Errorf("reading what is kept of a destination: %w", err)
	}
	return s, c, err
}

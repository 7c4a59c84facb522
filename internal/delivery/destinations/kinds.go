package destinations

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"trunkline/internal/cdr"
	"trunkline/internal/config"
	"trunkline/internal/delivery"
	"trunkline/internal/delivery/folder"
	"trunkline/internal/fault"
)

// kind is one entry of the table of kinds: all that is to be known of how files are brought to one kind of destination.
type kind struct {
	name string
	// check reads settings and credentials as a caller gave them, nil for none, and returns them as they are kept. Errors: a
	// fault.InvalidRequest that names the parameter.
	check func(settings, credentials json.RawMessage) (kept, secrets json.RawMessage, err error)
	// reached says where the credentials are sent: whoever changes that gives them anew, so that nobody is sent those of
	// another one.
	reached func(settings json.RawMessage) (string, error)
	open    func(ctx context.Context, o opening, settings, credentials json.RawMessage) (delivery.Sender, error)
}

// opening is what a kind opens a destination with, besides its own settings and credentials.
type opening struct {
	settings config.Settings
	owner    string // the uuid of the domain whose it is; "": it is of all domains
}

// Kept is what a kind's settings can do, as they are read from JSON.
type Kept interface {
	Check() error
	Reached() string // where the credentials are sent
}

// Credentials is what a kind's credentials can do.
type Credentials interface{ Check() error }

// noCredentials are those of a kind that needs none.
type noCredentials struct{}

// Check implements Credentials.
func (noCredentials) Check() error { return nil }

// entry is the entry of a kind with these settings and credentials.
func entry[S Kept, C Credentials](name string, open func(context.Context, opening, S, C) (delivery.Sender, error)) kind {
	return kind{
		name: name,
		check: func(settings, credentials json.RawMessage) (kept, secrets json.RawMessage, err error) {
			s, c, err := read[S, C](settings, credentials)
			if err != nil {
				return nil, nil, err
			}
			if err := s.Check(); err != nil {
				return nil, nil, err
			}
			if err := c.Check(); err != nil {
				return nil, nil, err
			}
			if kept, err = json.Marshal(s); err != nil {
				return nil, nil, err
			}
			if secrets, err = json.Marshal(c); err != nil {
				return nil, nil, err
			}
			if string(secrets) == "{}" {
				secrets = nil
			}
			return kept, secrets, nil
		},
		reached: func(settings json.RawMessage) (string, error) {
			s, _, err := read[S, C](settings, nil)
			if err != nil {
				return "", err
			}
			return s.Reached(), nil
		},
		open: func(ctx context.Context, o opening, settings, credentials json.RawMessage) (delivery.Sender, error) {
			s, c, err := read[S, C](settings, credentials)
			if err != nil {
				return nil, err
			}
			return open(ctx, o, s, c)
		},
	}
}

// read reads both from JSON, nil as {}.
func read[S, C any](settings, credentials json.RawMessage) (s S, c C, err error) {
	if err = readStrictly("settings", settings, &s); err == nil {
		err = readStrictly("credentials", credentials, &c)
	}
	return s, c, err
}

// readStrictly refuses fields that there are not. The error never holds a value, which may be secret.
func readStrictly(parameter string, text json.RawMessage, into any) error {
	if len(text) == 0 {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if mistyped, is := errors.AsType[*json.UnmarshalTypeError](err); is {
		return fault.Invalid(parameter, "%s cannot be a %s; write a %s", mistyped.Field, mistyped.Value, mistyped.Type)
	}
	if field, unknown := strings.CutPrefix(textOf(err), "json: unknown field "); unknown {
		return fault.Invalid(parameter, "%s is not one of this kind of destination", fault.Clip(field))
	}
	if err != nil || decoder.More() {
		return fault.Invalid(parameter, "it is not an object of JSON")
	}
	return nil
}

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// kinds is the table of kinds.
var kinds = []kind{
	entry("folder", func(_ context.Context, o opening, s folder.Settings, _ noCredentials) (delivery.Sender, error) {
		limits := folder.Limits{MinFreeBytes: uint64(o.settings.ExportMinFreeBytes), Free: cdr.FreeSpace}
		if o.owner != "" {
			limits.Bytes = int64(o.settings.DeliveryDomainBytes)
		}
		return folder.Open(filepath.Join(o.settings.DeliveryDir, o.owner), s, limits)
	}),
}

// Kinds are the names of all kinds.
func Kinds() (names []string) {
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return names
}

// kindOf finds a kind by its name. Errors: a fault.InvalidRequest.
func kindOf(name string) (kind, error) {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })
	if i < 0 {
		return kind{}, fault.Invalid("kind", "%q is no kind of destination; there are %s", fault.Clip(name), strings.Join(Kinds(), ", "))
	}
	return kinds[i], nil
}

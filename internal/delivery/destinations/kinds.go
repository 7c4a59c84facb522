package destinations

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"trunkline/internal/cdr"
	"trunkline/internal/config"
	"trunkline/internal/delivery"
	"trunkline/internal/delivery/dial"
	"trunkline/internal/delivery/folder"
	"trunkline/internal/delivery/mail"
	"trunkline/internal/delivery/s3"
	"trunkline/internal/delivery/sftp"
	"trunkline/internal/delivery/webhook"
	"trunkline/internal/fault"
)

// kind is one entry of the table of kinds: all that is to be known of how files are brought to one kind of destination.
type kind struct {
	name   string
	fields []Field
	// check refuses settings and credentials that cannot be, and returns both as they are kept: nil credentials are none.
	// Errors: a fault.InvalidRequest that names the field.
	check func(settings, credentials json.RawMessage) (kept, secrets json.RawMessage, err error)
	// reached says where the credentials are sent: whoever changes that gives them anew, so that nobody is sent those of
	// another one.
	reached func(settings json.RawMessage) (string, error)
	open    func(ctx context.Context, o opening, settings, credentials json.RawMessage) (delivery.Sender, error)
	// renew makes a secret of ours and puts it into the credentials, where those before it are good until then. nil: the kind
	// has none.
	renew func(credentials json.RawMessage, until time.Time) (renewed json.RawMessage, secret string, err error)
	// lacksSecret reports whether there is none yet; never if the kind has none.
	lacksSecret func(credentials json.RawMessage) (bool, error)
}

// opening is what a kind opens a destination with, besides its own settings and credentials.
type opening struct {
	settings config.Settings
	owner    string          // the uuid of the domain whose it is; "": it is of all domains
	moved    func(bytes int) // told of what goes over connections to where files are brought; nil: nobody is
}

// guard says what may be connected to.
func (o opening) guard() dial.Guard {
	return dial.Guard{Allowed: o.settings.DeliveryNetworks, Moved: o.moved}
}

// Settings are how destinations of a kind are reached, as they are kept in JSON. Its fields are texts, whole numbers and flags,
// with their names in the tag json and what they mean in the tag about.
type Settings interface {
	Check() error
	Reached() string // where the credentials are sent
}

// Credentials are those of a kind, with fields as Settings has them; of text that may have several lines, the tag lines
// says "true". Every name has to be among those that package params keeps out of URLs.
type Credentials interface{ Check() error }

// normalised are Settings of which one meaning may be written in several ways, and is kept in one.
type normalised[S any] interface{ Normalised() S }

// showing are Credentials of which something is shown, beside the settings and in fields that these do not have.
type showing interface{ Shown() map[string]any }

// signing are Credentials with a secret that we make, in fields whose tag ours says "true".
type signing[C any] interface {
	HaveSecret() bool
	Renewed(until time.Time) (C, string)
}

// noCredentials are those of a kind that needs none.
type noCredentials struct{}

// Check implements Credentials.
func (noCredentials) Check() error { return nil }

// entry is the entry of a kind with these settings and credentials.
func entry[S Settings, C Credentials](name string, open func(context.Context, opening, S, C) (delivery.Sender, error)) kind {
	k := kind{
		name:   name,
		fields: append(fieldsOf(reflect.TypeFor[S](), false), fieldsOf(reflect.TypeFor[C](), true)...),
		check: func(settings, credentials json.RawMessage) (kept, secrets json.RawMessage, err error) {
			s, c, err := read[S, C](settings, credentials)
			if err != nil {
				return nil, nil, err
			}
			if err := cmp.Or(s.Check(), c.Check()); err != nil {
				return nil, nil, err
			}
			if can, is := any(s).(normalised[S]); is {
				s = can.Normalised()
			}
			if kept, err = withShown(s, c); err != nil {
				return nil, nil, err
			}
			if credentials != nil {
				secrets, err = json.Marshal(c)
			}
			return kept, secrets, err
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
		lacksSecret: func(json.RawMessage) (bool, error) { return false, nil },
	}
	if _, signs := any(*new(C)).(signing[C]); signs {
		k.renew, k.lacksSecret = renew[C], lacksSecret[C]
	}
	return k
}

// withShown are settings as JSON, with what is shown of the credentials.
func withShown(s Settings, c Credentials) (json.RawMessage, error) {
	kept, err := json.Marshal(s)
	part, shows := c.(showing)
	if err != nil || !shows {
		return kept, err
	}
	all := map[string]any{}
	if err := json.Unmarshal(kept, &all); err != nil {
		return nil, err
	}
	maps.Copy(all, part.Shown())
	return json.Marshal(all)
}

func lacksSecret[C Credentials](credentials json.RawMessage) (bool, error) {
	_, c, err := read[struct{}, C](nil, credentials)
	return err == nil && !any(c).(signing[C]).HaveSecret(), err
}

func renew[C Credentials](credentials json.RawMessage, until time.Time) (json.RawMessage, string, error) {
	_, c, err := read[struct{}, C](nil, credentials)
	if err != nil {
		return nil, "", err
	}
	renewed, secret := any(c).(signing[C]).Renewed(until)
	credentials, err = json.Marshal(renewed)
	return credentials, secret, err
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
	entry("mail", func(_ context.Context, o opening, s mail.Settings, c mail.Credentials) (delivery.Sender, error) {
		return mail.New(o.guard(), o.settings.DeliveryCA, s, c), nil
	}),
	entry("s3", func(_ context.Context, o opening, s s3.Settings, c s3.Credentials) (delivery.Sender, error) {
		return s3.New(o.guard(), o.settings.DeliveryCA, s, c)
	}),
	entry("webhook", func(_ context.Context, o opening, _ webhook.Settings, c webhook.Credentials) (delivery.Sender, error) {
		return webhook.Open(o.settings, o.guard(), c)
	}),
	entry("sftp", func(_ context.Context, o opening, s sftp.Settings, c sftp.Credentials) (delivery.Sender, error) {
		return sftp.New(o.guard(), s, c), nil
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

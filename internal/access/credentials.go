package access

import (
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"trunkline/internal/fault"
	"trunkline/internal/token"
)

// Credentials are what a request shows to say who sent it: a FusionPBX user's name, as user or
// user@domain, and password; or else a key, which is a token of ours or a superadmin's api_key.
type Credentials struct{ Username, Password, Key string }

// The ways in which credentials are sent, as messages name them.
const (
	byBasic  = "Authorization: Basic"
	byBearer = "Authorization: Bearer"
	byKey    = "X-API-Key"
	byParams = "the parameters username and password"
)

// Challenge is what an answer 401 asks for. It is never Basic, though Basic serves: a browser that is asked for
// it keeps the password, and sends it along with whatever any page has it ask for.
const Challenge = `Bearer realm="FusionPBX"`

// errTokenAsName tells whoever puts a token where people type a name, which is written to logs.
var errTokenAsName error = fault.Errorf(fault.AuthenticationFailed, "the user name is an API token; send it alone, as %s or %s (in WHMCS: the server's access hash), "+
	"and rotate it if others may have seen it", byBearer, byKey)

// sent are credentials and the way in which they came.
type sent struct {
	way string
	Credentials
}

// CredentialsOf takes the credentials from wherever they are: the headers, or the username and the
// password among the parameters. From several places at once they are refused, since one could not tell
// which are meant.
func CredentialsOf(header http.Header, username, password string) (Credentials, error) {
	var found []sent
	var empty []string // ways that were taken with nothing in them
	for _, read := range []func() (*sent, error){
		func() (*sent, error) { return fromAuthorization(header) },
		func() (*sent, error) { return fromKeyHeader(header) },
		func() (*sent, error) { return fromParams(username, password) },
	} {
		got, err := read()
		switch {
		case err != nil:
			return Credentials{}, err
		case got == nil:
		case got.Credentials == Credentials{}:
			empty = append(empty, got.way)
		default:
			found = append(found, *got)
		}
	}
	switch {
	case len(found) > 1:
		ways := make([]string, len(found))
		for i, s := range found {
			ways[i] = s.way
		}
		return Credentials{}, fault.Errorf(fault.InvalidRequest, "credentials are sent in several ways at once (%s); send them in one", strings.Join(ways, "; "))
	case len(found) == 1:
		return found[0].Credentials, nil
	case len(empty) > 0:
		return Credentials{}, fault.Errorf(fault.AuthenticationFailed, "%s is empty; send a token in it", strings.Join(empty, "; "))
	}
	return Credentials{}, fault.Errorf(fault.AuthenticationFailed, "send username and password by form, JSON or HTTP Basic, or a token as %s or %s", byBearer, byKey)
}

// fromAuthorization reads the Authorization header; nil: there is none.
func fromAuthorization(header http.Header) (*sent, error) {
	value, err := oneHeader(header, "Authorization")
	if err != nil || value == "" {
		return nil, err
	}
	scheme, rest, _ := strings.Cut(value, " ")
	switch strings.ToLower(scheme) {
	case "basic":
		username, password, ok := (&http.Request{Header: header}).BasicAuth()
		switch {
		case !ok:
			return nil, fault.Errorf(fault.AuthenticationFailed, "what follows Basic in the Authorization header is not username:password in base64")
		case token.Within(username):
			return nil, errTokenAsName
		case !isText(username):
			return nil, fault.Errorf(fault.AuthenticationFailed, "the username in the Authorization header is not text in UTF-8")
		case username == "" || password == "":
			return nil, fault.Errorf(fault.AuthenticationFailed, "username or password is empty in the Authorization header; send both, or a token as %s", byBearer)
		}
		return &sent{byBasic, Credentials{Username: username, Password: password}}, nil
	case "bearer":
		return &sent{byBearer, Credentials{Key: strings.TrimSpace(rest)}}, nil
	}
	return nil, fault.Errorf(fault.AuthenticationFailed, "the Authorization header is neither Basic nor Bearer, the kinds that serve here")
}

// fromKeyHeader reads the X-API-Key header; nil: there is none.
func fromKeyHeader(header http.Header) (*sent, error) {
	value, err := oneHeader(header, byKey)
	if err != nil || len(header.Values(byKey)) == 0 {
		return nil, err
	}
	return &sent{byKey, Credentials{Key: value}}, nil
}

// fromParams reads the form or the JSON; nil: neither name nor password is there. A form that has them
// as empty fields beside a token is one that a program filled in for itself.
func fromParams(username, password string) (*sent, error) {
	username = strings.TrimSpace(username)
	switch {
	case username == "" && password == "":
		return nil, nil
	case token.Within(username):
		return nil, errTokenAsName
	case username == "" || password == "":
		return nil, fault.Errorf(fault.AuthenticationFailed, "username and password are both required if one is sent; or send a token as %s", byBearer)
	}
	return &sent{byParams, Credentials{Username: username, Password: password}}, nil
}

// oneHeader is the header's value without space around it.
func oneHeader(header http.Header, name string) (string, error) {
	values := header.Values(name)
	if len(values) > 1 {
		return "", fault.Errorf(fault.InvalidRequest, "the header %s is there %d times; send it once", name, len(values))
	}
	return strings.TrimSpace(strings.Join(values, "")), nil
}

// isText reports whether s can be shown and stored: valid UTF-8 without control characters.
func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl) }

package api

import (
	"net/http"
	"strings"

	"trunkline/internal/fault"
)

// credentials are what a request shows to say who sent it: a FusionPBX user's name, as user or
// user@domain, and password; or else a key, which is a token of ours or a superadmin's api_key.
type credentials struct{ username, password, key string }

// The ways in which credentials are sent, as messages name them.
const (
	byBasic  = "Authorization: Basic"
	byBearer = "Authorization: Bearer"
	byKey    = "X-API-Key"
	byParams = "the parameters username and password"
)

// challenges are what an answer 401 asks for.
var challenges = []string{`Basic realm="FusionPBX", charset="UTF-8"`, `Bearer realm="FusionPBX"`}

// sent are credentials and the way in which they came.
type sent struct {
	way string
	credentials
}

// credentialsOf takes the credentials from wherever they are; from several places at once they are
// refused, since one could not tell which are meant.
func credentialsOf(req *http.Request, p params) (credentials, error) {
	var found []sent
	var empty []string // ways that were taken with nothing in them
	for _, read := range []func() (*sent, error){
		func() (*sent, error) { return fromAuthorization(req) },
		func() (*sent, error) { return fromKeyHeader(req) },
		func() (*sent, error) { return fromParams(p) },
	} {
		got, err := read()
		switch {
		case err != nil:
			return credentials{}, err
		case got == nil:
		case got.credentials == credentials{}:
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
		return credentials{}, fault.Errorf(fault.InvalidRequest, "credentials are sent in several ways at once (%s); send them in one", strings.Join(ways, "; "))
	case len(found) == 1:
		return found[0].credentials, nil
	case len(empty) > 0:
		return credentials{}, fault.Errorf(fault.AuthenticationFailed, "%s is empty; send a token in it", strings.Join(empty, "; "))
	}
	return credentials{}, fault.Errorf(fault.AuthenticationFailed, "send username and password by form, JSON or HTTP Basic, or a token as %s or %s", byBearer, byKey)
}

// fromAuthorization reads the Authorization header; nil: there is none.
func fromAuthorization(req *http.Request) (*sent, error) {
	header, err := oneHeader(req, "Authorization")
	if err != nil || header == "" {
		return nil, err
	}
	scheme, rest, _ := strings.Cut(header, " ")
	switch strings.ToLower(scheme) {
	case "basic":
		username, password, ok := req.BasicAuth()
		switch {
		case !ok:
			return nil, fault.Errorf(fault.AuthenticationFailed, "what follows Basic in the Authorization header is not username:password in base64")
		case !isText(username):
			return nil, fault.Errorf(fault.AuthenticationFailed, "the username in the Authorization header is not text in UTF-8")
		case username == "" || password == "":
			return nil, fault.Errorf(fault.AuthenticationFailed, "username or password is empty in the Authorization header; send both, or a token as %s", byBearer)
		}
		return &sent{byBasic, credentials{username: username, password: password}}, nil
	case "bearer":
		return &sent{byBearer, credentials{key: strings.TrimSpace(rest)}}, nil
	}
	return nil, fault.Errorf(fault.AuthenticationFailed, "the Authorization header is neither Basic nor Bearer, the kinds that serve here")
}

// fromKeyHeader reads the X-API-Key header; nil: there is none.
func fromKeyHeader(req *http.Request) (*sent, error) {
	header, err := oneHeader(req, byKey)
	if err != nil || len(req.Header.Values(byKey)) == 0 {
		return nil, err
	}
	return &sent{byKey, credentials{key: header}}, nil
}

// fromParams reads the form or the JSON; nil: neither name nor password is there. A form that has them
// as empty fields beside a token is one that a program filled in for itself.
func fromParams(p params) (*sent, error) {
	username, password := strings.TrimSpace(p.get("username")), p.raw("password")
	switch {
	case username == "" && password == "":
		return nil, nil
	case username == "" || password == "":
		return nil, fault.Errorf(fault.AuthenticationFailed, "username and password are both required where one is sent; or send a token as %s", byBearer)
	}
	return &sent{byParams, credentials{username: username, password: password}}, nil
}

// oneHeader is the header's value without space around it.
func oneHeader(req *http.Request, name string) (string, error) {
	values := req.Header.Values(name)
	if len(values) > 1 {
		return "", fault.Errorf(fault.InvalidRequest, "the header %s is there %d times; send it once", name, len(values))
	}
	return strings.TrimSpace(strings.Join(values, "")), nil
}

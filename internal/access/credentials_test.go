package access

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"trunkline/internal/fault"
)

func basic(userinfo string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(userinfo))
}

func TestCredentialsOf(t *testing.T) {
	t.Parallel()
	type headers map[string][]string
	type params map[string]string
	user, key := Credentials{Username: "admin", Password: " pw "}, Credentials{Key: "k"}
	for name, c := range map[string]struct {
		headers headers
		params  params
		want    Credentials
		code    string
		says    []string
	}{
		"Basic":                      {headers{"Authorization": {basic("admin: pw ")}}, nil, user, "", nil},
		"a form":                     {nil, params{"username": " admin ", "password": " pw "}, user, "", nil},
		"Bearer":                     {headers{"Authorization": {"Bearer k"}}, nil, key, "", nil},
		"bearer, and more space":     {headers{"Authorization": {" bearer   k  "}}, nil, key, "", nil},
		"X-API-Key":                  {headers{"X-Api-Key": {"  k "}}, nil, key, "", nil},
		"empty fields beside a key":  {headers{"X-Api-Key": {"k"}}, params{"username": "", "password": ""}, key, "", nil},
		"an empty header beside one": {headers{"X-Api-Key": {""}, "Authorization": {"Bearer k"}}, nil, key, "", nil},

		"none":                 {nil, nil, Credentials{}, fault.AuthenticationFailed, []string{"username and password", byBearer, byKey}},
		"an empty key":         {headers{"X-Api-Key": {"  "}}, nil, Credentials{}, fault.AuthenticationFailed, []string{byKey, "empty"}},
		"an empty Bearer":      {headers{"Authorization": {"Bearer "}}, nil, Credentials{}, fault.AuthenticationFailed, []string{byBearer, "empty"}},
		"Bearer alone":         {headers{"Authorization": {"Bearer"}}, nil, Credentials{}, fault.AuthenticationFailed, []string{byBearer, "empty"}},
		"an empty header":      {headers{"Authorization": {""}}, nil, Credentials{}, fault.AuthenticationFailed, []string{"username and password"}},
		"no password":          {nil, params{"username": "admin"}, Credentials{}, fault.AuthenticationFailed, []string{"both required"}},
		"no username":          {nil, params{"password": "pw"}, Credentials{}, fault.AuthenticationFailed, []string{"both required"}},
		"Basic of no password": {headers{"Authorization": {basic("admin:")}}, nil, Credentials{}, fault.AuthenticationFailed, []string{"empty"}},
		"Basic of no name":     {headers{"Authorization": {basic(":pw")}}, nil, Credentials{}, fault.AuthenticationFailed, []string{"empty"}},
		"Basic of no base64":   {headers{"Authorization": {"Basic !"}}, nil, Credentials{}, fault.AuthenticationFailed, []string{"base64"}},
		"Basic of bytes":       {headers{"Authorization": {basic("a\xff:pw")}}, nil, Credentials{}, fault.AuthenticationFailed, []string{"UTF-8"}},
		"another scheme":       {headers{"Authorization": {"Digest k"}}, nil, Credentials{}, fault.AuthenticationFailed, []string{"Basic", "Bearer"}},

		"Basic and a key": {headers{"Authorization": {basic("a:b")}, "X-Api-Key": {"k"}}, nil, Credentials{}, fault.InvalidRequest, []string{byBasic, byKey}},
		"two keys":        {headers{"Authorization": {"Bearer k"}, "X-Api-Key": {"k"}}, nil, Credentials{}, fault.InvalidRequest, []string{byBearer, byKey}},
		"Bearer and form": {headers{"Authorization": {"Bearer k"}}, params{"username": "a", "password": "b"}, Credentials{}, fault.InvalidRequest, []string{byBearer, byParams}},
		"Basic and form":  {headers{"Authorization": {basic("a:b")}}, params{"username": "a", "password": "b"}, Credentials{}, fault.InvalidRequest, []string{byBasic, byParams}},
		"one header twice": {headers{"Authorization": {"Bearer k", "Bearer l"}}, nil, Credentials{}, fault.InvalidRequest,
			[]string{"Authorization", "2 times"}},
		"the other twice": {headers{"X-Api-Key": {"k", "k"}}, nil, Credentials{}, fault.InvalidRequest, []string{byKey, "2 times"}},
	} {
		got, err := CredentialsOf(http.Header(c.headers), c.params["username"], c.params["password"])
		var refused *fault.Error
		if got != c.want || (c.code == "") != (err == nil) || err != nil && (!errors.As(err, &refused) || refused.Code != c.code) {
			t.Errorf("%s: got %+v, %v; want %+v, %s", name, got, err, c.want, c.code)
			continue
		}
		for _, words := range c.says {
			if !strings.Contains(err.Error(), words) {
				t.Errorf("%s: %q does not say %q", name, err, words)
			}
		}
	}
}

func FuzzCredentialsOf(f *testing.F) {
	for _, seed := range []string{"", "Bearer trunkline_x", basic("admin:pw"), "Basic", "bearer\tx", "Basic \xff", " ", "Digest a=b"} {
		f.Add(seed, "")
		f.Add("", seed)
	}
	f.Fuzz(func(t *testing.T, authorization, key string) {
		got, err := CredentialsOf(http.Header{"Authorization": {authorization}, "X-Api-Key": {key}}, "", "")
		if (err == nil) == (got == Credentials{}) {
			t.Errorf("got %+v and %v", got, err)
		}
		if err == nil && (got.Key != "") == (got.Username != "" || got.Password != "") {
			t.Errorf("neither one nor the other: %+v", got)
		}
		if err == nil && !utf8.ValidString(got.Username) {
			t.Errorf("a name that is no text: %q", got.Username)
		}
		if err != nil && len(strings.TrimSpace(key)) > 8 && strings.Contains(err.Error(), strings.TrimSpace(key)) && !strings.Contains(byBearer+byBasic+byKey, key) {
			t.Errorf("the error repeats the Key: %v", err)
		}
	})
}

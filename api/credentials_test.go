package api

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
	user, key := credentials{username: "admin", password: " pw "}, credentials{key: "k"}
	for name, c := range map[string]struct {
		headers headers
		params  params
		want    credentials
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

		"none":                 {nil, nil, credentials{}, fault.AuthenticationFailed, []string{"username and password", byBearer, byKey}},
		"an empty key":         {headers{"X-Api-Key": {"  "}}, nil, credentials{}, fault.AuthenticationFailed, []string{byKey, "empty"}},
		"an empty Bearer":      {headers{"Authorization": {"Bearer "}}, nil, credentials{}, fault.AuthenticationFailed, []string{byBearer, "empty"}},
		"Bearer alone":         {headers{"Authorization": {"Bearer"}}, nil, credentials{}, fault.AuthenticationFailed, []string{byBearer, "empty"}},
		"an empty header":      {headers{"Authorization": {""}}, nil, credentials{}, fault.AuthenticationFailed, []string{"username and password"}},
		"no password":          {nil, params{"username": "admin"}, credentials{}, fault.AuthenticationFailed, []string{"both required"}},
		"no username":          {nil, params{"password": "pw"}, credentials{}, fault.AuthenticationFailed, []string{"both required"}},
		"Basic of no password": {headers{"Authorization": {basic("admin:")}}, nil, credentials{}, fault.AuthenticationFailed, []string{"empty"}},
		"Basic of no name":     {headers{"Authorization": {basic(":pw")}}, nil, credentials{}, fault.AuthenticationFailed, []string{"empty"}},
		"Basic of no base64":   {headers{"Authorization": {"Basic !"}}, nil, credentials{}, fault.AuthenticationFailed, []string{"base64"}},
		"Basic of bytes":       {headers{"Authorization": {basic("a\xff:pw")}}, nil, credentials{}, fault.AuthenticationFailed, []string{"UTF-8"}},
		"another scheme":       {headers{"Authorization": {"Digest k"}}, nil, credentials{}, fault.AuthenticationFailed, []string{"Basic", "Bearer"}},

		"Basic and a key": {headers{"Authorization": {basic("a:b")}, "X-Api-Key": {"k"}}, nil, credentials{}, fault.InvalidRequest, []string{byBasic, byKey}},
		"two keys":        {headers{"Authorization": {"Bearer k"}, "X-Api-Key": {"k"}}, nil, credentials{}, fault.InvalidRequest, []string{byBearer, byKey}},
		"Bearer and form": {headers{"Authorization": {"Bearer k"}}, params{"username": "a", "password": "b"}, credentials{}, fault.InvalidRequest, []string{byBearer, byParams}},
		"Basic and form":  {headers{"Authorization": {basic("a:b")}}, params{"username": "a", "password": "b"}, credentials{}, fault.InvalidRequest, []string{byBasic, byParams}},
		"one header twice": {headers{"Authorization": {"Bearer k", "Bearer l"}}, nil, credentials{}, fault.InvalidRequest,
			[]string{"Authorization", "2 times"}},
		"the other twice": {headers{"X-Api-Key": {"k", "k"}}, nil, credentials{}, fault.InvalidRequest, []string{byKey, "2 times"}},
	} {
		got, err := credentialsOf(&http.Request{Header: http.Header(c.headers)}, c.params)
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
		got, err := credentialsOf(&http.Request{Header: http.Header{"Authorization": {authorization}, "X-Api-Key": {key}}}, nil)
		if (err == nil) == (got == credentials{}) {
			t.Errorf("got %+v and %v", got, err)
		}
		if err == nil && (got.key != "") == (got.username != "" || got.password != "") {
			t.Errorf("neither one nor the other: %+v", got)
		}
		if err == nil && !utf8.ValidString(got.username) {
			t.Errorf("a name that is no text: %q", got.username)
		}
		if err != nil && len(strings.TrimSpace(key)) > 8 && strings.Contains(err.Error(), strings.TrimSpace(key)) && !strings.Contains(byBearer+byBasic+byKey, key) {
			t.Errorf("the error repeats the key: %v", err)
		}
	})
}

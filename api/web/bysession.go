package web

import (
	"crypto/hmac"
	"encoding/base64"
	"errors"
	"net/http"

	"trunkline/internal/fault"
	"trunkline/internal/keyed"
	"trunkline/internal/token"
)

// ScriptHeader is the header by which a request to /v1 shows that a script of a page of the console makes it. A browser
// sends the session's cookie along whoever asks; of what this header has, no other site's page knows anything, and browsers
// let none of them send it.
const ScriptHeader = "X-CSRF-Token"

// ScriptToken is what scripts of the session's pages send in ScriptHeader.
func (r *Request) ScriptToken() string { return scriptToken(r.secret) }

// scriptToken is that of the session with the secret. It is another one than that of forms, which every page has.
func scriptToken(secret string) string {
	return base64.RawURLEncoding.EncodeToString(keyed.Key(secret).Hash("console script"))
}

// takesSession reports whether a session of the console is as good at the endpoint as credentials: at the documented
// paths, where a GET changes things, it is not.
func (e Endpoint) takesSession() bool {
	return (e.Entry == SignedIn || e.Entry == SignedInOrLink) && !IsDocumented(e.Path)
}

// bySession reports whether the request shows a session in place of credentials. Without the header it shows none, whatever
// cookies there are; with credentials of its own it means those.
func (r *Request) bySession(e Endpoint) bool {
	_, err := r.c.Request.Cookie(cookieName)
	return err == nil && e.takesSession() && r.Header(ScriptHeader) != "" && r.Header("Authorization") == "" && r.Header("X-API-Key") == ""
}

// enterBySession lets in whoever has a session, for what its holder may do now and from where they may come with it, by a
// script of one of its pages.
func (r *Request) enterBySession(e Endpoint) error {
	if r.addressErr != nil {
		return r.refused(r.addressErr)
	}
	err := r.fromOwnScript()
	if err == nil && token.Within(r.c.Request.URL.Path) {
		err = errTokenInPath
	}
	if err == nil {
		err = r.strangersBudget()
	}
	if err == nil {
		err = r.resume(r.Context(), r.front.Sessions.Find)
	}
	if errors.Is(err, errNoSession) {
		err = errSessionOver
	}
	if err == nil {
		err = r.readParams(e)
	}
	if err == nil && (r.Params.Get("username") != "" || r.Params.Raw("password") != "") {
		err = fault.Errorf(fault.InvalidRequest, "username and password are sent beside a session of the console; leave them out, or leave out the header %s", ScriptHeader)
	}
	if err == nil {
		err = r.noTokenAmong()
	}
	if err != nil {
		return r.refused(err)
	}
	return r.admitted(e)
}

var errSessionOver error = fault.Errorf(fault.AuthenticationFailed, "the session of the console is over; sign in there again, or send credentials")

// fromOwnScript refuses, of reads too, what no script of a page of the same session has sent.
func (r *Request) fromOwnScript() error {
	req := r.c.Request
	asked := *req
	asked.Method = http.MethodPost // the protection looks at no GET
	site, cookie := req.Header.Get("Sec-Fetch-Site"), ""
	if c, err := req.Cookie(cookieName); err == nil {
		cookie = c.Value
	}
	silent := site == "" && req.Header.Get("Origin") == ""
	if silent || site != "" && site != "same-origin" || r.front.ownPages.Check(&asked) != nil {
		return fault.Errorf(fault.CrossSite, "a session of the console serves for requests of the console's own pages alone, and this one does not come from there; send credentials")
	}
	if given := req.Header.Values(ScriptHeader); len(given) != 1 || !hmac.Equal([]byte(given[0]), []byte(scriptToken(cookie))) {
		return fault.Errorf(fault.CrossSite, "%s is not that of this session; open the page again", ScriptHeader)
	}
	return nil
}

package web

import (
	"context"
	"crypto/hmac"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"trunkline/api/params"
	"trunkline/internal/access"
	"trunkline/internal/fault"
	"trunkline/internal/keyed"
	"trunkline/internal/session"
	"trunkline/internal/tenant"
	"trunkline/internal/token"
)

const (
	// cookieName has browsers take the cookie from this very host alone, over https or on loopback, and send it to no
	// other.
	cookieName = "__Host-trunkline"
	// FormToken is the parameter by which a form shows that it is of a page of the same session.
	FormToken = "form_token"
)

// errNoSession is answered by the endpoint: it is nobody's mistake that a session is over.
var errNoSession error = fault.Errorf(fault.AuthenticationFailed, "you are not signed in, or not any more; sign in")

const (
	policyHeader = "Content-Security-Policy"
	policy       = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

// pageHeaders keep a page from loading or running anything but what comes from here, from being shown within another
// site's, and from being kept. A referrer is for our own pages: without any a form's request would not say whose it is.
var pageHeaders = map[string]string{
	policyHeader:                   policy,
	"X-Content-Type-Options":       "nosniff",
	"X-Frame-Options":              "DENY",
	"Referrer-Policy":              "same-origin",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Permissions-Policy":           "camera=(), geolocation=(), microphone=()",
	"Cache-Control":                "no-store",
}

func (r *Request) setPageHeaders() {
	for name, value := range pageHeaders {
		r.SetHeader(name, value)
	}
}

// ShowsOwnPictures has the page show pictures that stand in its style sheet (data:) too. Nothing is loaded for them.
func (r *Request) ShowsOwnPictures() {
	r.SetHeader(policyHeader, strings.Replace(policy, "img-src 'self'", "img-src 'self' data:", 1))
}

// enterDoor lets in to what is read before one has a session.
func (r *Request) enterDoor(e Endpoint) error {
	r.setPageHeaders()
	if err := r.chargeAddress(); err != nil {
		return err
	}
	if r.addressErr != nil {
		return r.addressErr
	}
	if err := r.fromOwnPage(e); err != nil {
		return err
	}
	return r.readParams(e)
}

// enterConsole lets in whoever has a session, for what its holder may do now.
func (r *Request) enterConsole(e Endpoint) error {
	r.setPageHeaders()
	if r.addressErr != nil {
		return r.refused(r.addressErr)
	}
	err := r.fromOwnPage(e)
	if err == nil {
		err = r.strangersBudget()
	}
	if err == nil {
		err = r.resume(r.Context(), r.front.Sessions.Find)
	}
	if err == nil {
		err = r.readParams(e)
	}
	if err == nil && !e.File { // of which File judges it, before it reads the file
		err = r.ownForm(e, r.Params)
	}
	if err == nil {
		err = NoTokenAmong(r.Params)
	}
	if err != nil {
		return r.refused(err)
	}
	e.Limit = LimitConsole
	return r.admitted(e)
}

// strangersBudget fails if the address is not on the console's list, from where somebody signed on may come too, and has used up
// what it may do without a session: else anybody could have the database look for any number of made-up ones.
func (r *Request) strangersBudget() error {
	if r.front.Console.Allows(r.Address) {
		return nil
	}
	return r.limited(r.front.Limiter.Peek(r.Context(), r.addressBudget()))
}

// fromOwnPage refuses a change for which another site's page may ask, or whoever does not say which page does.
func (r *Request) fromOwnPage(e Endpoint) error {
	req := r.c.Request
	if !e.changedBy(req.Method) {
		return nil
	}
	silent := req.Header.Get("Sec-Fetch-Site") == "" && req.Header.Get("Origin") == ""
	if silent || r.front.ownPages.Check(req) != nil {
		return fault.Errorf(fault.CrossSite, "this was not sent from a page of this console; open the console and do it there "+
			"(behind a proxy, TRUNKLINE_PUBLIC_URL must be the address that browsers show)")
	}
	return nil
}

// ownForm refuses a change whose form is not of a page of the same session, and takes what shows that out of the form's
// fields.
func (r *Request) ownForm(e Endpoint, fields params.Values) error {
	given := fields.Raw(FormToken)
	delete(fields, FormToken)
	if e.changedBy(r.c.Request.Method) && !hmac.Equal([]byte(given), []byte(r.FormToken())) {
		return fault.Errorf(fault.CrossSite, "this form is of another session; open its page again and send it from there")
	}
	return nil
}

// FormToken is what forms of the session's pages have as their parameter FormToken.
func (r *Request) FormToken() string {
	return base64.RawURLEncoding.EncodeToString(keyed.Key(r.secret).Hash("console form"))
}

// resume finds the session of the request's cookie and what its holder may do now, or answers errNoSession. A session
// ends here once its holder may do nothing any more, or has other credentials.
func (r *Request) resume(ctx context.Context, find func(context.Context, string) (session.Session, error)) error {
	cookie, err := r.c.Request.Cookie(cookieName)
	if err != nil {
		return errNoSession
	}
	found, err := find(ctx, cookie.Value)
	if errors.Is(err, session.ErrNone) {
		return errNoSession
	}
	if err != nil {
		return err
	}
	who, err := r.holderOf(ctx, found)
	if errors.Is(err, errNoSession) {
		if _, err := r.front.Sessions.End(ctx, found.ID, session.Unbounded); err != nil && !errors.Is(err, session.ErrNone) {
			return err
		}
	}
	if err == nil {
		err = r.boundTo(found)
	}
	if err != nil {
		return err
	}
	r.Session, r.secret, r.Caller = found, cookie.Value, who
	return nil
}

// holderOf is what the session's holder may do within it.
func (r *Request) holderOf(ctx context.Context, s session.Session) (access.Caller, error) {
	h, err := r.front.credentials.Holder(ctx, s.HolderID)
	switch {
	case err != nil:
		return access.Caller{}, err
	case !h.SignedIn() || !r.front.Sessions.Marked(s.MarkHash, h.Mark):
		return access.Caller{}, errNoSession
	case s.Way == session.BySignOn:
		return r.signedOn(ctx, h.Caller, s.DomainUUID)
	}
	return h.Caller, nil
}

// signedOn is the caller within the one domain of a sign-on, or errNoSession. Who can do what there, they do not decide.
func (r *Request) signedOn(ctx context.Context, who access.Caller, domainUUID string) (access.Caller, error) {
	if !who.Domains.HoldUUID(domainUUID) {
		return access.Caller{}, errNoSession
	}
	found, err := r.front.DB.Domains(ctx, []string{domainUUID})
	if err != nil {
		return access.Caller{}, err
	}
	if len(found) == 0 || !found[0].Enabled {
		return access.Caller{}, errNoSession
	}
	own := tenant.Domain{UUID: found[0].UUID, Name: found[0].Name}
	who.Domains, who.Home = tenant.Only(own), own
	who.Scopes = slices.DeleteFunc(slices.Clone(who.Scopes), func(s token.Scope) bool { return s == token.ScopeAdmin })
	return who, nil
}

// boundTo fails unless the session may be used from where the request comes: a sign-on's from where it was begun.
func (r *Request) boundTo(s session.Session) error {
	if s.Way != session.BySignOn {
		return r.AdmitToConsole()
	}
	if begun, ok := access.ParseAddress(s.Address); !ok || access.Network(begun) != access.Network(r.Address) {
		return fault.Errorf(fault.NotWhitelisted, "this session was begun at another address, to which it is bound; come again from where you were signed on")
	}
	return nil
}

// AdmitToConsole fails unless the caller's address is known and on the console's list.
func (r *Request) AdmitToConsole() error {
	if r.addressErr != nil {
		return r.addressErr
	}
	if !r.front.Console.Allows(r.Address) {
		return fault.Errorf(fault.NotWhitelisted, "The console is open to the addresses of its list alone. Yours is %s; have it added (TRUNKLINE_CONSOLE_WHITELIST, by default the whitelist).", r.Address)
	}
	return nil
}

// MaySignIn fails unless a password may be typed here: from an address of the console's list, where nobody reads along.
func (r *Request) MaySignIn() error {
	if err := r.AdmitToConsole(); err != nil {
		return err
	}
	return r.secure()
}

func (r *Request) secure() error {
	return r.front.locator.Secure(r.c.Request.RemoteAddr, r.c.Request.Header, r.c.Request.TLS != nil)
}

// SignIn begins a session of whoever has the credentials; the code is that of their second factor, if they typed one.
func (r *Request) SignIn(given access.Credentials, code string) error {
	if err := r.MaySignIn(); err != nil {
		return err
	}
	r.tried = token.Masked(given.Username)
	who, err := r.front.credentials.SignIn(r.Context(), r.front.stopping, r.Address, given, access.Code{Text: code, Spend: r.front.Sessions.SpendStep})
	if err != nil {
		if who.Name != "" { // a token that no longer serves
			r.tried = who.Name
		}
		return err
	}
	if who.IsToken {
		r.front.Tokens.Used(who.ID, r.Address)
	}
	h, err := r.front.credentials.HolderNow(r.Context(), who.ID)
	if err == nil && !h.SignedIn() {
		err = errNoSession // they were shut out just now
	}
	if err == nil {
		err = inUse(h, who)
	}
	if err != nil {
		return err
	}
	way, domain := session.ByPassword, ""
	if given.Key != "" {
		way = session.ByToken
	}
	if d := h.Domains; !d.All && len(d.List) == 1 {
		domain = d.List[0].UUID
	}
	return r.begin(h, way, domain)
}

// SignOn begins a session of whoever was given the code.
func (r *Request) SignOn(code string) error {
	if err := r.secure(); err != nil {
		return err
	}
	taken, err := r.front.Sessions.TakeSignOn(r.Context(), code)
	if errors.Is(err, session.ErrNone) {
		return fault.Errorf(fault.AuthenticationFailed, "this sign-on was used already, or is older than a minute; ask for another one where you came from")
	}
	if err != nil {
		return err
	}
	h, err := r.front.credentials.HolderNow(r.Context(), taken.HolderID)
	if err == nil && (!h.SignedIn() || !r.front.Sessions.Marked(taken.MarkHash, h.Mark)) {
		err = errNoSession
	}
	if err == nil {
		h.Caller, err = r.signedOn(r.Context(), h.Caller, taken.DomainUUID)
	}
	if err != nil {
		return err
	}
	return r.begin(h, session.BySignOn, taken.DomainUUID)
}

// NewSignOn makes a code by which somebody gets a session of the caller's within the domain, and says until when it is
// good. A session makes none: what is made would outlive it, and be bound to another address.
func (r *Request) NewSignOn(domainUUID string) (code string, until time.Time, err error) {
	if r.Session.ID != "" {
		return "", until, fault.Errorf(fault.Forbidden, "a session of the console makes no sign-ons, which would outlive it; send credentials")
	}
	h, err := r.front.credentials.HolderNow(r.Context(), r.Caller.ID)
	if err != nil {
		return "", until, err
	}
	// After the mark was read: what was replaced since has another one.
	who, err := r.front.credentials.AgainNow(r.Context(), r.given)
	if err == nil {
		err = inUse(h, who)
	}
	if err != nil {
		return "", until, err
	}
	return r.front.Sessions.NewSignOn(r.Context(), r.Caller.ID, h.Mark, r.Caller.Name, domainUUID)
}

// inUse refuses the secret of a token that was replaced: a session would go on when the secret's grace is over.
func inUse(h access.Holder, who access.Caller) error {
	if !h.Outlasts(who) {
		return nil
	}
	return fault.Errorf(fault.Forbidden, "this secret of the token was replaced, and is good for the API alone until %s; use the new one", Time(*who.Creator.Ends))
}

// begin makes a session, in place of one that the browser has.
func (r *Request) begin(h access.Holder, way session.Way, domainUUID string) error {
	if err := r.endOwn(); err != nil {
		return err
	}
	made, secret, err := r.front.Sessions.Create(r.Context(), session.New{
		HolderID: h.ID, Mark: h.Mark, Who: h.Name, Way: way, DomainUUID: domainUUID,
		Address: r.Address.String(), Agent: r.c.Request.UserAgent(),
	})
	if err != nil {
		return err
	}
	r.Caller, r.Session, r.secret = h.Caller, made, secret
	r.setCookie(secret, 0)
	r.Changed("console.sign-in", "by "+string(way), domainUUID)
	return nil
}

// SignedInAs is who is signed in already in the browser that asks, "" if nobody is.
func (r *Request) SignedInAs() (string, error) {
	cookie, err := r.c.Request.Cookie(cookieName)
	if err != nil {
		return "", nil
	}
	found, err := r.front.Sessions.Look(r.Context(), cookie.Value)
	if errors.Is(err, session.ErrNone) {
		return "", nil
	}
	return found.Who, err
}

// SignOut ends the session.
func (r *Request) SignOut() error {
	if err := r.endOwn(); err != nil {
		return err
	}
	r.setCookie("", -1)
	r.Changed("console.sign-out", r.Session.ID, r.Session.DomainUUID)
	return nil
}

// endOwn ends the session of the request's cookie, if there is one.
func (r *Request) endOwn() error {
	cookie, err := r.c.Request.Cookie(cookieName)
	if err != nil {
		return nil
	}
	found, err := r.front.Sessions.Find(r.Context(), cookie.Value)
	if err == nil {
		_, err = r.front.Sessions.End(r.Context(), found.ID, session.Unbounded)
	}
	if errors.Is(err, session.ErrNone) {
		return nil
	}
	return err
}

func (r *Request) setCookie(value string, maxAge int) {
	http.SetCookie(r.c.Writer, &http.Cookie{
		Name: cookieName, Value: value, Path: "/", MaxAge: maxAge, Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
}

// SessionBounds are whose sessions the caller sees and may end: those of the same holder and, with the scope admin, those
// of the caller's domains.
func (r *Request) SessionBounds() session.Bounds {
	b := session.Bounds{HolderID: r.Session.HolderID, DomainUUID: r.Session.DomainUUID, SignOn: r.Session.Way == session.BySignOn}
	if r.Session.ID == "" { // by credentials, without a session of its own
		b.HolderID = r.Caller.ID
		if d := r.Caller.Domains; !d.All && len(d.List) == 1 {
			b.DomainUUID = d.List[0].UUID
		}
	}
	if r.Caller.May(token.ScopeAdmin) {
		b.Domains = r.Caller.Domains
	}
	return b
}

// Sessions are those within SessionBounds.
func (r *Request) Sessions() ([]session.Session, error) {
	return r.front.Sessions.List(r.Context(), r.SessionBounds())
}

// EndSession ends one of those.
func (r *Request) EndSession(id string) error {
	ended, err := r.front.Sessions.End(r.Context(), id, r.SessionBounds())
	if errors.Is(err, session.ErrNone) {
		return fault.Errorf(fault.NotFound, "there is no such session, or not any more")
	}
	if err != nil {
		return err
	}
	r.Changed("console.session.end", ended.ID+" of "+ended.Who, ended.DomainUUID)
	return nil
}

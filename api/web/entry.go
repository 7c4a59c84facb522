package web

import (
	"cmp"
	"net/http"
	"slices"

	"trunkline/api/params"
	"trunkline/internal/access"
	"trunkline/internal/fault"
	"trunkline/internal/token"
)

// enter fails unless the caller may come to the endpoint.
func (r *Request) enter(e Endpoint) error {
	switch e.Entry {
	case Everybody:
		return r.enterOpen()
	case ConsoleDoor:
		return r.enterDoor(e)
	case Console:
		return r.enterConsole(e)
	}
	if r.bySession(e) {
		return r.enterBySession(e)
	}
	if err := r.Admit(); err != nil {
		return r.refused(err)
	}
	if token.Within(r.c.Request.URL.Path) {
		return r.refused(errTokenInPath)
	}
	if e.Entry == Whitelisted || e.Entry == SignedInOrLink && r.HasLink() {
		return r.chargeAddress()
	}
	err := r.fromElsewhere(e)
	if err == nil {
		err = r.signIn(e)
	}
	if err != nil {
		return r.refused(err)
	}
	return r.admitted(e)
}

// admitted counts the request of a caller who is known, and fails unless they may do what the endpoint does.
func (r *Request) admitted(e Endpoint) error {
	if err := r.charge(cmp.Or(e.Limit, LimitRequests)); err != nil {
		return err
	}
	for _, scope := range []token.Scope{e.Scope, e.Also} {
		if scope == "" {
			continue
		}
		if err := r.Need(scope); err != nil {
			return err
		}
	}
	return r.reaches(e)
}

// reaches fails if the request names a domain that is not the caller's, before anything else that is wrong with it is
// told.
func (r *Request) reaches(e Endpoint) error {
	if r.Caller.Domains.All || !e.takes("tenant_domain") {
		return nil
	}
	_, _, err := r.Tenant()
	return err
}

// AccessDenied is the documented message for an address that is not on the whitelist. Behind it stands the
// address, which the caller may not know: it is what has to be put on the list.
const AccessDenied = "API Access Denied: Only whitelisted IPs may access this endpoint."

var errTokenInPath error = fault.Errorf(fault.CredentialsInQuery, "an API token is in the path, which logs keep; send it as Authorization: Bearer, and rotate this one: others may have seen it")

// enterOpen counts a request that nobody need sign in for. This host's own health checks are not counted.
func (r *Request) enterOpen() error {
	if r.FromThisHost() {
		r.showAddress()
		return nil
	}
	return r.chargeAddress()
}

// refused counts a request that was not let in against its address, beyond which it hears nothing else.
// What was no fault of the caller's is not counted: it would then be told that it was.
func (r *Request) refused(err error) error {
	f := FaultOf(err, r.ID)
	if StatusOf(f.Code) >= http.StatusInternalServerError {
		r.showAddress()
		return err
	}
	if limited := r.chargeAddress(); limited != nil && f.Code != fault.RateLimited {
		return limited
	}
	return err
}

// Need fails unless the caller has one of the scopes.
func (r *Request) Need(scopes ...token.Scope) error {
	if r.Caller.May(scopes...) {
		return nil
	}
	return fault.Errorf(fault.Forbidden, "these credentials lack the scope %s; use a token that has it", scopes[0])
}

// Admit fails unless the caller's address is known and on the whitelist.
func (r *Request) Admit() error {
	if r.addressErr != nil {
		return r.addressErr
	}
	if !r.front.Whitelist.Allows(r.Address) {
		return fault.Errorf(fault.NotWhitelisted, "%s Your address is %s.", AccessDenied, r.Address)
	}
	return nil
}

// signIn reads the parameters and checks the credentials among them.
func (r *Request) signIn(e Endpoint) error {
	err := r.readParams(e)
	if err == nil {
		err = r.noTokenAmong()
	}
	if err != nil {
		return err
	}
	given, err := access.CredentialsOf(r.c.Request.Header, r.Params.Get("username"), r.Params.Raw("password"))
	if e.File && fault.Is(err, fault.AuthenticationFailed) && r.Header("Authorization") == "" && r.Header("X-API-Key") == "" {
		err = errNotInFile
	}
	if err != nil {
		return err
	}
	r.tried = token.Masked(given.Username)
	who, err := r.front.credentials.Authenticate(r.Context(), r.front.stopping, r.Address, given)
	if err != nil {
		if who.Name != "" { // a token that no longer serves
			r.tried = who.Name
		}
		return err
	}
	r.Caller, r.given = who, given
	if who.IsToken {
		r.front.Tokens.Used(who.ID, r.Address)
	}
	return nil
}

// errNotInFile tells whoever put credentials into a form with a file, which is not read before they are known.
var errNotInFile error = fault.Errorf(fault.AuthenticationFailed, "send username and password in a header, by HTTP Basic (curl -u), or a token as Authorization: Bearer or X-API-Key; they are not looked for beside a file")

// noTokenAmong fails if a token stands in what is kept and shown: a name, a note, a key of the caller's own.
func (r *Request) noTokenAmong() error {
	if token.Within(r.Header("Idempotency-Key")) {
		return fault.Invalid("Idempotency-Key", noTokenRemedy)
	}
	return NoTokenAmong(r.Params)
}

const noTokenRemedy = "holds an API token, which would be kept and shown; send it as Authorization: Bearer, and rotate it if others may have seen it"

// NoTokenAmong fails if a token stands in one of the values that are kept and shown.
func NoTokenAmong(given params.Values) error {
	for name, value := range given {
		if !params.IsSecret(name) && token.Within(value) {
			return fault.Invalid(name, noTokenRemedy)
		}
	}
	return nil
}

// maxIgnored bounds how many parameters that mean nothing are named.
const maxIgnored = 20

// readParams leaves out what the endpoint does not take, so that no handler reads what is not described.
func (r *Request) readParams(e Endpoint) error {
	var given params.Values
	var err error
	if e.File {
		given, err = params.ReadQuery(r.c.Request, r.limits())
	} else {
		given, err = params.Read(r.c.Writer, r.c.Request, r.limits())
	}
	if wrong := r.keep(e, given); err == nil {
		err = wrong
	}
	return err
}

// limits bound the parameters of a request.
func (r *Request) limits() params.Limits {
	s := r.front.Settings
	limits := params.Limits{BodyBytes: int64(s.MaxBodyBytes), Count: s.MaxParams, ValueBytes: int(s.MaxParamBytes), Lists: map[string]params.List{}, Lines: map[string]bool{}}
	for _, p := range r.of.Params {
		switch p.Kind {
		case KindUUIDs:
			limits.Lists[p.Name] = params.List{Entries: s.BulkRows, Setting: "TRUNKLINE_BULK_ROWS"}
			if p.Most > 0 {
				limits.Lists[p.Name] = params.List{Entries: p.Most}
			}
		case KindLines:
			limits.Lines[p.Name] = true
		}
	}
	return limits
}

// keep takes over the parameters that the endpoint takes, and refuses or names the others.
func (r *Request) keep(e Endpoint, given params.Values) error {
	var ignored, refused []string
	for name := range given {
		switch {
		case e.takes(name):
			continue
		case e.refuses(name):
			refused = append(refused, fault.Clip(name))
		default:
			ignored = append(ignored, fault.Clip(name))
		}
		delete(given, name)
	}
	r.Params, r.Ignoring.Ignored = given, atMost(ignored)
	if len(refused) > 0 {
		return e.unknown(atMost(refused))
	}
	return nil
}

func atMost(names []string) []string {
	slices.Sort(names)
	return names[:min(len(names), maxIgnored)]
}

// FromThisHost reports whether the caller is on this host.
func (r *Request) FromThisHost() bool { return r.addressErr == nil && r.Address.IsLoopback() }

// HasLink reports whether the request comes by a download's link, which stands in for credentials.
func (r *Request) HasLink() bool {
	_, signed := r.c.GetQuery("signature")
	return signed
}

// Denied notes that the request, or a part of it, was denied with the code, by an endpoint that words the answer itself.
func (r *Request) Denied(code fault.Code) { r.denial = code }

package api

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"trunkline/internal/fault"
	"trunkline/internal/token"
)

// tokenPage is one page of the list, newest first.
type tokenPage struct {
	Tokens []token.View `json:"tokens"`
	Next   string       `json:"next,omitempty"` // the after of the next page; absent on the last one
}

func (s *Server) tokenEndpoints() []endpoint {
	expiry := []parameter{
		{name: "expires_in", about: "Such as 90d or 24h."},
		{name: "expires_at", about: "RFC 3339, or a date: the end of that day, UTC."},
	}
	return []endpoint{
		{
			id: "listTokens", summary: "List tokens, newest first", methods: []string{"GET"}, path: "/v1/tokens",
			entry: signedIn, scopes: toAdmin, answer: s.listTokens,
			params:  append([]parameter{{name: "revoked", about: "true: revoked ones too.", kind: kindFlag}}, pageParams...),
			replies: []reply{{status: 200, about: "A page.", body: tokenPage{}}},
		},
		{
			id: "createToken", summary: "Make a token", methods: []string{"POST"}, path: "/v1/tokens",
			entry: signedIn, scopes: toAdmin, answer: s.createToken,
			params: slices.Concat([]parameter{
				{name: "name", about: "Unique among tokens that were not revoked.", required: true, most: token.MaxName},
				{name: "scopes", about: "read, provision, export, admin, separated by commas.", required: true},
				{name: "domains", about: "Names, separated by commas."},
				{name: "all_domains", about: "true for all domains.", kind: kindFlag},
				{name: "home_domain", about: "The domain of a request that names none."},
			}, expiry),
			replies: []reply{{status: 201, about: "The token, with its secret.", body: token.Issued{}, location: true}},
			faults:  []fault.Code{fault.MissingParameters, fault.NotFound, fault.Conflict},
		},
		{
			id: "getToken", summary: "Show a token", methods: []string{"GET"}, path: "/v1/tokens/:id",
			entry: signedIn, scopes: toAdmin, answer: s.getToken,
			replies: []reply{{status: 200, about: "The token, without its secret.", body: token.View{}}},
			faults:  []fault.Code{fault.NotFound},
		},
		{
			id: "rotateToken", summary: "Give a token a new secret", methods: []string{"POST"}, path: "/v1/tokens/:id/rotate",
			entry: signedIn, scopes: toAdmin, answer: s.rotateToken,
			params:  append([]parameter{{name: "grace", about: "For how long the old secret stays valid, such as 24h."}}, expiry...),
			replies: []reply{{status: 200, about: "The token, with its new secret.", body: token.Issued{}}},
			faults:  []fault.Code{fault.NotFound, fault.Conflict},
		},
		{
			id: "revokeToken", summary: "Revoke a token", methods: []string{"DELETE"}, path: "/v1/tokens/:id",
			entry: signedIn, scopes: toAdmin, answer: s.revokeToken,
			replies: []reply{{status: 200, about: "The token, revoked; also where it was before.", body: token.View{}}},
			faults:  []fault.Code{fault.NotFound},
		},
	}
}

// listTokens lists the tokens that the caller may see, newest first, in pages by key; those that were
// revoked with revoked=true.
func (s *Server) listTokens(r *request) error {
	f := token.Filter{Bounds: r.caller.Tokens()}
	var err error
	if f.After, err = r.after(); err != nil {
		return err
	}
	if f.Limit, err = r.limit(); err != nil {
		return err
	}
	if f.Revoked, err = r.flag("revoked"); err != nil {
		return err
	}
	tokens, next, err := s.tokens.List(r.context(), f)
	if err != nil {
		return err
	}
	views, err := r.tokenViews(tokens...)
	if err != nil {
		return err
	}
	r.answer(http.StatusOK, tokenPage{views, next})
	return nil
}

// getToken shows one token.
func (s *Server) getToken(r *request) error {
	t, err := s.tokens.Get(r.context(), r.c.Param("id"), r.caller.Tokens())
	if err != nil {
		return tokenFailure(err)
	}
	return r.answerToken(t)
}

// createToken makes a token and shows its secret, this once.
func (s *Server) createToken(r *request) error {
	n, err := r.newToken()
	if err != nil {
		return err
	}
	t, secret, err := s.tokens.Create(r.context(), n)
	if err != nil {
		return tokenFailure(err)
	}
	r.changed("token.create", tokenSubject(t))
	r.c.Header("Location", "/v1/tokens/"+t.ID)
	return r.answerIssued(http.StatusCreated, t, secret)
}

// rotateToken gives the token a new secret and shows it, this once. The old one stays valid for the
// grace.
func (s *Server) rotateToken(r *request) error {
	grace := s.settings.TokenGrace
	if text := r.params.get("grace"); text != "" {
		var err error
		if grace, err = token.ParseLifetime("grace", text); err != nil {
			return tokenFailure(err)
		}
	}
	expires, err := r.expiry()
	if err != nil {
		return err
	}
	t, secret, err := s.tokens.Rotate(r.context(), r.c.Param("id"), r.caller.Tokens(), grace, expires)
	switch {
	case errors.Is(err, token.ErrExpired):
		return fault.Errorf(fault.Conflict, "this token has expired; send expires_in or expires_at to rotate it with a new expiry")
	case errors.Is(err, token.ErrRevoked):
		return fault.Errorf(fault.Conflict, "%v", err)
	case err != nil:
		return tokenFailure(err)
	}
	r.changed("token.rotate", tokenSubject(t))
	return r.answerIssued(http.StatusOK, t, secret)
}

// revokeToken ends a token. One that was revoked already is as good.
func (s *Server) revokeToken(r *request) error {
	t, now, err := s.tokens.Revoke(r.context(), r.c.Param("id"), r.caller.Tokens())
	if err != nil {
		return tokenFailure(err)
	}
	if now {
		r.changed("token.revoke", tokenSubject(t))
	}
	return r.answerToken(t)
}

// tokenSubject names a token in the record of changes: its name can be another's later.
func tokenSubject(t token.Token) string { return t.ID + " " + t.Name }

// tokenFailure words what the store says.
func tokenFailure(err error) error {
	var invalid *token.InvalidError
	switch {
	case errors.As(err, &invalid):
		return fault.Errorf(fault.InvalidRequest, "%v", invalid)
	case errors.Is(err, token.ErrNameTaken):
		return fault.Errorf(fault.Conflict, "%v", err)
	case errors.Is(err, token.ErrNotFound):
		return fault.Errorf(fault.NotFound, "%v", err)
	}
	return err
}

// tokenViews shows tokens with the names of their domains.
func (r *request) tokenViews(tokens ...token.Token) ([]token.View, error) {
	names, err := r.s.db.DomainNames(r.context(), token.DomainsOf(tokens...))
	if err != nil {
		return nil, err
	}
	views := make([]token.View, len(tokens))
	for i, t := range tokens {
		views[i] = t.View(names, time.Now())
	}
	return views, nil
}

func (r *request) answerToken(t token.Token) error {
	views, err := r.tokenViews(t)
	if err != nil {
		return err
	}
	r.answer(http.StatusOK, views[0])
	return nil
}

func (r *request) answerIssued(status int, t token.Token, secret string) error {
	views, err := r.tokenViews(t)
	if err != nil {
		return err
	}
	r.answer(status, token.Issued{View: views[0], Token: secret})
	return nil
}

package admin

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/token"
)

// tokenPage is one page of the list, newest first.
type tokenPage struct {
	Tokens []token.View `json:"tokens"`
	Next   string       `json:"next,omitempty"` // the after of the next page; absent on the last one
}

func (s *Service) tokenEndpoints() []web.Endpoint {
	expiry := []web.Param{
		{Name: "expires_in", About: "Such as 90d or 24h."},
		{Name: "expires_at", About: "RFC 3339, or a date: the end of that day, UTC."},
	}
	return []web.Endpoint{
		{
			ID: "listTokens", Summary: "List tokens, newest first", Methods: []string{"GET"}, Path: "/v1/tokens",
			Entry: web.SignedIn, Scopes: web.ToAdmin, Answer: s.listTokens,
			Params:  append([]web.Param{{Name: "revoked", About: "true: revoked ones too.", Kind: web.KindFlag}}, web.PageParams...),
			Replies: []web.Reply{{Status: 200, About: "A page.", Body: tokenPage{}}},
		},
		{
			ID: "createToken", Summary: "Make a token", Methods: []string{"POST"}, Path: "/v1/tokens",
			Entry: web.SignedIn, Scopes: web.ToAdmin, Answer: s.createToken,
			Params: slices.Concat([]web.Param{
				{Name: "name", About: "Unique among tokens that were not revoked.", Required: true, Most: token.MaxName},
				{Name: "scopes", About: "read, provision, export, admin, separated by commas.", Required: true},
				{Name: "domains", About: "Names, separated by commas."},
				{Name: "all_domains", About: "true for all domains.", Kind: web.KindFlag},
				{Name: "home_domain", About: "The domain of a request that names none."},
			}, expiry),
			Replies: []web.Reply{{Status: 201, About: "The token, with its secret.", Body: token.Issued{}, Location: true}},
			Faults:  []fault.Code{fault.MissingParameters, fault.NotFound, fault.Conflict},
		},
		{
			ID: "getToken", Summary: "Show a token", Methods: []string{"GET"}, Path: "/v1/tokens/:id",
			Entry: web.SignedIn, Scopes: web.ToAdmin, Answer: s.getToken,
			Replies: []web.Reply{{Status: 200, About: "The token, without its secret.", Body: token.View{}}},
			Faults:  []fault.Code{fault.NotFound},
		},
		{
			ID: "rotateToken", Summary: "Give a token a new secret", Methods: []string{"POST"}, Path: "/v1/tokens/:id/rotate",
			Entry: web.SignedIn, Scopes: web.ToAdmin, Answer: s.rotateToken,
			Params:  append([]web.Param{{Name: "grace", About: "For how long the old secret stays valid, such as 24h."}}, expiry...),
			Replies: []web.Reply{{Status: 200, About: "The token, with its new secret.", Body: token.Issued{}}},
			Faults:  []fault.Code{fault.NotFound, fault.Conflict},
		},
		{
			ID: "revokeToken", Summary: "Revoke a token", Methods: []string{"DELETE"}, Path: "/v1/tokens/:id",
			Entry: web.SignedIn, Scopes: web.ToAdmin, Answer: s.revokeToken,
			Replies: []web.Reply{{Status: 200, About: "The token, revoked; also if it was before.", Body: token.View{}}},
			Faults:  []fault.Code{fault.NotFound},
		},
	}
}

// listTokens lists the tokens that the caller may see, newest first, in pages by key; those that were
// revoked with revoked=true.
func (s *Service) listTokens(r *web.Request) error {
	f := token.Filter{Bounds: r.Caller.Tokens()}
	var err error
	if f.After, f.Limit, err = r.Params.Page(); err != nil {
		return err
	}
	if f.Revoked, err = r.Params.Flag("revoked"); err != nil {
		return err
	}
	tokens, next, err := s.tokens.List(r.Context(), f)
	if err != nil {
		return err
	}
	views, err := s.tokenViews(r, tokens...)
	if err != nil {
		return err
	}
	r.Answer(http.StatusOK, tokenPage{views, next})
	return nil
}

// getToken shows one token.
func (s *Service) getToken(r *web.Request) error {
	t, err := s.tokens.Get(r.Context(), r.Path("id"), r.Caller.Tokens())
	if err != nil {
		return err
	}
	return s.answerToken(r, t)
}

// createToken makes a token and shows its secret, this once.
func (s *Service) createToken(r *web.Request) error {
	n, err := s.newToken(r)
	if err != nil {
		return err
	}
	t, secret, err := s.tokens.Create(r.Context(), n)
	if err != nil {
		return err
	}
	r.Changed("token.create", tokenSubject(t), "")
	r.SetHeader("Location", "/v1/tokens/"+t.ID)
	return s.answerIssued(r, http.StatusCreated, t, secret)
}

// rotateToken gives the token a new secret and shows it, this once. The old one stays valid for the
// grace.
func (s *Service) rotateToken(r *web.Request) error {
	grace := s.settings.TokenGrace
	if text := r.Params.Get("grace"); text != "" {
		var err error
		if grace, err = token.ParseLifetime("grace", text); err != nil {
			return err
		}
	}
	expires, err := expiry(r)
	if err != nil {
		return err
	}
	t, secret, err := s.tokens.Rotate(r.Context(), r.Path("id"), r.Caller.Tokens(), grace, expires)
	switch {
	case errors.Is(err, token.ErrExpired):
		return fault.Errorf(fault.Conflict, "this token has expired; send expires_in or expires_at to rotate it with a new expiry")
	case errors.Is(err, token.ErrRevoked):
		return fault.Errorf(fault.Conflict, "%v", err)
	case err != nil:
		return err
	}
	r.Changed("token.rotate", tokenSubject(t), "")
	return s.answerIssued(r, http.StatusOK, t, secret)
}

// revokeToken ends a token. One that was revoked already is as good.
func (s *Service) revokeToken(r *web.Request) error {
	t, now, err := s.tokens.Revoke(r.Context(), r.Path("id"), r.Caller.Tokens())
	if err != nil {
		return err
	}
	if now {
		r.Changed("token.revoke", tokenSubject(t), "")
	}
	return s.answerToken(r, t)
}

// tokenSubject names a token in the record of changes: its name can be another's later.
func tokenSubject(t token.Token) string { return t.ID + " " + t.Name }

// tokenViews shows tokens with the names of their domains.
func (s *Service) tokenViews(r *web.Request, tokens ...token.Token) ([]token.View, error) {
	names, err := s.db.DomainNames(r.Context(), token.DomainsOf(tokens...))
	if err != nil {
		return nil, err
	}
	views := make([]token.View, len(tokens))
	for i, t := range tokens {
		views[i] = t.View(names, time.Now())
	}
	return views, nil
}

func (s *Service) answerToken(r *web.Request, t token.Token) error {
	views, err := s.tokenViews(r, t)
	if err != nil {
		return err
	}
	r.Answer(http.StatusOK, views[0])
	return nil
}

func (s *Service) answerIssued(r *web.Request, status int, t token.Token, secret string) error {
	views, err := s.tokenViews(r, t)
	if err != nil {
		return err
	}
	r.Answer(status, token.Issued{View: views[0], Token: secret})
	return nil
}

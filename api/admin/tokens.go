package admin

import (
	"errors"
	"net/http"
	"slices"

	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/token"
)

// TokenPage is one page of the list, newest first.
type TokenPage struct {
	Tokens []token.View `json:"tokens"`
	Next   string       `json:"next,omitempty"` // the after of the next page; absent on the last one
}

func (s *Service) tokenEndpoints() []web.Endpoint {
	expiry := []web.Param{
		{Name: "expires_in", About: "Such as 90d or 24h. What a token makes or rotates ends no later than it does itself."},
		{Name: "expires_at", About: "RFC 3339, or a date: the end of that day, UTC."},
	}
	return []web.Endpoint{
		{
			ID: "listTokens", Summary: "List tokens, newest first", Methods: []string{"GET"}, Path: "/v1/tokens",
			Entry: web.SignedIn, Scope: token.ScopeAdmin, Answer: web.JSON(http.StatusOK, s.Tokens),
			Params:  append([]web.Param{{Name: "revoked", About: "true: revoked ones too.", Kind: web.KindFlag}}, web.PageParams...),
			Replies: []web.Reply{{Status: 200, About: "A page.", Body: TokenPage{}}},
		},
		{
			ID: "createToken", Summary: "Make a token", Methods: []string{"POST"}, Path: "/v1/tokens",
			Entry: web.SignedIn, Scope: token.ScopeAdmin, Answer: s.createToken,
			Params: slices.Concat([]web.Param{
				{Name: "name", About: "Unique among the owner's tokens that were not revoked; a token's owner is that of the one that made it.", Required: true, Most: token.MaxName},
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
			Entry: web.SignedIn, Scope: token.ScopeAdmin, Answer: web.JSON(http.StatusOK, s.Token),
			Replies: []web.Reply{{Status: 200, About: "The token, without its secret.", Body: token.View{}}},
			Faults:  []fault.Code{fault.NotFound},
		},
		{
			ID: "rotateToken", Summary: "Give a token a new secret", Methods: []string{"POST"}, Path: "/v1/tokens/:id/rotate",
			Entry: web.SignedIn, Scope: token.ScopeAdmin, Answer: web.JSON(http.StatusOK, s.RotateToken),
			Params:  append([]web.Param{{Name: "grace", About: "For how long the old secret stays valid, such as 24h."}}, expiry...),
			Replies: []web.Reply{{Status: 200, About: "The token, with its new secret.", Body: token.Issued{}}},
			Faults:  []fault.Code{fault.NotFound, fault.Conflict},
		},
		{
			ID: "revokeToken", Summary: "Revoke a token", Methods: []string{"DELETE"}, Path: "/v1/tokens/:id",
			Entry: web.SignedIn, Scope: token.ScopeAdmin, Answer: web.JSON(http.StatusOK, s.RevokeToken),
			Params:  []web.Param{{Name: "keep_descendants", About: "true: what the token made or has rotated, and what that made, stays.", Kind: web.KindFlag}},
			Replies: []web.Reply{{Status: 200, About: "The token, revoked; also if it was before.", Body: RevokedToken{}}},
			Faults:  []fault.Code{fault.NotFound},
		},
	}
}

// Tokens lists the tokens that the caller may see, newest first, in pages by key; those that were revoked
// with revoked=true.
func (s *Service) Tokens(r *web.Request) (page TokenPage, err error) {
	f := token.Filter{Bounds: r.Caller.Tokens()}
	if f.After, f.Limit, err = r.Params.Page(); err != nil {
		return page, err
	}
	if f.Revoked, err = r.Params.Flag("revoked"); err != nil {
		return page, err
	}
	tokens, next, err := s.tokens.List(r.Context(), f)
	if err != nil {
		return page, err
	}
	views, err := token.Views(r.Context(), s.db.DomainNames, tokens...)
	return TokenPage{views, next}, err
}

// Token shows the path's token.
func (s *Service) Token(r *web.Request) (token.View, error) {
	t, err := s.tokens.Get(r.Context(), r.Path("id"), r.Caller.Tokens())
	if err != nil {
		return token.View{}, err
	}
	return s.view(r, t)
}

// createToken makes a token and says where it is.
func (s *Service) createToken(r *web.Request) error {
	made, err := s.CreateToken(r)
	if err == nil {
		r.SetHeader("Location", "/v1/tokens/"+made.ID)
		r.Answer(http.StatusCreated, made)
	}
	return err
}

// CreateToken makes a token and shows its secret, this once.
func (s *Service) CreateToken(r *web.Request) (token.Issued, error) {
	n, err := s.newToken(r)
	if err != nil {
		return token.Issued{}, err
	}
	t, secret, err := s.tokens.Create(r.Context(), n)
	if err != nil {
		return token.Issued{}, err
	}
	r.Changed("token.create", tokenSubject(t), "")
	view, err := s.view(r, t)
	return token.Issued{View: view, Secret: secret}, err
}

// RotateToken gives the path's token a new secret and shows it, this once. The old one stays valid for
// the grace.
func (s *Service) RotateToken(r *web.Request) (token.Issued, error) {
	grace := s.settings.TokenGrace
	if text := r.Params.Get("grace"); text != "" {
		var err error
		if grace, err = token.ParseLifetime("grace", text); err != nil {
			return token.Issued{}, err
		}
	}
	expires, err := expiry(r)
	if err != nil {
		return token.Issued{}, err
	}
	t, secret, err := s.tokens.Rotate(r.Context(), r.Path("id"), r.Caller.Tokens(), grace, expires)
	switch {
	case errors.Is(err, token.ErrExpired):
		err = fault.Errorf(fault.Conflict, "this token has expired; send expires_in or expires_at to rotate it with a new expiry")
	case errors.Is(err, token.ErrRevoked):
		err = fault.Errorf(fault.Conflict, "%v", err)
	}
	if err != nil {
		return token.Issued{}, err
	}
	r.Changed("token.rotate", tokenSubject(t), "")
	view, err := s.view(r, t)
	return token.Issued{View: view, Secret: secret}, err
}

// RevokedToken is the answer of a revocation.
type RevokedToken struct {
	token.View
	AlsoRevoked []string `json:"also_revoked" format:"uuid"` // the ids of its descendants that were revoked with it
}

// RevokeToken ends the path's token and its descendants. One that was revoked already is as good.
func (s *Service) RevokeToken(r *web.Request) (answer RevokedToken, err error) {
	keep, err := r.Params.Flag("keep_descendants")
	if err != nil {
		return answer, err
	}
	revoked, err := s.tokens.Revoke(r.Context(), r.Path("id"), r.Caller.Tokens(), keep)
	if err != nil {
		return answer, err
	}
	if revoked.Now {
		r.Changed("token.revoke", tokenSubject(revoked.Token), "")
	}
	answer.AlsoRevoked = []string{}
	for _, t := range revoked.Descendants {
		r.Changed("token.revoke", tokenSubject(t), "")
		answer.AlsoRevoked = append(answer.AlsoRevoked, t.ID)
	}
	answer.View, err = s.view(r, revoked.Token)
	return answer, err
}

// tokenSubject names a token in the record of changes: its name can be another's later.
func tokenSubject(t token.Token) string { return t.ID + " " + t.Name }

// view shows a token with the names of its domains.
func (s *Service) view(r *web.Request, t token.Token) (token.View, error) {
	views, err := token.Views(r.Context(), s.db.DomainNames, t)
	if err != nil {
		return token.View{}, err
	}
	return views[0], nil
}

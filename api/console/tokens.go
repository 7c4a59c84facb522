package console

import (
	"net/http"
	"strings"

	"trunkline/api/params"
	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/token"
)

var tokensPage = page{
	path: "/tokens", title: "Tokens", template: "tokens", scope: token.ScopeAdmin, show: (*Service).tokens,
	params: append([]web.Param{{Name: "revoked", Kind: web.KindFlag}}, web.PageParams...),
	actions: []action{{
		path: "/tokens/create", scope: token.ScopeAdmin, answer: (*Service).createToken, again: (*Service).tokensAgain,
		params: append(scopeParams(), web.Param{Name: "name", Most: token.MaxName}, web.Param{Name: "domains"}, web.Param{Name: "all_domains", Kind: web.KindFlag},
			web.Param{Name: "home_domain"}, web.Param{Name: "expires_in"}),
	}},
}

var tokenPage = page{
	path: "/tokens/:id", title: "Token", unlisted: true, template: "token-one", scope: token.ScopeAdmin, show: (*Service).token,
	actions: []action{
		{
			path: "/tokens/:id/rotate", scope: token.ScopeAdmin, answer: (*Service).rotateToken, again: (*Service).tokenAgain,
			params: []web.Param{{Name: "grace"}, {Name: "expires_in"}},
		},
		{
			path: "/tokens/:id/revoke", scope: token.ScopeAdmin, do: (*Service).revokeToken, again: (*Service).tokenAgain,
			params: []web.Param{{Name: "keep_descendants", Kind: web.KindFlag}},
		},
	},
}

// scopeParams are a box to tick for each scope.
func scopeParams() []web.Param {
	var list []web.Param
	for _, scope := range token.Scopes {
		list = append(list, web.Param{Name: "scope_" + string(scope), Kind: web.KindFlag})
	}
	return list
}

// tokenList is a page of the list of tokens.
type tokenList struct {
	Tokens  []token.View
	Pager   pager
	Revoked bool
	OfAll   bool     // who looks may make tokens for all domains
	Scopes  []choice // what a new token may do
	Problem string
}

// choice is a box to tick.
type choice struct {
	Name, Label string
	Ticked      bool
}

// issued is a token whose secret is shown this once.
type issued struct {
	token.Issued
	Rotated bool
}

// oneToken is the page of one token.
type oneToken struct {
	token.View
	Problem string
}

func (s *Service) tokens(r *web.Request) (any, error) {
	asked := params.Values{"revoked": r.Params.Get("revoked"), "after": r.Params.Get("after"), "limit": r.Params.Get("limit")}
	return s.tokenList(r, asked)
}

func (s *Service) tokenList(r *web.Request, asked params.Values) (tokenList, error) {
	found, err := s.Admin.Tokens(r.With(asked))
	if err != nil {
		return tokenList{}, err
	}
	revoked, err := asked.Flag("revoked")
	list := tokenList{Tokens: found.Tokens, Pager: newPager(r, found.Next), Revoked: revoked, OfAll: r.Caller.Domains.All}
	for _, scope := range token.Scopes {
		name := "scope_" + string(scope)
		if r.Caller.May(scope) {
			list.Scopes = append(list.Scopes, choice{name, string(scope), r.Params.Get(name) != ""})
		}
	}
	return list, err
}

// tokensAgain shows the list and the form with what was typed and why no token was made.
func (s *Service) tokensAgain(r *web.Request, f *fault.Error) (any, error) {
	list, err := s.tokenList(r, params.Values{})
	list.Problem, list.Pager = f.Message, pager{}
	if f.Code == fault.MissingParameters {
		list.Problem = "Missing: " + f.Message
	}
	return list, err
}

func (s *Service) createToken(r *web.Request) (shown, error) {
	asked := given(r, "name", "domains", "all_domains", "home_domain", "expires_in")
	var scopes []string
	for _, scope := range token.Scopes {
		ticked, err := r.Params.Flag("scope_" + string(scope))
		if err != nil {
			return shown{}, err
		}
		if ticked {
			scopes = append(scopes, string(scope))
		}
	}
	if len(scopes) > 0 {
		asked["scopes"] = strings.Join(scopes, ",")
	}
	made, err := s.Admin.CreateToken(r.With(asked))
	return secret(http.StatusCreated, issued{Issued: made}), err
}

// given are those of the parameters that are not empty: a field that was left empty is no parameter.
func given(r *web.Request, names ...string) params.Values {
	values := params.Values{}
	for _, name := range names {
		if value := r.Params.Get(name); value != "" {
			values[name] = value
		}
	}
	return values
}

// secret shows it in the answer itself, which nothing keeps: it is in no address.
func secret(status int, made issued) shown {
	return shown{status, "secret", "The token’s secret", made}
}

func (s *Service) token(r *web.Request) (any, error) {
	view, err := s.Admin.Token(r)
	return oneToken{View: view}, err
}

// tokenAgain shows the token and why nothing was done with it.
func (s *Service) tokenAgain(r *web.Request, f *fault.Error) (any, error) {
	view, err := s.Admin.Token(r)
	return oneToken{view, f.Message}, err
}

func (s *Service) rotateToken(r *web.Request) (shown, error) {
	made, err := s.Admin.RotateToken(r.With(given(r, "grace", "expires_in")))
	return secret(http.StatusOK, issued{made, true}), err
}

func (s *Service) revokeToken(r *web.Request) (next string, err error) {
	revoked, err := s.Admin.RevokeToken(r)
	return "/tokens/" + revoked.ID, err
}

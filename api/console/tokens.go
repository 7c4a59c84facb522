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
			path: "/tokens/:id/rotate", scope: token.ScopeAdmin, answer: (*Service).rotateToken, again: (*Service).notRotated,
			params: []web.Param{{Name: "grace"}, {Name: "expires_in"}},
		},
		{
			path: "/tokens/:id/revoke", scope: token.ScopeAdmin, do: (*Service).revokeToken, again: (*Service).notRevoked,
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
	Form    form // of a new one
}

// issued is a token whose secret is shown this once.
type issued struct {
	token.Issued
	Rotated bool
}

// oneToken is the page of one token.
type oneToken struct {
	token.View
	Rotate  form
	Problem string // why it was not revoked
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
	return tokenList{Tokens: found.Tokens, Pager: newPager(r, found.Next), Revoked: revoked, Form: tokenForm(r)}, err
}

// tokenForm is the form of a new token.
func tokenForm(r *web.Request) form {
	scopes := field{Name: "scopes", Label: "What it may do", Type: severalFields}
	for _, scope := range token.Scopes {
		if r.Caller.May(scope) {
			scopes.Options = append(scopes.Options, option{Value: "scope_" + string(scope), Label: string(scope)})
		}
	}
	fields := []field{{Name: "name", Label: "Name", Required: true, Most: token.MaxName}, scopes}
	domains := field{Name: "domains", Label: "Its domains", About: "With commas between; your own if it is empty."}
	if r.Caller.Domains.All {
		fields = append(fields, field{Name: "all_domains", Label: "for all domains", Type: tickField})
		domains.Label, domains.About = "Or its domains", "With commas between."
	}
	return newForm("token", r.Params, append(fields, domains,
		field{Name: "home_domain", Label: "Its home domain", About: "The domain of requests that name none; may be empty."},
		field{Name: "expires_in", Label: "Ends after", About: "Such as 90d or 24h; never if it is empty."})...)
}

// tokensAgain shows the list and the form with what was typed and why no token was made.
func (s *Service) tokensAgain(r *web.Request, f *fault.Error) (any, error) {
	list, err := s.tokenList(r, params.Values{})
	list.Form, list.Pager = list.Form.blame(f), pager{}
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
	return oneToken{View: view, Rotate: rotateForm(r)}, err
}

// rotateForm is the form by which a token gets a new secret.
func rotateForm(r *web.Request) form {
	return newForm("rotate", r.Params,
		field{Name: "grace", Label: "The old secret stays good for", About: "Such as 24h."},
		field{Name: "expires_in", Label: "The token ends after", About: "Such as 90d; as before if it is empty."})
}

// notRotated shows the token and why it has no new secret.
func (s *Service) notRotated(r *web.Request, f *fault.Error) (any, error) {
	view, err := s.Admin.Token(r)
	return oneToken{View: view, Rotate: rotateForm(r).blame(f)}, err
}

// notRevoked shows the token and why it was not revoked.
func (s *Service) notRevoked(r *web.Request, f *fault.Error) (any, error) {
	view, err := s.Admin.Token(r)
	return oneToken{View: view, Rotate: rotateForm(r), Problem: f.Message}, err
}

func (s *Service) rotateToken(r *web.Request) (shown, error) {
	made, err := s.Admin.RotateToken(r.With(given(r, "grace", "expires_in")))
	return secret(http.StatusOK, issued{made, true}), err
}

func (s *Service) revokeToken(r *web.Request) (next string, err error) {
	revoked, err := s.Admin.RevokeToken(r)
	return "/tokens/" + revoked.ID, err
}

package console

import (
	"net/http"

	"trunkline/api/web"
	"trunkline/internal/access"
	"trunkline/internal/fault"
	"trunkline/internal/token"
)

// signInForm is what the page of signing in shows.
type signInForm struct {
	Next     string // where they go then
	Username string // what was typed
	Problem  string // what was wrong with it
	AskCode  bool   // the second factor's code is what is missing or wrong
}

// doors are what is read without a session, and what ends one.
func (s *Service) doors() []web.Endpoint {
	signIn := web.Endpoint{
		ID: "consoleSignIn", Path: home + "/sign-in", Entry: web.ConsoleDoor, Failed: s.signInFailed,
		Params: []web.Param{{Name: "next"}, {Name: "totp"}, {Name: "token"}},
	}
	signOn := web.Endpoint{
		ID: "consoleSignOn", Path: home + "/sign-on", Entry: web.ConsoleDoor, Failed: s.failed,
		Params: []web.Param{{Name: "sign_on_code"}, {Name: "replace", Kind: web.KindFlag}},
	}
	get := func(e web.Endpoint, answer func(*web.Request) error) web.Endpoint {
		e.Methods, e.Answer = []string{"GET"}, answer
		return e
	}
	post := func(e web.Endpoint, answer func(*web.Request) error) web.Endpoint {
		e.Methods, e.Answer = []string{"POST"}, answer
		return e
	}
	return []web.Endpoint{
		{ID: "consoleSlash", Methods: []string{"GET"}, Path: home + "/", Entry: web.ConsoleDoor, Answer: func(r *web.Request) error {
			redirect(r, home)
			return nil
		}},
		get(signIn, s.showSignIn), post(signIn, s.signIn),
		get(signOn, func(r *web.Request) error {
			s.render(r, http.StatusOK, "signon", s.viewOf(r, "Sign on", nil))
			return nil
		}), post(signOn, s.signOn),
		{
			ID: "consoleSignOut", Methods: []string{"POST"}, Path: home + "/sign-out", Entry: web.Console, Failed: s.failed, NoSession: toSignIn,
			Answer: func(r *web.Request) error {
				err := r.SignOut()
				if err == nil {
					redirect(r, home+"/sign-in")
				}
				return err
			},
		},
	}
}

func (s *Service) showSignIn(r *web.Request) error {
	if err := r.MaySignIn(); err != nil {
		return err
	}
	s.render(r, http.StatusOK, "signin", s.viewOf(r, "Sign in", signInForm{Next: local(r.Params.Get("next"))}))
	return nil
}

func (s *Service) signIn(r *web.Request) error {
	given, err := access.CredentialsOf(http.Header{}, r.Params.Get("username"), r.Params.Raw("password"))
	if key := r.Params.Get("token"); key != "" {
		given, err = access.Credentials{Key: key}, nil
	}
	if err != nil {
		return fault.Errorf(fault.AuthenticationFailed, "type your name and your password, or paste a token")
	}
	if token.Within(given.Username) {
		return fault.Errorf(fault.AuthenticationFailed, "the name is a token; paste it into the field for tokens, and rotate it if others may have seen it")
	}
	if err := r.SignIn(given, r.Params.Get("totp")); err != nil {
		return err
	}
	redirect(r, local(r.Params.Get("next")))
	return nil
}

// signInFailed shows the form again with what was typed, but for secrets, or says why there is none.
func (s *Service) signInFailed(r *web.Request, status int, f *fault.Error) {
	if r.MaySignIn() != nil {
		s.failed(r, status, f)
		return
	}
	form := signInForm{Next: local(r.Params.Get("next")), Username: r.Params.Get("username"), Problem: f.Message}
	form.AskCode = f.Code == fault.TOTPRequired || r.Params.Get("totp") != ""
	if token.Within(form.Username) {
		form.Username = ""
	}
	s.render(r, status, "signin", s.viewOf(r, "Sign in", form))
}

// replacing is a sign-on by somebody who is signed in already.
type replacing struct{ Who, Code string }

// signOn begins the session of a sign-on. One that there is already it replaces only when told so: else a link of
// somebody else's could have one work under another name without noticing.
func (s *Service) signOn(r *web.Request) error {
	code := r.Params.Get("sign_on_code")
	replace, err := r.Params.Flag("replace")
	if err != nil {
		return err
	}
	if !replace {
		who, err := r.SignedInAs()
		if err != nil {
			return err
		}
		if who != "" {
			s.render(r, http.StatusConflict, "signon", s.viewOf(r, "Sign on", replacing{who, code}))
			return nil
		}
	}
	if err := r.SignOn(code); err != nil {
		return err
	}
	redirect(r, home)
	return nil
}

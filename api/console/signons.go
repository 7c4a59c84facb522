package console

import (
	"net/http"
	"time"

	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/token"
)

// SignOn is what is given to somebody who shall have a session without credentials.
type SignOn struct {
	URL       string    `json:"url" format:"uri"` // where they are sent; the code stands behind its #, which no browser sends and no log has
	Code      string    `json:"code"`             // serves once
	ExpiresAt time.Time `json:"expires_at"`       // until when, a minute from now
}

// Endpoints are those of /v1.
func (s *Service) Endpoints() []web.Endpoint {
	return append(sessionEndpoints(), web.Endpoint{
		ID: "createSignOn", Summary: "Sign somebody on to the console, within one domain",
		Note: "For single sign-on from another program: send the browser of whoever is signed in there to the url. Their session is of that domain alone, " +
			"can do there what the credentials can but for the scope admin, is bound to the address from which it begins, and needs no whitelist. It ends with the credentials.",
		Methods: []string{"POST"}, Path: "/v1/console/sign-ons", Entry: web.SignedIn, Scope: token.ScopeRead,
		Answer: web.JSON(http.StatusCreated, s.CreateSignOn), Params: web.OneTenantParams,
		Replies: []web.Reply{{Status: 201, About: "The url, good for a minute and once.", Body: SignOn{}}},
		Faults:  []fault.Code{fault.MissingParameters, fault.NotFound},
	})
}

// CreateSignOn makes a code for the domain that the request names.
func (s *Service) CreateSignOn(r *web.Request) (made SignOn, err error) {
	d, err := r.OneTenant()
	if err != nil {
		return made, err
	}
	if d.UUID == "" {
		return made, fault.Invalid("tenant_domain", "is no domain; name the one that the session is to be of")
	}
	made.Code, made.ExpiresAt, err = r.NewSignOn(d.UUID)
	if err != nil {
		return made, err
	}
	r.Changed("console.sign-on", d.Name, d.UUID)
	made.URL = s.Settings.PublicURL + home + "/sign-on#" + made.Code
	return made, nil
}

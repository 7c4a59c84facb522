package deliveries

import (
	"net/http"
	"time"

	"trunkline/api/web"
	"trunkline/internal/delivery/destinations"
	"trunkline/internal/fault"
	"trunkline/internal/token"
)

// WebhookSecret is what messages to a callback_url are signed with, as callers see it.
type WebhookSecret struct {
	DomainUUID string     `json:"domain_uuid,omitempty" format:"uuid"` // absent: that of jobs that are of no one domain
	Domain     string     `json:"tenant_domain,omitempty"`
	Secret     string     `json:"secret,omitempty"` // whsec_..., if it was made now: it is not shown again
	MadeAt     time.Time  `json:"made_at"`
	OldUntil   *time.Time `json:"old_secret_until,omitempty"` // until when messages are signed with one before it too
}

// graceParam is that of whatever replaces a secret.
var graceParam = web.Param{Name: "grace", About: "For how long the old secret stays good, such as 24h; 0s: not at all."}

// grace is for how long the old secret stays good.
func (s *Service) grace(r *web.Request) (time.Duration, error) {
	if text := r.Params.Get("grace"); text != "" {
		return token.ParseLifetime("grace", text)
	}
	return s.settings.WebhookGrace, nil
}

func (s *Service) secretEndpoints() []web.Endpoint {
	whose := []web.Param{
		{Name: "tenant_domain", About: "Whose it is, or global for jobs that are of no one domain (superadmin). A caller of one domain may leave it out."},
		{Name: "domain_uuid", About: "The same by UUID.", Kind: web.KindUUID},
	}
	return []web.Endpoint{
		{
			ID: "getWebhookSecret", Summary: "Show whether there is a secret for callback_url", Methods: []string{"GET"}, Path: "/v1/webhook-secret",
			Entry: web.SignedIn, Scope: token.ScopeRead, Answer: web.JSON(http.StatusOK, s.WebhookSecret),
			Params:  whose,
			Replies: []web.Reply{{Status: 200, About: "When it was made; the secret itself is not shown again.", Body: WebhookSecret{}}},
			Faults:  []fault.Code{fault.MissingParameters, fault.NotFound},
		},
		{
			ID: "makeWebhookSecret", Summary: "Make a new secret for callback_url", Methods: []string{"POST"}, Path: "/v1/webhook-secret",
			Note:  "What is told to the callback_url of the domain's jobs is signed with it, and with the one before it too until the grace is over.",
			Entry: web.SignedIn, Scope: token.ScopeAdmin, Answer: web.JSON(http.StatusCreated, s.MakeWebhookSecret),
			Params:  append([]web.Param{graceParam}, whose...),
			Replies: []web.Reply{{Status: 201, About: "The secret, this once.", Body: WebhookSecret{}}},
			Faults:  []fault.Code{fault.MissingParameters, fault.NotFound},
		},
	}
}

// WebhookSecret shows how the secret of a domain stands.
func (s *Service) WebhookSecret(r *web.Request) (view WebhookSecret, err error) {
	of, err := r.OneTenant()
	if err != nil {
		return view, err
	}
	kept, err := s.destinations.CallbackSecret(r.Context(), of.UUID)
	return secretView(of.UUID, of.Name, kept), err
}

// MakeWebhookSecret makes a new secret and shows it, this once.
func (s *Service) MakeWebhookSecret(r *web.Request) (view WebhookSecret, err error) {
	of, err := r.OneTenant()
	if err != nil {
		return view, err
	}
	grace, err := s.grace(r)
	if err != nil {
		return view, err
	}
	made, err := s.destinations.NewCallbackSecret(r.Context(), of.UUID, grace)
	if err != nil {
		return view, err
	}
	r.Changed("webhook_secret.make", "webhook secret", of.UUID)
	return secretView(of.UUID, of.Name, made), nil
}

func secretView(uuid, name string, s destinations.CallbackSecret) WebhookSecret {
	view := WebhookSecret{DomainUUID: uuid, Domain: name, Secret: s.Secret, MadeAt: s.MadeAt}
	if !s.OldUntil.IsZero() {
		view.OldUntil = new(s.OldUntil.UTC().Truncate(time.Second))
	}
	return view
}

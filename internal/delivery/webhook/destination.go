package webhook

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"trunkline/internal/config"
	"trunkline/internal/delivery"
	"trunkline/internal/delivery/dial"
	"trunkline/internal/fault"
)

// Settings are what of a receiver is no secret.
type Settings struct {
	Events string `json:"events,omitempty" about:"What it is told besides the files that are delivered to it, with commas between: gateway.state, schedule.window.failed."`
}

// Check refuses settings that cannot be. The error names the parameter.
func (s Settings) Check() error {
	_, err := delivery.Events("events", s.Events, delivery.Subscribed)
	return err
}

// Normalised are the settings as they are kept: the outbox looks for an event among those between commas.
func (s Settings) Normalised() Settings {
	events, err := delivery.Events("events", s.Events, delivery.Subscribed)
	if err == nil {
		s.Events = strings.Join(events, ",")
	}
	return s
}

// Reached implements destinations.Settings: the URL is one of the credentials, and what we sign with is sent nowhere.
func (Settings) Reached() string { return "" }

// Credentials are the URL, in which a token may stand, and what messages are signed with.
type Credentials struct {
	URL     string    `json:"webhook_url" about:"Where messages are sent: https://. It is kept as a secret, for a token may stand in it; its host is shown."`
	Secrets []Signing `json:"secrets,omitempty" ours:"true"` // the one in use first
}

// Signing is a secret that we made, as it is kept.
type Signing struct {
	Secret string     `json:"secret"`
	Until  *time.Time `json:"until,omitempty"` // nil: it is the one in use
}

// mostSecrets is how many secrets one receiver may have at once: whoever replaces them faster has lost the oldest.
const mostSecrets = 4

// Check refuses credentials that cannot be used. The error names the parameter, and holds nothing of them.
func (c Credentials) Check() error { return CheckURL("webhook_url", c.URL) }

// Shown is what is shown of the credentials, beside the settings.
func (c Credentials) Shown() map[string]any {
	shown := map[string]any{"receiver": Shown(c.URL)}
	var last *time.Time
	for _, s := range c.Secrets {
		if s.Until != nil && (last == nil || s.Until.After(*last)) {
			last = s.Until
		}
	}
	if last != nil {
		shown["old_secret_until"] = last.UTC().Truncate(time.Second)
	}
	return shown
}

// HaveSecret reports whether messages can be signed.
func (c Credentials) HaveSecret() bool { return len(c.Secrets) > 0 }

// Renewed are the credentials with a secret that is made now, and that secret as its receiver keeps it. Those before it are good
// until then, unless they end earlier.
func (c Credentials) Renewed(until time.Time) (Credentials, string) {
	made := NewSecret().Reveal()
	secrets := []Signing{{Secret: made}}
	for _, s := range c.Secrets {
		if s.Until == nil || s.Until.After(until) {
			s.Until = &until
		}
		if s.Until.After(time.Now()) {
			secrets = append(secrets, s)
		}
	}
	c.Secrets = secrets[:min(len(secrets), mostSecrets)]
	return c, made
}

// endpoint is the receiver, with the secrets that are good now.
func (c Credentials) endpoint(now time.Time) (Endpoint, error) {
	to := Endpoint{URL: c.URL}
	for _, s := range c.Secrets {
		if s.Until != nil && !s.Until.After(now) {
			continue
		}
		secret, err := ParseSecret(s.Secret)
		if err != nil {
			return to, fault.Errorf(fault.ServerError, "what is kept as the secret is none; rotate it")
		}
		to.Secrets = append(to.Secrets, secret)
	}
	return to, nil
}

// Sender is a receiver of messages as a destination: of a file it gets the figures and a link. It implements delivery.Teller.
type Sender struct {
	client      *Client
	guard       dial.Guard
	credentials Credentials
}

// Open returns the sender, which connects when it is used. Errors: those of NewClient.
func Open(s config.Settings, guard dial.Guard, c Credentials) (*Sender, error) {
	client, err := NewClient(s, guard)
	if err != nil {
		return nil, err
	}
	return &Sender{client, guard, c}, nil
}

// Close implements delivery.Sender.
func (*Sender) Close() error { return nil }

// Tell implements delivery.Teller.
func (s *Sender) Tell(ctx context.Context, m delivery.Message) (delivery.Receipt, error) {
	to, err := s.credentials.endpoint(time.Now())
	if err != nil {
		return delivery.Receipt{}, err
	}
	return s.client.Send(ctx, to, m)
}

// Ready is what a message says of a file that is there.
type Ready struct {
	JobID     string    `json:"job_id"`
	Domain    string    `json:"tenant_domain,omitempty"` // absent: all domains
	Name      string    `json:"name"`                    // as deliver_as or the schedule has it
	Format    string    `json:"export_format"`
	DateRange string    `json:"date_range"`
	TimeZone  string    `json:"time_zone"`
	Rows      int64     `json:"total_records"`
	Bytes     int64     `json:"bytes"`
	SHA256    string    `json:"sha256"`
	Link      string    `json:"download_url"` // to the file, without credentials; each try has one of its own
	LinkUntil time.Time `json:"download_expires"`
}

// Deliver implements delivery.Sender: it tells of the file, and sends none of its rows.
func (s *Sender) Deliver(ctx context.Context, content delivery.Content) (delivery.Receipt, error) {
	of := content.Of
	body, err := delivery.Envelope{Type: delivery.EventExportReady, Timestamp: of.ReadyAt, Data: Ready{
		JobID: of.JobID, Domain: of.Domain, Name: content.Name, Format: of.Format, DateRange: of.DateRange, TimeZone: of.TimeZone,
		Rows: of.Rows, Bytes: content.Bytes, SHA256: content.SHA256, Link: of.Link, LinkUntil: of.LinkUntil.UTC().Truncate(time.Second),
	}}.Encode()
	if err != nil {
		return delivery.Receipt{}, err
	}
	return s.Tell(ctx, delivery.Message{ID: of.DeliveryID, Body: body})
}

// Test implements delivery.Sender: a message is sent that is signed, once there is something to sign it with. Until then the
// receiver could not tell that it is ours, and it is only looked whether it can be reached.
func (s *Sender) Test(ctx context.Context) (delivery.Report, error) {
	now := time.Now().UTC()
	if !s.credentials.HaveSecret() {
		if err := s.reach(ctx); err != nil {
			return delivery.Report{}, err
		}
		return delivery.Report{At: now, Message: "the receiver was reached by TLS, and nothing was sent: it does not know the secret yet; test it again once it does"}, nil
	}
	body, err := delivery.Envelope{Type: delivery.EventTest, Timestamp: now, Data: struct{}{}}.Encode()
	if err != nil {
		return delivery.Report{}, err
	}
	receipt, err := s.Tell(ctx, delivery.Message{ID: uuid.NewString(), Body: body})
	if err != nil {
		return delivery.Report{}, err
	}
	return delivery.Report{At: now, Message: "a message of type test was sent to " + receipt.Where + " and received"}, nil
}

// reach connects, and looks at the certificate.
func (s *Sender) reach(ctx context.Context) error {
	u, err := url.Parse(s.credentials.URL)
	if err != nil {
		return fault.Invalid("webhook_url", "is not a URL")
	}
	limited, cancel := context.WithTimeout(ctx, s.client.timeout)
	defer cancel()
	dialer := tls.Dialer{NetDialer: s.guard.Dialer(), Config: s.client.tls}
	conn, err := dialer.DialContext(limited, "tcp", net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "443")))
	if err != nil {
		return s.client.unsent(ctx, u.Hostname(), err)
	}
	_ = conn.Close() // all that was to be known is
	return nil
}

package destinations_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"trunkline/internal/delivery/destinations"
	"trunkline/internal/fault"
	"trunkline/internal/tenant"
)

// webhookTo is a destination of kind webhook.
func webhookTo(url string) destinations.Given {
	return destinations.Given{
		DomainUUID: domain, Name: "hook", Kind: "webhook", Values: destinations.Values{"webhook_url": url, "events": "gateway.state, schedule.window.failed"}, Enabled: true, CreatedBy: "admin",
	}
}

// kept are the credentials of a webhook as they are kept.
type kept struct {
	URL     string `json:"webhook_url"`
	Secrets []struct {
		Secret string
		Until  *time.Time
	}
}

func (b *bundle) kept(t *testing.T, id string) (k kept) {
	t.Helper()
	must(t, b.keys.Open("destination/"+id, b.sealed(t, id), &k))
	return k
}

// A secret of ours is made with the destination, and neither a caller nor a change of the URL touches it.
func TestWebhooksHaveASecret(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	d, err := b.Create(t.Context(), webhookTo("https://billing.example:8443/hooks/Geheim77?token=Geheim77"))
	must(t, err)
	if !strings.HasPrefix(d.Secret, "whsec_") || strings.Contains(string(d.Settings), "Geheim77") || !strings.Contains(string(d.Settings), "https://billing.example:8443/...") ||
		!strings.Contains(string(d.Settings), `"gateway.state,schedule.window.failed"`) {
		t.Errorf("got %s, settings %s", d.Secret, d.Settings)
	}
	var row string
	must(t, b.pool.QueryRow(t.Context(), "select to_jsonb(d)::text from trunkline.destinations as d where id = $1", d.ID).Scan(&row))
	if strings.Contains(row, "Geheim77") || strings.Contains(row, d.Secret) {
		t.Errorf("the row shows %s", row)
	}
	if k := b.kept(t, d.ID); len(k.Secrets) != 1 || k.Secrets[0].Secret != d.Secret || k.Secrets[0].Until != nil {
		t.Errorf("kept is %+v", k)
	}
	if again, err := b.Get(t.Context(), d.ID, tenant.All); err != nil || again.Secret != "" {
		t.Errorf("it is shown again: %v", err)
	}
	changed, err := b.Change(t.Context(), d.ID, tenant.All, destinations.Change{Values: destinations.Values{"webhook_url": "https://other.example/", "events": ""}})
	must(t, err)
	if changed.Secret != "" || b.kept(t, d.ID).Secrets[0].Secret != d.Secret || string(changed.Settings) != `{"receiver":"https://other.example/"}` {
		t.Errorf("got %+v %s", changed, changed.Settings)
	}
	for field, value := range map[string]string{
		"secrets": `[{"secret":"whsec_AAAA"}]`, "receiver": "https://elsewhere.example", "old_secret_until": "2030-01-01T00:00:00Z", "webhook_url": "http://other.example/", "events": "everything",
	} {
		_, err := b.Change(t.Context(), d.ID, tenant.All, destinations.Change{Values: destinations.Values{field: value}})
		if !fault.Is(err, fault.InvalidRequest) || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: got %v", field, err)
		}
	}
	// What was sealed with a key that is lost is given anew, with a new secret.
	_, err = b.pool.Exec(t.Context(), "update trunkline.destinations set sealed = $2 where id = $1", d.ID, make([]byte, 60))
	must(t, err)
	if _, err := b.Rotate(t.Context(), d.ID, tenant.All, 0); !fault.Is(err, fault.ServerError) {
		t.Errorf("got %v", err)
	}
	anew, err := b.Change(t.Context(), d.ID, tenant.All, destinations.Change{Values: destinations.Values{"webhook_url": "https://other.example/"}})
	if err != nil || anew.Secret == "" || anew.Secret == d.Secret || b.kept(t, d.ID).Secrets[0].Secret != anew.Secret {
		t.Errorf("got %v", err)
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	d, err := b.Create(t.Context(), webhookTo("https://billing.example/hooks"))
	must(t, err)
	rotate := func(grace time.Duration) destinations.Destination {
		t.Helper()
		rotated, err := b.Rotate(t.Context(), d.ID, tenant.All, grace)
		must(t, err)
		if rotated.Secret == "" || b.kept(t, d.ID).Secrets[0].Secret != rotated.Secret || b.kept(t, d.ID).URL != "https://billing.example/hooks" {
			t.Errorf("got %+v", b.kept(t, d.ID))
		}
		return rotated
	}
	first := rotate(time.Hour)
	k := b.kept(t, d.ID)
	if len(k.Secrets) != 2 || k.Secrets[1].Secret != d.Secret || k.Secrets[1].Until == nil || time.Until(*k.Secrets[1].Until) > time.Hour || time.Until(*k.Secrets[1].Until) < time.Minute {
		t.Errorf("kept is %+v", k)
	}
	var shown struct {
		Until *time.Time `json:"old_secret_until"`
	}
	must(t, json.Unmarshal(first.Settings, &shown))
	if shown.Until == nil || !shown.Until.Equal(k.Secrets[1].Until.Truncate(time.Second)) {
		t.Errorf("shown is %s", first.Settings)
	}
	// One that ends sooner is not prolonged.
	rotate(30 * 24 * time.Hour)
	if again := b.kept(t, d.ID); len(again.Secrets) != 3 || !again.Secrets[2].Until.Equal(*k.Secrets[1].Until) || again.Secrets[1].Secret != first.Secret {
		t.Errorf("kept is %+v", again)
	}
	for range 5 {
		rotate(time.Hour)
	}
	if n := len(b.kept(t, d.ID).Secrets); n != 4 {
		t.Errorf("%d are kept", n)
	}
	if last := rotate(0); len(b.kept(t, d.ID).Secrets) != 1 || strings.Contains(string(last.Settings), "old_secret_until") {
		t.Errorf("without a grace: kept is %+v, shown %s", b.kept(t, d.ID), last.Settings)
	}
	for _, grace := range []time.Duration{-1, 30*24*time.Hour + 1} {
		if _, err := b.Rotate(t.Context(), d.ID, tenant.All, grace); !fault.Is(err, fault.InvalidRequest) || !strings.Contains(err.Error(), "grace") {
			t.Errorf("%s: got %v", grace, err)
		}
	}
	if _, err := b.Rotate(t.Context(), d.ID, tenant.Domains{}, 0); !fault.Is(err, fault.NotFound) {
		t.Errorf("another's: got %v", err)
	}
	other, err := b.Create(t.Context(), sftpTo("files"))
	must(t, err)
	if _, err := b.Rotate(t.Context(), other.ID, tenant.All, 0); other.Secret != "" || !fault.Is(err, fault.InvalidRequest) || !strings.Contains(err.Error(), "sftp") {
		t.Errorf("a kind without a secret: got %v", err)
	}
}

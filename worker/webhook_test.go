package worker_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/delivery"
	"trunkline/internal/delivery/destinations"
	"trunkline/internal/delivery/outbox"
	"trunkline/internal/pbxtest"
	"trunkline/tasks"
)

// loopback lets the tests' own receivers be reached.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// hook makes a webhook of the domain and returns it with its secret.
func (b *bundle) hook(t *testing.T, domain, url, events string) destinations.Destination {
	t.Helper()
	d, err := b.destinations().Create(t.Context(), destinations.Given{
		DomainUUID: domain, Name: "hook", Kind: "webhook", Values: destinations.Values{"webhook_url": url, "events": events}, Enabled: true, CreatedBy: "superadmin",
	})
	must(t, err)
	return d
}

// A receiver that fails at first gets the message later, under the id that it had each time.
func TestAMessageIsTriedAgain(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	receiver := pbxtest.NewReceiver(t, func(w http.ResponseWriter, r *http.Request) {
		switch asked.Add(1) {
		case 1:
			w.WriteHeader(http.StatusInternalServerError)
		case 2: // it says nothing until it is given up
			<-r.Context().Done()
		case 3:
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	b := newBundle(t, setUp{cdrs: 10, stopped: true})
	b.options.Settings.DeliveryNetworks, b.options.Settings.DeliveryCA = loopback, receiver.CAFile
	b.options.Settings.WebhookTimeout = 2 * time.Second
	b.start(t)
	domain := b.sample.Domains[1].UUID
	d := b.hook(t, domain, receiver.URL, "")
	export := b.exportTo(t, domain, delivery.Order{DestinationID: d.ID, Name: "calls.csv"})
	var job tasks.Job
	must(t, b.pool.QueryRow(t.Context(), "select job_id::text from trunkline.deliveries where export_job_id = $1", export.ID).Scan(&job.ID))
	pbxtest.Eventually(t, "it is received", func() bool {
		_, err := b.Sweep(t.Context())
		must(t, err)
		state, _, _ := b.deliveryRow(t, job)
		return state == string(outbox.StateDelivered)
	})
	all := receiver.All()
	var began []time.Time
	var statuses []int
	rows, err := b.pool.Query(t.Context(), `
		select at, coalesce(status, 0) from trunkline.delivery_attempts a join trunkline.deliveries d on d.id = a.delivery_id where d.job_id = $1 order by number`, job.ID)
	must(t, err)
	defer rows.Close()
	for rows.Next() {
		var at time.Time
		var status int
		must(t, rows.Scan(&at, &status))
		began, statuses = append(began, at), append(statuses, status)
	}
	must(t, rows.Err())
	if len(all) != 4 || !slices.Equal(statuses, []int{500, 0, 503, 200}) || began[3].Sub(began[2]) < time.Second {
		t.Fatalf("received %d times, with the statuses %v at %v", len(all), statuses, began)
	}
	for _, r := range all {
		if r.Header.Get("webhook-id") != all[0].Header.Get("webhook-id") || !pbxtest.SignedWith(r, d.Secret) {
			t.Errorf("got %v", r.Header)
		}
	}
}

// Those who are subscribed to an event are told of what is their domain's, those of all domains of everything, and nobody else.
func TestSubscribersAreTold(t *testing.T) {
	t.Parallel()
	own, others, all, silent := pbxtest.NewReceiver(t, nil), pbxtest.NewReceiver(t, nil), pbxtest.NewReceiver(t, nil), pbxtest.NewReceiver(t, nil)
	var authorities []byte
	for _, r := range []*pbxtest.Receiver{own, others, all, silent} {
		pem, err := os.ReadFile(r.CAFile)
		must(t, err)
		authorities = append(authorities, pem...)
	}
	mails := pbxtest.StartSMTPD(t)
	pem, err := os.ReadFile(mails.CAFile)
	must(t, err)
	authorities = append(authorities, pem...)
	file := filepath.Join(t.TempDir(), "authorities.pem")
	must(t, os.WriteFile(file, authorities, 0o600))
	b := newBundle(t, setUp{stopped: true})
	b.options.Settings.DeliveryNetworks, b.options.Settings.DeliveryCA = loopback, file
	b.start(t)
	const event = delivery.EventWindowFailed
	first, second := b.sample.Domains[1].UUID, b.sample.Domains[2].UUID
	d := b.hook(t, first, own.URL, "gateway.state, "+event)
	b.hook(t, second, others.URL, event)
	b.hook(t, "", all.URL, event)
	for name, values := range map[string]destinations.Values{
		"silent": {"webhook_url": silent.URL, "events": "gateway.state"},
		"people": {
			"host": "127.0.0.1", "port": fmt.Sprint(mails.StartTLS), "login": mails.Login, "login_password": mails.Password,
			"mail_from": "cdr@pbx.example", "mail_to": "billing@customer.example", "events": event,
		},
		"other people": {"host": "127.0.0.1", "port": fmt.Sprint(mails.StartTLS), "mail_from": "cdr@pbx.example", "mail_to": "billing@customer.example"},
	} {
		kind := "mail"
		if values["webhook_url"] != "" {
			kind = "webhook"
		}
		_, err := b.destinations().Create(t.Context(), destinations.Given{DomainUUID: first, Name: name, Kind: kind, Values: values, Enabled: true, CreatedBy: "superadmin"})
		must(t, err)
	}
	box := outbox.NewBox(b.pool, b.Client)
	must(t, pgx.BeginFunc(t.Context(), b.pool, func(tx pgx.Tx) error {
		n, err := box.Announce(t.Context(), tx, first, event, time.Now(), map[string]string{"label": "000001"})
		if err == nil && n != 3 {
			t.Errorf("%d are told", n)
		}
		return err
	}))
	box.Admit(t.Context())
	pbxtest.Eventually(t, "all are told", func() bool { return len(own.All()) > 0 && len(all.All()) > 0 })
	got := own.All()[0]
	if !pbxtest.SignedWith(got, d.Secret) || !strings.Contains(string(got.Body), `"type":"schedule.window.failed"`) || !strings.Contains(string(got.Body), `"label":"000001"`) {
		t.Errorf("got %s", got.Body)
	}
	if string(got.Body) != string(all.All()[0].Body) || got.Header.Get("webhook-id") == all.All()[0].Header.Get("webhook-id") {
		t.Errorf("those of all domains got %s", all.All()[0].Body)
	}
	pbxtest.Eventually(t, "people are told", func() bool {
		all, err := mails.Mails()
		must(t, err)
		return len(all) > 0 && strings.Contains(all[0], "000001")
	})
	if len(others.All()) != 0 || len(silent.All()) != 0 {
		t.Error("somebody was told who is not subscribed, or of another domain")
	}
}

package worker_test

import (
	"encoding/json"
	"testing"
	"time"

	"trunkline/internal/delivery"
	"trunkline/internal/delivery/destinations"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/fssim"
)

// subscribed makes a webhook of the domain that is told of gateways.
func (b *bundle) subscribed(t *testing.T, domain, name, url string) destinations.Destination {
	t.Helper()
	d, err := b.destinations().Create(t.Context(), destinations.Given{
		DomainUUID: domain, Name: name, Kind: "webhook", Values: destinations.Values{"webhook_url": url, "events": delivery.EventGatewayState}, Enabled: true, CreatedBy: "superadmin",
	})
	must(t, err)
	return d
}

// told are the messages about a gateway that were made for a destination, the first one first.
func (b *bundle) told(t *testing.T, d destinations.Destination, gatewayUUID string) (all []turned) {
	t.Helper()
	rows, err := b.pool.Query(t.Context(), "select payload from trunkline.deliveries where destination_id = $1 and domain_uuid is not distinct from nullif($2, '')::uuid order by id", d.ID, d.DomainUUID)
	must(t, err)
	defer rows.Close()
	for rows.Next() {
		var body []byte
		must(t, rows.Scan(&body))
		var one turned
		must(t, json.Unmarshal(body, &one))
		if one.Data.GatewayUUID == gatewayUUID { // those of the sample come up meanwhile
			all = append(all, one)
		}
	}
	must(t, rows.Err())
	return all
}

// turned is the message.
type turned struct {
	Type string
	Data struct {
		GatewayUUID  string `json:"gateway_uuid"`
		Name         string `json:"gateway_name"`
		DomainUUID   string `json:"domain_uuid"`
		Domain       string `json:"tenant_domain"`
		Status       string
		StatusBefore string `json:"status_before"`
	}
}

// isTold waits until a gateway's status was told, or found to be no news.
func (b *bundle) isTold(t *testing.T, uuid, status string) {
	t.Helper()
	pbxtest.Eventually(t, "it was told that the gateway is "+status, func() bool {
		var n int
		must(t, b.pool.QueryRow(t.Context(), "select count(*) from trunkline.gateway_told where gateway_uuid = $1 and status = $2", uuid, status).Scan(&n))
		return n == 1
	})
}

// Those who are subscribed are told of gateways that go up or down: a domain of its own, a superadmin of all.
func TestGatewaysThatTurnAreTold(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{stopped: true})
	b.options.Settings.GatewayStateHold = time.Millisecond
	b.start(t)
	own, other := b.sample.Domains[1], b.sample.Domains[2]
	const nowhere = "https://receiver.example/x" // what is made is looked at
	mine, others, all := b.subscribed(t, own.UUID, "mine", nowhere), b.subscribed(t, other.UUID, "theirs", nowhere), b.subscribed(t, "", "all", nowhere)
	uuid := b.provisioned(t, b.gateway(own.UUID, "turns", carrier())).GatewayUUID
	b.isTold(t, uuid, "UP") // known for the first time
	for _, change := range changes {
		b.answered(uuid, change.outcome)
		b.isTold(t, uuid, change.status)
	}
	for _, d := range []destinations.Destination{mine, all} {
		got := b.told(t, d, uuid)
		if len(got) != len(changes) {
			t.Fatalf("%s was told %d times: %+v", d.Name, len(got), got)
		}
		for i, one := range got {
			before := "UP"
			if changes[i].status == before {
				before = "DOWN"
			}
			if one.Type != delivery.EventGatewayState || one.Data.GatewayUUID != uuid || one.Data.Name != "turns" || one.Data.DomainUUID != own.UUID ||
				one.Data.Domain != own.Name || one.Data.Status != changes[i].status || one.Data.StatusBefore != before {
				t.Errorf("%s, message %d: got %+v", d.Name, i, one)
			}
		}
	}
	if got := b.told(t, others, uuid); len(got) > 0 {
		t.Errorf("another domain was told: %+v", got)
	}
}

// What is over before it has held for as long as it must is told to nobody.
func TestAMomentIsToldToNobody(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{stopped: true})
	b.options.Settings.GatewayStateHold = time.Hour
	b.start(t)
	all := b.subscribed(t, "", "all", "https://receiver.example/x")
	uuid := b.provisioned(t, b.gateway("", "flaps", carrier())).GatewayUUID
	held := func() { // the clock goes on
		_, err := b.pool.Exec(t.Context(), "update trunkline.gateway_states set status_since = status_since - interval '2 hours'")
		must(t, err)
	}
	b.isKept(t, uuid, "UP")
	held()
	b.isTold(t, uuid, "UP")
	b.answered(uuid, fssim.Rejected403)
	b.isKept(t, uuid, "DOWN")
	b.answered(uuid, fssim.Registered)
	b.isKept(t, uuid, "UP")
	held()
	b.answered(uuid, fssim.Rejected403)
	b.isKept(t, uuid, "DOWN")
	held()
	b.isTold(t, uuid, "DOWN")
	if got := b.told(t, all, uuid); len(got) != 1 || got[0].Data.Status != "DOWN" || got[0].Data.StatusBefore != "UP" {
		t.Errorf("got %+v", got)
	}
}

package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"

	"trunkline/internal/gateway"
	"trunkline/tasks"
)

const (
	// bulkRows is how many gateways the bulk job has whose worker is killed.
	bulkRows = 500
	// bulkChanged is how many of them are there already, with another password.
	bulkChanged = 100
	// patientWithSwitch is for simulated switches that load hundreds of gateways each, on a busy machine.
	patientWithSwitch = "TRUNKLINE_SWITCH_TIMEOUT=30s"
	// bulkTakes is about how long the job takes here: the kill comes within it.
	bulkTakes = 3 * time.Second
)

// A worker that is killed at any moment of a bulk job leaves it to another: no row is there twice, no gateway is
// forgotten, and each is loaded as asked for.
func TestWorkerKilledInTheMiddleOfABulkJob(t *testing.T) {
	t.Parallel()
	killed(t, 0, largeKillsAtOnce, func(t *testing.T, i int, p *samplePBX) {
		client := p.open(t)
		mode := []string{gateway.ModeAll, gateway.ModeEach}[i%2]
		request := func(password string, n int) tasks.NewJob {
			job := tasks.NewJob{
				Kind: tasks.KindBulk, CreatedBy: p.sample.SuperadminUUID, CreatedByName: "superadmin", Subject: "bulk",
				BodyHash: []byte(uuid.NewString()), Params: gateway.Bulk{Mode: mode, Action: "import"}, Domains: []string{""},
			}
			for row := range n {
				name := fmt.Sprintf("bulk-%03d", row)
				job.Items = append(job.Items, tasks.NewItem{
					Params: gateway.BulkItem{Request: gateway.Request{Name: name, ExternalID: "service-" + name,
						Values: map[string]string{"proxy": "sip.carrier.example", "realm": "sip.carrier.example", "username": "account"}}},
					Secrets:   gateway.Secrets{Password: &password},
					OrderKeys: []string{"gateway::" + name},
				})
			}
			return job
		}
		first := p.start(t, "worker", shortHeartbeat, patientWithSwitch)
		job, err := client.Submit(t.Context(), request("before", bulkChanged))
		must(t, err)
		if job, err = client.Wait(t.Context(), job.ID, patience); err != nil || job.State != tasks.StateSucceeded {
			t.Fatalf("the first job is %s: %v, %v", job.State, job.Error, err)
		}
		job, err = client.Submit(t.Context(), request("after", bulkRows))
		must(t, err)
		killed := make(chan struct{})
		time.AfterFunc(rand.N(bulkTakes), func() {
			first.Kill()
			close(killed)
		})
		<-killed
		other := p.start(t, "worker", shortHeartbeat, patientWithSwitch)
		ended, err := client.Wait(t.Context(), job.ID, patience)
		must(t, err)
		if ended.State != tasks.StateSucceeded {
			t.Fatalf("the job is %s: %v\n%s\n%s", ended.State, ended.Error, first.Log, other.Log)
		}
		t.Logf("%s, ended at attempt %d", mode, ended.Attempt)
		items, _, err := client.Items(t.Context(), ended, tasks.ItemFilter{Limit: bulkRows + 1})
		must(t, err)
		loaded := p.sw.Loaded()
		for _, item := range items {
			var result gateway.Result
			if item.State != tasks.ItemSucceeded {
				t.Fatalf("item %d is %s: %v", item.Number, item.State, item.Error)
			}
			must(t, json.Unmarshal(item.Result, &result))
			if got := loaded[result.GatewayUUID].Params["password"]; got != "after" {
				t.Fatalf("item %d is loaded with the password %q", item.Number, got)
			}
		}
		var rows, names, mapped int
		must(t, p.pool.QueryRow(t.Context(), `
			select count(*), count(distinct gateway), (select count(*) from trunkline.external_ids as e join v_gateways as g using (gateway_uuid)
				where e.external_id = 'service-' || g.gateway)
			from v_gateways where gateway like 'bulk-%'`).Scan(&rows, &names, &mapped))
		if len(items) != bulkRows || rows != bulkRows || names != bulkRows || mapped != bulkRows {
			t.Fatalf("%d items, %d rows of %d names, %d external_ids; want %d of each", len(items), rows, names, mapped, bulkRows)
		}
	})
}

package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"trunkline/internal/gateway"
	"trunkline/internal/pbxtest"
	"trunkline/internal/postgres/postgrestest"
	"trunkline/tasks"
)

const (
	// kills is how often a worker is killed in the middle of each kind of job.
	kills = 20
	// killsAtOnce bounds how many of these run at a time: each waits for a lost heartbeat most of the time. Those with
	// many gateways have the simulated switches at work besides.
	killsAtOnce, largeKillsAtOnce = 8, 4
	// shortHeartbeat is a heartbeat that is lost after four seconds in place of ten.
	shortHeartbeat = "TRUNKLINE_HEARTBEAT_TIMEOUT=4s"
)

// killed runs one round after the other, so many at a time, each on a sample PBX of its own with so many CDRs.
func killed(t *testing.T, cdrs, atOnce int, round func(t *testing.T, i int, p *samplePBX)) {
	database, loaded := loadSample(t, cdrs, postgrestest.Tables)
	slots := make(chan struct{}, atOnce)
	var group sync.WaitGroup
	for i := range kills {
		group.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			t.Run(fmt.Sprint(i), func(t *testing.T) { round(t, i, samplePBXOn(t, pbxtest.Copy(t, database), loaded)) })
		})
	}
	group.Wait()
}

// takeover starts another worker and waits until the job has ended there.
func (p *samplePBX) takeover(t *testing.T, job tasks.Job, lost *pbxtest.Process) tasks.Job {
	t.Helper()
	other := p.start(t, "worker", shortHeartbeat)
	there := time.Now()
	ended, err := p.client.Wait(t.Context(), job.ID, patience)
	must(t, err)
	// No assertion: the machine may be slow. Four seconds of these are the lost heartbeat's.
	t.Logf("ended %v after another worker was started", time.Since(there))
	if ended.State != tasks.StateSucceeded || ended.Attempt != 2 {
		t.Fatalf("got %s %v at attempt %d, want it to succeed at the second\n%s\n%s", ended.State, ended.Error, ended.Attempt, lost.Log, other.Log)
	}
	return ended
}

func TestWorkerKilledWhileItProvisions(t *testing.T) {
	t.Parallel()
	// The commands of a changed gateway, each of which is the last that one of the workers sees. The one for a gateway by
	// its name has a space behind it: the list, which a worker reads by itself too, has none.
	moments := []string{"xmlstatus profile", "xmlstatus gateway ", "lua", "rescan", "killgw"}
	killed(t, 0, killsAtOnce, func(t *testing.T, i int, p *samplePBX) {
		client := p.open(t)
		changed := i%2 == 0
		password := func(s string) gateway.Secrets { return gateway.Secrets{Password: &s} }
		request := func(secrets gateway.Secrets) tasks.NewJob {
			return tasks.NewJob{
				Kind: tasks.KindProvision, CreatedBy: p.sample.SuperadminUUID, CreatedByName: "superadmin",
				Subject: "gateway::carrier", BodyHash: []byte(uuid.NewString()), Secrets: secrets,
				Params: gateway.Request{Name: "carrier", Values: map[string]string{"proxy": "sip.carrier.example", "realm": "sip.carrier.example", "username": "account"}},
			}
		}
		first := p.start(t, "worker", shortHeartbeat)
		if changed {
			job, err := client.Submit(t.Context(), request(password("before")))
			must(t, err)
			job, err = client.Wait(t.Context(), job.ID, patience)
			must(t, err)
			if job.State != tasks.StateSucceeded {
				t.Fatalf("the first request: %s %v", job.State, job.Error)
			}
		}
		moment := moments[i%len(moments)]
		if !changed && moment == "killgw" {
			moment = "rescan"
		}
		hit := make(chan struct{})
		remove := p.sw.OnCommand(moment, sync.OnceFunc(func() {
			first.Kill()
			close(hit)
		}))
		defer remove()
		job, err := client.Submit(t.Context(), request(password("after")))
		must(t, err)
		select {
		case <-hit:
		case <-time.After(patience):
			t.Fatalf("the worker never came to %q\n%s", moment, first.Log)
		}
		ended := p.takeover(t, job, first)
		var result gateway.Result
		must(t, json.Unmarshal(ended.Result, &result))
		var rows int
		must(t, p.pool.QueryRow(t.Context(), "select count(*) from v_gateways where gateway = 'carrier'").Scan(&rows))
		if got := p.sw.Loaded()[result.GatewayUUID].Params["password"]; rows != 1 || got != "after" {
			t.Fatalf("killed at %q: %d rows, and the switch has the password %q", moment, rows, got)
		}
	})
}

func bytesOf(t *testing.T, hexDigits string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.TrimSpace(hexDigits))
	must(t, err)
	return b
}

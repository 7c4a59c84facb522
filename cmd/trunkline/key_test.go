package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"trunkline/internal/gateway"
	"trunkline/internal/pbxtest"
	"trunkline/tasks"
)

// While everything runs and jobs wait, the key is rotated, twice: none of them fails, and none of the processes
// has to be started again.
func TestKeyRotateWhileJobsWait(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 0)
	p.env = append(p.env, "TRUNKLINE_SWITCH_TIMEOUT=50s") // longer than the switch hangs
	client := p.open(t)
	must(t, client.Keys().CheckDatabase(t.Context(), p.pool)) // as the first start does
	keyFile := filepath.Join(p.dir, "secret.key")
	base, front := p.serve(t, "api")
	first := p.start(t, "worker")
	submit := func(name string) tasks.Job {
		password := "secret-of-" + name
		job, err := client.Submit(t.Context(), tasks.NewJob{
			Kind: tasks.KindProvision, CreatedBy: p.sample.SuperadminUUID, CreatedByName: "superadmin",
			Subject: "gateway::" + name, BodyHash: []byte(uuid.NewString()), Secrets: gateway.Secrets{Password: &password},
			Params: gateway.Request{Name: name, Values: map[string]string{"proxy": "sip.carrier.example", "realm": "sip.carrier.example", "username": "account"}},
		})
		must(t, err)
		return job
	}
	p.succeeds(t, client, submit("kept").ID)
	release := make(chan struct{})
	p.sw.OnCommand("xmlstatus", func() { <-release })
	waiting := []tasks.Job{submit("a"), submit("b")}
	var before []string
	for range 2 {
		before = append(before, read(t, keyFile))
		rotated := runHere(t, p.env, "key", "rotate")
		rotated.wants(t, 0, keyFile, "Sealed again: ")
		if strings.Contains(rotated.out+rotated.err, strings.TrimSpace(read(t, keyFile))) {
			t.Error("it shows the key that is in the file")
		}
	}
	if now := read(t, keyFile); now == before[0] || now == before[1] || before[0] == before[1] {
		t.Errorf("the key was not rotated")
	}
	if info, err := os.Stat(keyFile); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v", info, err)
	}
	// What was sealed by a process that has not followed yet, and one that starts with the new key.
	waiting = append(waiting, submit("c"))
	second := p.start(t, "worker")
	close(release)
	for i, job := range waiting {
		ended := p.succeeds(t, client, job.ID)
		var result gateway.Result
		must(t, json.Unmarshal(ended.Result, &result))
		if got, want := p.sw.Loaded()[result.GatewayUUID].Params["password"], "secret-of-"+string(rune('a'+i)); got != want {
			t.Errorf("the switch has the password %q, want %q", got, want)
		}
	}
	_, jobID, err := p.billing(t, base).provision(t.Context(), "after")
	must(t, err)
	p.succeeds(t, client, jobID)
	// A gateway that is asked for again as it stands is not killed for the sake of a key.
	p.sw.OnCommand("killgw", func() { t.Error("a gateway was killed") })
	p.succeeds(t, client, submit("kept").ID)
	// By now all processes have followed: a last rotation leaves nothing behind but the hashes of requests.
	runHere(t, p.env, "key", "rotate").wants(t, 0, "Sealed again: ")
	must(t, client.Keys().Refresh(t.Context()))
	if n := p.rows(t, `select (select count(*) from trunkline.jobs where substring(sealed for 4) <> $1) +
		(select count(*) from trunkline.loaded_gateways where substring(settings for 4) <> $1)`, client.Keys().Name()); n != 0 {
		t.Errorf("%d values name an old key", n)
	}
	for _, proc := range []*pbxtest.Process{front, first, second} {
		if strings.Contains(proc.Log.String(), strings.TrimSpace(read(t, keyFile))) {
			t.Error("a log holds the key")
		}
	}

	// A host that still has the first key can start, says so, and is brought the one in use.
	must(t, os.WriteFile(keyFile+".old", []byte(before[0]), 0o600))
	old := append(p.env, "TRUNKLINE_SECRET_KEY="+keyFile+".old")
	runHere(t, old, "check").wants(t, 1, "key rotate")
	runHere(t, old, "key", "rotate").wants(t, 0, "rotated before")
	if read(t, keyFile+".old") != read(t, keyFile) {
		t.Error("it was not brought")
	}
}

func TestKeyRotateOfAKeyInTheEnvironment(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 0)
	client := p.open(t)
	runHere(t, p.env, "key", "rotate").wants(t, 1, "no secret key yet")
	must(t, client.Keys().CheckDatabase(t.Context(), p.pool))
	env := append(p.env, "TRUNKLINE_SECRET_KEY="+strings.TrimSpace(testSecretKey))
	rotated := runHere(t, env, "key", "rotate")
	rotated.wants(t, 0, "for every process")
	made := strings.TrimSpace(rotated.out)
	runHere(t, append(p.env, "TRUNKLINE_SECRET_KEY="+made), "check").wants(t, 1, "it is the one of this database")
}

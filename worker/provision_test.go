package worker_test

import (
	"fmt"
	"strings"
	"testing"

	"trunkline/internal/gateway"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/testbed"
	"trunkline/internal/tenant"
	"trunkline/tasks"
)

func TestProvisionWaitsUntilRegistered(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	n := b.gateway("", "carrier", carrier())
	params := n.Params.(gateway.Request)
	params.WaitFor = gateway.WaitForRegistered
	n.Params = params
	if got := b.provisioned(t, n); got.GatewayState != "REGED" || got.GatewayStatus != "UP" {
		t.Fatalf("got %+v, want it registered", got)
	}
}

func TestChangesOfOneGatewayAtOnceAllSucceed(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	b.provisioned(t, b.gateway("", "carrier", carrier()))
	var changes []tasks.NewJob
	for i := range 5 {
		changes = append(changes, b.gateway("", "carrier", map[string]string{"expire_seconds": fmt.Sprint(300 + i)}))
	}
	for _, job := range b.runAll(t, changes...) {
		if job.State != tasks.StateSucceeded {
			t.Errorf("got %s %v", job.State, job.Error)
		}
	}
}

// The switch is held until the request to cancel has been seen, and the row put back.
func TestCancelPutsBack(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	b.provisioned(t, b.gateway("", "carrier", carrier()))
	rows := testbed.GatewayRows(t, b.pool)
	held, release := b.switches[0].Hold("killgw")
	defer release()
	job, err := b.Submit(t.Context(), b.gateway("", "carrier", carrier("password", "new", "description", "new")))
	must(t, err)
	<-held
	_, err = b.Cancel(t.Context(), job.ID, tenant.All)
	must(t, err)
	pbxtest.Eventually(t, "the row is put back", func() bool { return testbed.GatewayRows(t, b.pool) == rows })
	release()
	if job = b.ended(t, job); job.State != tasks.StateCancelled {
		t.Fatalf("got %s %v, want cancelled", job.State, job.Error)
	}
	if got := testbed.GatewayRows(t, b.pool); got != rows {
		t.Fatalf("the rows changed:\n%s\nfrom\n%s", got, rows)
	}
}

func TestSecretsStayOut(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	b.run(t, b.gateway("", "carrier", carrier("password", "Sesame-4711")))
	b.run(t, b.gateway("", "carrier", carrier("password", "Sesame-4711", "profile", "nosuch")))
	var job string
	must(t, b.pool.QueryRow(t.Context(), `select string_agg(j::text, '') from trunkline.jobs j`).Scan(&job))
	for where, text := range map[string]string{"the job rows": job, "the log": b.log.String()} {
		if strings.Contains(text, "Sesame-4711") {
			t.Errorf("%s hold the password", where)
		}
	}
}

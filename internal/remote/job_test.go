package remote

import (
	"net/http"
	"testing"

	"trunkline/internal/client"
)

const testJob2 = "0190f3c2-7d1e-7c55-b2a4-5a1f6f0e9a12"

// One job that cannot be cancelled keeps no other from it.
func TestCancelOfSeveral(t *testing.T) {
	t.Parallel()
	sc := &scene{api: answers{
		"POST /v1/jobs/" + testJob + "/cancel":  says(http.StatusConflict, `{"code":"job_state","detail":"it has ended"}`),
		"POST /v1/jobs/" + testJob2 + "/cancel": says(http.StatusOK, `{"job_id":"`+testJob2+`","state":"cancelled","done":true}`),
	}}
	sc.run(t, jobCancelCommand{Jobs: []string{testJob, testJob2}}).wants(t, 1, "job "+testJob+": it has ended", "job "+testJob2+" is "+client.Cancelled)
	new(scene).run(t, jobCancelCommand{Jobs: []string{testJob, "../tokens"}}).wants(t, 1, "jobs list") // nothing is cancelled
}

// A flag that would mean nothing is refused.
func TestFlagsThatMeanNothing(t *testing.T) {
	t.Parallel()
	new(scene).run(t, jobShowCommand{Job: testJob, ItemState: "failed"}).wants(t, 1, "--item-state", "--items")
	new(scene).run(t, gatewayGetCommand{ID: gateway1, Domain: "a.example"}).wants(t, 1, "--domain", "--external-id")
	new(scene).run(t, gatewayReconcileCommand{IDs: []string{gateway1}, Domain: "a.example", Yes: true}).wants(t, 1, "--domain", "--all")
}

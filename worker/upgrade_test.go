package worker_test

import (
	"strings"
	"testing"

	"trunkline/internal/pbxtest/sample"
	"trunkline/tasks"
)

// upgrade makes of a 5.4's gateways what 5.5 made of them.
const upgrade = "alter table v_gateways alter enabled type boolean using enabled::boolean, alter register type boolean using register::boolean"

// FusionPBX is upgraded while the worker runs, which takes its tables away for a moment: a job waits for them, and
// writes by the columns that there are then.
func TestJobsSurviveAnUpgradeOfFusionPBX(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{version: sample.V54})
	b.sweeping(t)
	b.provisioned(t, b.gateway("", "before", carrier()))
	_, err := b.pool.Exec(t.Context(), "alter table v_gateways rename to v_gateways_away")
	must(t, err)
	job, err := b.Submit(t.Context(), b.gateway("", "carrier", carrier()))
	must(t, err)
	note := b.asleep(t, job)
	if !strings.Contains(note, "upgraded") || strings.Contains(note, "v_gateways") {
		t.Errorf("the job's note is %q", note)
	}
	_, err = b.pool.Exec(t.Context(), "alter table v_gateways_away rename to v_gateways; "+upgrade)
	must(t, err)
	if job = b.ended(t, job); job.State != tasks.StateSucceeded {
		t.Errorf("it %s: %v", job.State, job.Error)
	}
	b.provisioned(t, b.gateway("", "before", carrier("password", "other")))
}

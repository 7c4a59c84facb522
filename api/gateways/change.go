package gateways

import (
	"net/http"
	"slices"
	"strings"

	"trunkline/api/jobs"
	"trunkline/api/web"
	"trunkline/internal/gateway"
	"trunkline/tasks"
)

// changedGateway is what became of a gateway, at FusionPBX and at the switches.
type changedGateway struct {
	gateway.Result
	JobID string `json:"job_id,omitempty" format:"uuid"` // the job that did it; absent: there was nothing to do
}

// changing is a change of one gateway that a request asks for.
type changing struct {
	asked          // its params are what the worker resolves again
	resolved asked // as it is known now
	verb     string
	named    []string // how the request names the gateway
	action   string   // as the audit words it
	absent   bool     // there is no such gateway, and nothing is to be done about it
}

// change has a job change the gateway in its turn, and waits for it. What is wrong with the request is answered at
// once.
func (s *Service) change(r *web.Request, c changing) error {
	return s.jobs.Do(r, s.jobOf(r, c))
}

// jobOf is the change as a job.
func (s *Service) jobOf(r *web.Request, c changing) jobs.Asked {
	return jobs.Asked{
		NewJob: newJob(c.resolved.params, c.params, c.password),
		Body:   slices.Concat([]string{c.verb}, c.named, c.bodyParts()),
		Stands: func(job tasks.Job) error { return s.stands(r.Context(), job) },
		Action: c.action, What: c.resolved.params.Name,
		Check: func() (answered bool, err error) {
			if !c.absent {
				return false, s.check(r.Context(), c.resolved)
			}
			r.Answer(http.StatusOK, changedGateway{Result: gateway.Result{
				GatewayUUID: c.params.GatewayUUID, GatewayEnabled: "false", GatewayState: gateway.StateNotLoaded, GatewayStatus: statusDown,
				Action: gateway.Absent, Switches: []gateway.Shown{},
			}})
			return true, nil
		},
		Answer: func(job tasks.Job) error {
			result, err := jobs.ResultOf[gateway.Result](job)
			if err != nil {
				return err
			}
			setTag(r, result.ETag)
			status := http.StatusOK
			if result.Action == gateway.Created {
				status = http.StatusCreated
				r.SetHeader("Location", "/v1/gateways/"+result.GatewayUUID)
			}
			r.Answer(status, changedGateway{Result: result, JobID: job.ID})
			return nil
		},
	}
}

// statusDown is the status of a gateway that no call goes through.
const statusDown = "DOWN"

// conditionParts are what a request says beside its columns, as it counts for telling whether two requests ask for
// the same.
func conditionParts(p gateway.Request) (parts []string) {
	for name, value := range map[string]string{"only": string(p.Only), "do": p.Do, "copy of": p.CopyOf, "tags": strings.Join(p.IfMatch, ","), "reset": strings.Join(p.Reset, ",")} {
		if value != "" {
			parts = append(parts, name+" "+value)
		}
	}
	for name, is := range map[string]bool{"none": p.IfNoneMatch, "force": p.Force} {
		if is {
			parts = append(parts, name)
		}
	}
	slices.Sort(parts)
	return parts
}

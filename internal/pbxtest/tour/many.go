package tour

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// imported is the file of the bulk import: the gateway that is there already, as it is, and three new ones.
const imported = `name,host,user,secret
` + gatewayName + `,sip.carrier.example,account,a-demo-password
demo_berlin,sip.berlin.example,account,0049-30-secret
demo_paris,sip.paris.example,account,+33-secret
demo_rome,sip.rome.example,account,another-secret
`

// newGateways is how many gateways of the file are new.
const newGateways = 3

// bulkJob is what the tour reads of a bulk job.
type bulkJob struct {
	JobID  string          `json:"job_id"`
	State  string          `json:"state"`
	Error  json.RawMessage `json:"error"`
	Result struct {
		Counts map[string]int `json:"counts"`
	} `json:"result"`
}

// importGateways imports the file: first as a dry run, which has to change nothing.
func (t *Tour) importGateways(ctx context.Context) error {
	for _, run := range []struct {
		query string
		new   string // what the result counts the new gateways as
	}{{"dry_run=true&", "add"}, {"", "created"}} {
		var job bulkJob
		call := Call{Method: http.MethodPost, Path: "/v1/gateways/bulk?" + run.query + "wait=20", Token: t.token, CSV: imported}
		if err := t.show(ctx, call, http.StatusOK, &job); err != nil {
			return err
		}
		if job.State != "succeeded" || job.Result.Counts[run.new] != newGateways || job.Result.Counts["unchanged"] != 1 {
			return fmt.Errorf("the job is %s and counts %v: want %d of %q and 1 unchanged", job.State, job.Result.Counts, newGateways, run.new)
		}
	}
	return nil
}

// driftReport is what the tour reads of a report of drift.
type driftReport struct {
	Findings []struct {
		Kind        string `json:"kind"`
		GatewayUUID string `json:"gateway_uuid"`
	} `json:"findings"`
}

// repairDrift removes a gateway from the switch, and has Trunkline find and repair that.
func (t *Tour) repairDrift(ctx context.Context) error {
	uuid, err := t.uuidOf(ctx, "demo_berlin")
	if err != nil {
		return err
	}
	killed := "sofia profile external killgw " + uuid
	t.printf("freeswitch> %s\n%s", killed, t.Console(killed))
	look := Call{Method: http.MethodGet, Path: "/v1/gateways/drift?kind=not_loaded", Token: t.token}
	if err := t.untilFound(ctx, look, uuid); err != nil {
		return err
	}
	var drift driftReport
	if err := t.show(ctx, look, http.StatusOK, &drift); err != nil {
		return err
	}
	var job bulkJob
	repair := Call{Method: http.MethodPost, Path: "/v1/gateways/reconcile", Token: t.token, Form: url.Values{"ids": {uuid}, "wait": {"20"}}}
	if err := t.show(ctx, repair, http.StatusOK, &job); err != nil {
		return err
	}
	if job.State != "succeeded" {
		return fmt.Errorf("the job ended as %s: %s", job.State, job.Error)
	}
	drift = driftReport{}
	if err := t.show(ctx, look, http.StatusOK, &drift); err != nil {
		return err
	}
	if len(drift.Findings) != 0 {
		return fmt.Errorf("it is still found: %v", drift.Findings)
	}
	return nil
}

// untilFound waits until the report has the gateway alone: FreeSWITCH drops a killed gateway within two seconds.
func (t *Tour) untilFound(ctx context.Context, look Call, uuid string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := t.until(ctx, func() (bool, error) {
		got, err := t.Send(ctx, look)
		if err != nil {
			return false, err
		}
		var drift driftReport
		if err := json.Unmarshal(got.Body, &drift); err != nil {
			return false, fmt.Errorf("%w in %s", err, got.Body)
		}
		return len(drift.Findings) == 1 && drift.Findings[0].GatewayUUID == uuid, nil
	})
	if err != nil {
		return fmt.Errorf("that gateway %s is not loaded was not found: %w", uuid, err)
	}
	return nil
}

// uuidOf is that of the gateway of that name.
func (t *Tour) uuidOf(ctx context.Context, name string) (string, error) {
	got, err := t.Send(ctx, Call{Method: http.MethodPost, Path: "/app/gateways/provision_list.php", Token: t.token, Form: url.Values{}})
	if err != nil {
		return "", err
	}
	var list struct {
		Gateways []struct {
			UUID string `json:"gateway_uuid"`
			Name string `json:"gateway_name"`
		} `json:"gateways"`
	}
	if err := json.Unmarshal(got.Body, &list); err != nil {
		return "", fmt.Errorf("%w in %s", err, got.Body)
	}
	for _, g := range list.Gateways {
		if strings.EqualFold(g.Name, name) {
			return g.UUID, nil
		}
	}
	return "", errors.New("there is no gateway " + name)
}

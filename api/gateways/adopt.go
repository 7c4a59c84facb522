package gateways

import (
	"net/http"
	"strings"

	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/gateway"
	"trunkline/internal/postgres"
)

// adoptedGateway is a gateway that is known by an external_id.
type adoptedGateway struct {
	Action      string `json:"action" enum:"adopted,unchanged"`
	GatewayUUID string `json:"gateway_uuid" format:"uuid"`
	GatewayName string `json:"gateway_name"`
	ExternalID  string `json:"external_id"`
}

// adopt has a gateway that there is be known by the path's external_id from now on.
func (s *Service) adopt(r *web.Request) error {
	if err := noConditions(r); err != nil {
		return err
	}
	id, err := externalIDOf(r)
	if err != nil {
		return err
	}
	uuid := strings.ToLower(r.Params.Get("gateway_uuid"))
	if uuid == "" {
		return fault.Missing("gateway_uuid")
	}
	if !postgres.IsUUID(uuid) {
		return fault.Invalid("gateway_uuid", "is not a UUID")
	}
	t, err := s.byUUID(r, uuid)
	if err != nil {
		return err
	}
	if t.absent || t.Name == "" {
		return fault.Errorf(fault.NotFound, "gateway_uuid: there is no such gateway")
	}
	replace, err := r.Params.Flag("replace")
	if err == nil {
		err = stays(r, t.tenant())
	}
	if err != nil {
		return err
	}
	asked := t.Request
	asked.ExternalID = id
	job, pending, err := s.tasks.Pending(r.Context(), orderKeys(asked)...)
	if err != nil {
		return err
	}
	if pending {
		return &fault.Error{Code: fault.Conflict, JobID: job.ID, Message: "external_id: job " + job.ID + " about this gateway or this external_id has not ended; send the request again when it has"}
	}
	adopted, err := gateway.Adopt(r.Context(), s.pbx, asked, replace)
	if err != nil {
		return err
	}
	answer := adoptedGateway{Action: gateway.Unchanged, GatewayUUID: uuid, GatewayName: t.Name, ExternalID: id}
	if adopted {
		answer.Action = "adopted"
		r.Changed("gateway.adopt", "gateway "+uuid+" as "+id, t.DomainUUID)
	}
	r.Answer(http.StatusOK, answer)
	return nil
}

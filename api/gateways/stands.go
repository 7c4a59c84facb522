package gateways

import (
	"context"
	"errors"
	"fmt"

	"trunkline/api/jobs"
	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway"
	"trunkline/tasks"
)

// stands refuses a request that is repeated by its key if the gateway is no longer as the request's job left it: its
// result would say what is not so.
func (s *Service) stands(ctx context.Context, job tasks.Job) error {
	if job.State != tasks.StateSucceeded {
		return nil
	}
	result, err := jobs.ResultOf[gateway.Result](job)
	if err != nil {
		return err
	}
	row, err := s.standing(ctx, job.DomainUUID, result)
	if err != nil {
		return err
	}
	left := gateway.IsLeft(s.tasks.Keys(), job.Left, row)
	if job.Left == nil { // a job of the version before
		left = row != nil && fmt.Sprint(row.Enabled()) == result.GatewayEnabled || row == nil && result.Action == gateway.Deleted
	}
	if left {
		return nil
	}
	by := "in FusionPBX, or by a request that has not ended"
	later, found, err := s.tasks.Later(ctx, job)
	if err != nil {
		return err
	}
	if found && gateway.IsLeft(s.tasks.Keys(), later.Left, row) {
		by = "by job " + later.ID + " of " + later.CreatedByName
	}
	return fault.Errorf(fault.KeySuperseded, "Idempotency-Key: gateway %q is no longer as this key's request left it: it was changed %s; "+
		"nothing was done; look at it, and send what it is to be with a new key", result.GatewayName, by)
}

// standing is the gateway of the result as it stands, nil if there is none.
func (s *Service) standing(ctx context.Context, domainUUID string, result gateway.Result) (*fusionpbx.Gateway, error) {
	if result.Action == gateway.Deleted || result.Action == gateway.Absent {
		rows, err := s.db.GatewaysByLabel(ctx, domainUUID, result.GatewayName)
		if err != nil || len(rows) == 0 {
			return nil, err
		}
		return &rows[0], nil
	}
	row, err := s.db.GatewayByUUID(ctx, result.GatewayUUID)
	if errors.Is(err, fusionpbx.ErrNotFound) {
		return nil, nil
	}
	return &row, err
}

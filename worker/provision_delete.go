package worker

import (
	"context"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway"
)

// checkDeletion asks every switch whether it answers: one that does not could keep the gateway for ever.
func (p *provisioning) checkDeletion(ctx context.Context, plan gateway.Plan) error {
	if plan.Action == gateway.Absent {
		return nil
	}
	row := plan.Row.Clone()
	row.Set("enabled", "false") // what is not to be loaded needs no profile that runs
	return eachSwitch(p.w.reload, func(_ int, sw *reloader) error {
		_, err := sw.ready(ctx, row)
		return err
	})
}

// planDeletion goes on where an earlier attempt of this job deleted the row.
func (p *provisioning) planDeletion(plan gateway.Plan) gateway.Plan {
	if written := p.secrets.Written; plan.Action == gateway.Absent && written != nil {
		return gateway.Plan{Row: written.Row, Previous: written.Previous, Action: gateway.Deleted}
	}
	return plan
}

// deleteRow deletes the row, where this attempt has one to delete, and returns what stood there. It also
// counts the dial plans that name the gateway: their calls fail from now on.
func (p *provisioning) deleteRow(ctx context.Context, tx pgx.Tx, plan gateway.Plan) (_ *gateway.Written, err error) {
	if plan.Action == gateway.Deleted {
		if p.routes, err = p.w.o.PBX.FusionPBX.In(tx).OutboundRoutes(ctx, plan.Row.UUID); err != nil {
			return nil, err
		}
	}
	if !plan.Delete {
		return p.secrets.Written, nil
	}
	files, err := p.filesBefore(plan)
	if err != nil {
		return nil, err
	}
	if err := p.w.o.PBX.FusionPBX.In(tx).DeleteGateway(ctx, plan.Row.UUID); err != nil {
		return nil, err
	}
	if err := p.run.ForgetRequests(ctx, tx, plan.Row.UUID); err != nil {
		return nil, err
	}
	return &gateway.Written{Row: plan.Row, Previous: plan.Previous, Deleted: true, Files: files}, nil
}

// insertAgain puts a deleted row back. The date of its first insert is that of today: FusionPBX shows it
// nowhere.
func (p *provisioning) insertAgain(ctx context.Context, tx pgx.Tx, row fusionpbx.Gateway) error {
	if err := p.w.o.PBX.FusionPBX.In(tx).InsertGateway(ctx, row, p.run.Job.CreatedBy); err != nil {
		return err
	}
	return p.w.o.PBX.FusionPBX.In(tx).RestoreGateway(ctx, row)
}

func (p *provisioning) deletionResult() gateway.Result {
	result := gateway.Result{
		GatewayUUID: p.params.GatewayUUID, GatewayName: p.params.Name, GatewayEnabled: "false",
		Action: p.action, Switches: []gateway.Shown{}, OutboundRoutes: p.routes,
	}
	result.GatewayState, result.GatewayStatus = gateway.StateOf(nil)
	if p.secrets.Written != nil {
		row := p.secrets.Written.Row
		result.GatewayUUID, result.GatewayDomain = row.UUID, row.Address()
	}
	return result
}

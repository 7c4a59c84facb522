// Package pbx is one PBX as a value: FusionPBX's database, its switches, and how gateways get from the
// one to the others. It knows nothing of jobs or HTTP, and does nothing to the PBX itself.
package pbx

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/freeswitch"
	"trunkline/internal/fusionpbx"
)

// PBX is one PBX. All its parts may be used from several goroutines.
type PBX struct {
	Pool      *pgxpool.Pool // FusionPBX's database, which also holds Trunkline's own schema
	FusionPBX *fusionpbx.DB // FusionPBX's tables in it
	Switches  []*freeswitch.Switch

	// GatewayMode is how gateways reach the switches; fusionpbx.ModeAuto or "": as FusionPBX says.
	GatewayMode fusionpbx.GatewayMode
	// SIPProfilesDir is the folder of the profiles' folders, for gateways that are kept as files; "": as
	// FusionPBX says.
	SIPProfilesDir string
}

// Mode is how gateways reach the switches now: fusionpbx.ModeDatabase or fusionpbx.ModeFile.
func (p *PBX) Mode(ctx context.Context) (fusionpbx.GatewayMode, error) {
	return p.FusionPBX.GatewayMode(ctx, p.GatewayMode)
}

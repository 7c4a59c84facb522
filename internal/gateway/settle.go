package gateway

import (
	"context"
	"errors"
	"time"

	"trunkline/internal/fault"
	"trunkline/internal/freeswitch"
	"trunkline/internal/pbx"
	"trunkline/internal/postgres"
)

// settling marks a profile or a gateway that is missing as what passes by itself if the switch has just come up, or the
// database, which FusionPBX's handler may have asked in vain.
func settling(ctx context.Context, p *pbx.PBX, sw *freeswitch.Switch, within time.Duration, err error) error {
	worded, ok := errors.AsType[*fault.Error](err)
	if !ok || worded.Code != fault.ProfileUnavailable && worded.Code != fault.GatewayNotLoaded {
		return err
	}
	status, statusErr := sw.Status(ctx)
	started, startErr := postgres.Value[time.Duration](ctx, p.Pool, "asking when the database started", "select now() - pg_postmaster_start_time()")
	worded.Passes = statusErr != nil || startErr != nil || status.Uptime < within || started < within
	return err
}

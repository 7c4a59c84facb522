package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway"
	"trunkline/tasks"
)

// afterEarlierAttempt undoes what an earlier attempt of this job wrote before err stopped this one.
func (p *provisioning) afterEarlierAttempt(ctx context.Context, err error) error {
	if p.secrets.Written == nil || errors.Is(err, tasks.ErrFenced) || databaseAway(err) {
		return err
	}
	if errors.Is(context.Cause(ctx), errShutdown) {
		return err
	}
	// Nobody knows how far the earlier attempt came.
	p.touched = slices.Repeat([]bool{true}, len(p.w.reload))
	return p.undo(ctx, err)
}

// undo puts back the row, where nobody changed it since, and the switches that were touched, and adds
// to the failure what stands where.
func (p *provisioning) undo(ctx context.Context, failed error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	written := p.secrets.Written
	restored, err := p.restoreRow(ctx)
	if errors.Is(err, tasks.ErrFenced) || databaseAway(err) {
		return err
	}
	stands := "the PBX is as it was before"
	switch {
	case err != nil:
		stands = fmt.Sprintf("the gateway's new row stands in FusionPBX, since it could not be put back: %v", err)
	case !restored:
		stands = "the gateway's row was changed by somebody else meanwhile and was left as it is now"
	}
	left := make([]string, 1+len(p.w.reload))
	if err := p.putFilesBack(ctx, restored); err != nil {
		left[0] = fmt.Sprintf("the file of gateway %s may not be what its row says: %v; then send the request again", written.Row.UUID, err)
	}
	_ = eachSwitch(p.w.reload, func(i int, sw *reloader) error { // what fails is said in left
		back := newChange(written.Row.UUID, written.Stands(), written.Previous)
		back.asItStands, back.folder, back.filesStand = !restored, p.folder, true
		// A switch where nothing was changed may well be the one that does not answer.
		if err := sw.apply(ctx, back); err != nil && p.touched[i] {
			left[1+i] = fmt.Sprintf("on switch %s gateway %s may still be loaded with the new settings (%v): once it answers, send the request again, "+
				"or remove it with: sofia profile %s killgw %s", sw.sw.Addr(), written.Row.UUID, err, written.Row.Profile(), written.Row.UUID)
		}
		return nil
	})
	left = slices.DeleteFunc(left, func(words string) bool { return words == "" })
	if len(left) > 0 {
		if restored {
			stands = "the row in FusionPBX is as it was before"
		}
		stands += "; " + strings.Join(left, "; ")
	}
	var failure *fault.Error
	if !errors.As(failed, &failure) {
		failure = &fault.Error{Code: fault.ServerError, Message: failed.Error()}
		if errors.Is(failed, errCancelRequested) || errors.Is(failed, context.Canceled) {
			failure = &fault.Error{Code: fault.Cancelled, Message: "cancelled while it ran"}
		}
	}
	return fault.Errorf(failure.Code, "%s (%s)", failure.Message, stands)
}

// restoreRow puts the previous row back, or deletes the new one, unless somebody changed it since.
func (p *provisioning) restoreRow(ctx context.Context) (restored bool, err error) {
	db, written := p.w.o.PBX.FusionPBX, p.secrets.Written
	err = pgx.BeginFunc(ctx, p.w.o.PBX.Pool, func(tx pgx.Tx) error {
		if err := db.In(tx).LockGateways(ctx, p.params.DomainUUID); err != nil {
			return err
		}
		// A retry of this job starts from the row that stands then.
		if err := p.run.SaveSecrets(ctx, tx, gateway.Secrets{Password: p.secrets.Password}); err != nil {
			return err
		}
		now, err := db.Locking(tx).GatewayByUUID(ctx, written.Row.UUID)
		if errors.Is(err, fusionpbx.ErrNotFound) {
			if restored = written.Deleted; restored {
				return p.insertAgain(ctx, tx, *written.Previous)
			}
			restored = written.Previous == nil
			return nil
		}
		if err != nil || written.Deleted {
			return err
		}
		if !now.Same(written.Row, fusionpbx.GatewayColumns...) {
			return nil
		}
		restored = true
		if written.Previous == nil {
			return db.In(tx).DeleteGateway(ctx, written.Row.UUID)
		}
		return db.In(tx).RestoreGateway(ctx, *written.Previous)
	})
	return restored && err == nil, err
}

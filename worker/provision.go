package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"trunkline/internal/fault"
	"trunkline/internal/freeswitch"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway"
	"trunkline/internal/gateway/file"
	"trunkline/tasks"
)

const (
	// writeTimeout bounds writing the row, which a request to cancel does not interrupt.
	writeTimeout = 20 * time.Second
	// undoTimeout bounds putting things back after a failure: it may have to wait for the round in
	// progress before its own.
	undoTimeout = 3 * roundTimeout
	// registerPoll is how often a gateway that is waited for is looked at.
	registerPoll = 100 * time.Millisecond
)

// provision makes, changes or deletes one gateway, in the order that is safe on a real switch: everything is
// checked first, then the row is written, then each switch takes it up and shows that it did. A
// failure puts the row and the switches back, or says exactly what stands where.
func (w *Worker) provision(ctx context.Context, r *run) (any, error) {
	p := &provisioning{w: w, run: r}
	if err := json.Unmarshal(r.Job.Params, &p.params); err != nil {
		return nil, fault.Errorf(fault.ServerError, "the job's parameters cannot be read: %w", err)
	}
	if err := r.Secrets(&p.secrets); err != nil {
		return nil, fault.Errorf(fault.ServerError, "%w; use the same key in every process, then send the request again", err)
	}
	unlock, err := w.gateways.lock(ctx, p.params.DomainUUID+":"+p.params.Name)
	if err != nil {
		return nil, p.afterEarlierAttempt(ctx, err)
	}
	defer unlock()
	if p.folder, err = file.FindFolder(ctx, w.o.PBX); err != nil {
		return nil, p.afterEarlierAttempt(ctx, err)
	}
	shown, err := p.show(ctx)
	if err != nil {
		return nil, err
	}
	if shown {
		return p.result(), nil
	}
	if err := p.check(ctx); err != nil {
		return nil, p.afterEarlierAttempt(ctx, err)
	}
	if err := p.write(ctx); err != nil {
		return nil, p.afterEarlierAttempt(ctx, err)
	}
	if err := p.load(ctx); err != nil {
		if errors.Is(err, tasks.ErrFenced) || errors.Is(context.Cause(ctx), errShutdown) {
			return nil, err
		}
		return nil, p.undo(ctx, err)
	}
	if err := p.waitFor(ctx); err != nil {
		return nil, err
	}
	return p.result(), nil
}

// provisioning is one attempt at a provision job.
type provisioning struct {
	w       *Worker
	run     *run
	params  gateway.Request
	secrets gateway.Secrets
	folder  *file.Folder // where gateways are kept as files; nil: in the database
	action  string
	changes []*change // one a switch, in the order of the settings
	touched []bool    // the switches where something may have been changed
	routes  int       // the dial plans that still name a gateway that was deleted
}

// show looks at a gateway of which nothing is asked, and changes nothing. It reports false where there is
// more to do.
func (p *provisioning) show(ctx context.Context) (bool, error) {
	if p.params.Asks(p.secrets.Password) {
		return false, nil
	}
	existing, err := p.w.o.PBX.FusionPBX.GatewaysByLabel(ctx, p.params.DomainUUID, p.params.Name)
	if err != nil || len(existing) != 1 {
		return false, err
	}
	row := existing[0]
	p.action = gateway.Unchanged
	p.secrets.Written = &gateway.Written{Row: row, Previous: &row}
	p.changes = make([]*change, len(p.w.reload))
	return true, eachSwitch(p.w.reload, func(i int, sw *reloader) error {
		c := newChange(row.UUID, &row, &row)
		p.changes[i] = c
		var err error
		if c.meant, err = sw.meant(ctx, row); err != nil {
			return sw.sw.Fault(err)
		}
		seen, err := sw.sw.Gateway(ctx, row.UUID)
		switch {
		case err == nil:
			c.seen = &seen
		case !errors.Is(err, freeswitch.ErrNoGateway):
			return sw.sw.Fault(err)
		}
		return nil
	})
}

// check plans the row and asks every switch for it, so that nothing is written where it could not
// take effect.
func (p *provisioning) check(ctx context.Context) error {
	existing, err := p.w.o.PBX.FusionPBX.GatewaysByLabel(ctx, p.params.DomainUUID, p.params.Name)
	if err != nil {
		return err
	}
	plan, err := p.plan(existing)
	if err != nil {
		return err
	}
	if p.params.Delete {
		return p.checkDeletion(ctx, plan)
	}
	if err := p.checkProfile(ctx, plan.Row); err != nil {
		return err
	}
	meant := make([]bool, len(p.w.reload))
	err = eachSwitch(p.w.reload, func(i int, sw *reloader) error {
		var err error
		meant[i], err = sw.ready(ctx, plan.Row)
		return err
	})
	if err != nil {
		return err
	}
	if p.folder != nil && plan.Row.Enabled() {
		if err := p.folder.Writable(plan.Row.Profile()); err != nil {
			return fileFailure(err)
		}
		// Every switch that reads the folder loads whatever is in it.
		if slices.Contains(meant, true) && slices.Contains(meant, false) {
			return fault.Errorf(fault.InvalidGateway, "hostname: gateways are kept as files here, which cannot be for %q alone; leave hostname empty", plan.Row.Get("hostname"))
		}
	}
	if slices.Contains(meant, true) {
		return nil
	}
	return fault.Errorf(fault.InvalidGateway, "hostname: %q is none of the switches' names, so none of them would load the gateway; "+
		"leave hostname empty for all switches", plan.Row.Get("hostname"))
}

// checkProfile refuses an enabled gateway of a profile that FusionPBX does not have enabled. A disabled
// one may name any: suspending must work.
func (p *provisioning) checkProfile(ctx context.Context, row fusionpbx.Gateway) error {
	if !row.Enabled() {
		return nil
	}
	enabled, err := p.w.o.PBX.FusionPBX.ProfileEnabled(ctx, row.Profile())
	if err != nil {
		return err
	}
	if !enabled {
		return fault.Errorf(fault.ProfileUnavailable, "profile: there is no enabled SIP profile %q in FusionPBX, so FreeSWITCH would never load the gateway; "+
			"name an enabled profile or enable this one", row.Profile())
	}
	return nil
}

// plan merges the request with the row that stands. After an earlier attempt of this job that row may
// be the one it wrote: what stood before it is in the job's secrets.
func (p *provisioning) plan(existing []fusionpbx.Gateway) (gateway.Plan, error) {
	newUUID := uuid.NewString()
	if p.secrets.Written != nil {
		newUUID = p.secrets.Written.Row.UUID
	}
	mode := fusionpbx.ModeDatabase
	if p.folder != nil {
		mode = fusionpbx.ModeFile
	}
	plan, failure := gateway.NewPlan(mode, existing, p.params, p.secrets.Password, newUUID)
	if failure != nil {
		return gateway.Plan{}, failure
	}
	if p.params.Delete {
		return p.planDeletion(plan), nil
	}
	// Where somebody changed the row since, theirs is the one to put back.
	if written := p.secrets.Written; written != nil && (plan.Insert || plan.Previous.Same(written.Row, fusionpbx.GatewayColumns...)) {
		plan.Replace(written.Previous)
	}
	return plan, nil
}

// write writes the row, and seals the one that stood there into the job, in one transaction. It is
// finished even where the job is being cancelled: half a commit could not be undone.
func (p *provisioning) write(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	db := p.w.o.PBX.FusionPBX
	secrets := p.secrets
	err := pgx.BeginFunc(ctx, p.w.o.PBX.Pool, func(tx pgx.Tx) error {
		if err := db.In(tx).LockGateways(ctx, p.params.DomainUUID); err != nil {
			return err
		}
		existing, err := db.Locking(tx).GatewaysByLabel(ctx, p.params.DomainUUID, p.params.Name)
		if err != nil {
			return err
		}
		plan, err := p.plan(existing)
		if err != nil {
			return err
		}
		switch {
		case plan.Insert:
			err = db.In(tx).InsertGateway(ctx, plan.Row, p.run.Job.CreatedBy)
		case plan.Update:
			err = db.In(tx).UpdateGateway(ctx, plan.Row, p.run.Job.CreatedBy)
		case p.params.Delete:
			p.action = plan.Action
			secrets.Written, err = p.deleteRow(ctx, tx, plan)
			if err != nil {
				return err
			}
			return p.run.SaveSecrets(ctx, tx, secrets)
		}
		if err != nil {
			return err
		}
		// Read back as the database keeps it, so that later comparisons compare like with like.
		row, err := db.In(tx).GatewayByUUID(ctx, plan.Row.UUID)
		if err != nil {
			return err
		}
		files, err := p.filesBefore(plan)
		if err != nil {
			return err
		}
		p.action = plan.Action
		secrets.Written = &gateway.Written{Row: row, Previous: plan.Previous, Files: files}
		return p.run.SaveSecrets(ctx, tx, secrets)
	})
	if err != nil {
		return err
	}
	p.secrets = secrets
	return nil
}

// filesBefore reads the gateway's files as they stand, for putting them back; nil in database mode. Those
// that an earlier attempt of this job found are what counts, where its row is still the one to replace.
func (p *provisioning) filesBefore(plan gateway.Plan) ([]file.File, error) {
	if p.folder == nil {
		return nil, nil
	}
	// The plan holds what that attempt found, and not a copy, where it still counts.
	if written := p.secrets.Written; written != nil && written.Files != nil && plan.Previous == written.Previous {
		return written.Files, nil
	}
	files, err := p.folder.Files(plan.Row.UUID)
	if err != nil {
		return nil, fileFailure(err)
	}
	return files, nil
}

// load has every switch take up the row as it stands, and see that it did.
func (p *provisioning) load(ctx context.Context) error {
	written := p.secrets.Written
	if written == nil {
		return nil // nothing was there to delete
	}
	p.changes = make([]*change, len(p.w.reload))
	p.touched = make([]bool, len(p.w.reload))
	return eachSwitch(p.w.reload, func(i int, sw *reloader) error {
		c := newChange(written.Row.UUID, written.Previous, written.Stands())
		c.asked, c.folder = p.params.Asks(p.secrets.Password), p.folder
		err := sw.apply(ctx, c)
		if errors.Is(err, errAbandoned) {
			p.touched[i] = true
			return context.Cause(ctx)
		}
		p.changes[i], p.touched[i] = c, c.touched
		return err
	})
}

// waitFor waits until the gateway is registered, where the caller asked for that. What was written and
// loaded stays whatever comes of it: the carrier may still accept it.
func (p *provisioning) waitFor(ctx context.Context) error {
	if p.params.Delete {
		return nil
	}
	row := p.secrets.Written.Row
	if p.params.WaitFor != gateway.WaitForRegistered || row.Get("register") != "true" || !row.Enabled() {
		return nil
	}
	if err := p.settle(ctx); err != nil {
		return err
	}
	err := p.untilRegistered(ctx)
	switch cause := context.Cause(ctx); {
	case err == nil || errors.Is(cause, errShutdown):
		return err
	case errors.Is(cause, errCancelRequested):
		return fault.Errorf(fault.Cancelled, "the gateway is configured and loaded; waiting for it to register was cancelled")
	case cause != nil:
		return fault.Errorf(fault.Timeout, "the gateway is configured and loaded, and did not register in time; look at its state and at the carrier's answer")
	}
	return fault.Errorf(fault.SwitchUnavailable, "the gateway is configured and loaded; whether it registers is not known: %w", err)
}

// settle takes what stood before out of the job: from here on a retry starts from the new row.
func (p *provisioning) settle(ctx context.Context) error {
	return pgx.BeginFunc(ctx, p.w.o.PBX.Pool, func(tx pgx.Tx) error {
		return p.run.SaveSecrets(ctx, tx, gateway.Secrets{Password: p.secrets.Password})
	})
}

func (p *provisioning) untilRegistered(ctx context.Context) error {
	tick := time.NewTicker(registerPoll)
	defer tick.Stop()
	for {
		up := true
		for i, sw := range p.w.reload {
			c := p.changes[i]
			if c.seen == nil || c.seen.Up() {
				continue
			}
			seen, err := sw.sw.Gateway(ctx, c.uuid)
			if err != nil {
				return sw.sw.Fault(err)
			}
			c.seen, up = &seen, up && seen.Up()
		}
		if up {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (p *provisioning) result() gateway.Result {
	if p.params.Delete {
		return p.deletionResult()
	}
	row := p.secrets.Written.Row
	result := gateway.Result{
		GatewayUUID:    row.UUID,
		GatewayName:    row.Label(),
		GatewayDomain:  row.Address(),
		GatewayEnabled: fmt.Sprint(row.Enabled()),
		Action:         p.action,
	}
	seen := make([]*freeswitch.Gateway, 0, len(p.changes))
	for i, sw := range p.w.reload {
		if !p.changes[i].meant {
			continue
		}
		seen = append(seen, p.changes[i].seen)
		result.Switches = append(result.Switches, gateway.ShownBy(sw.sw.Addr(), p.changes[i].seen))
	}
	result.GatewayState, result.GatewayStatus = gateway.StateOf(seen)
	return result
}

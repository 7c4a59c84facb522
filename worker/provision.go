package worker

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/fault"
	"trunkline/internal/gateway"
	"trunkline/tasks"
)

// provision makes, changes or deletes one gateway.
func (w *Worker) provision(ctx context.Context, r *run) (any, error) {
	var asked gateway.Request
	if err := json.Unmarshal(r.Job.Params, &asked); err != nil {
		return nil, fault.Errorf(fault.ServerError, "the job's parameters cannot be read: %w", err)
	}
	// A job that is cancelled between two attempts comes as far as to put back what the first one wrote.
	reading, stop := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer stop()
	resolved, err := gateway.Resolve(reading, w.o.PBX, asked)
	if err != nil {
		return nil, err
	}
	// A suspension or a deletion is never given up because a switch is away: one that starts reads the rows.
	r.patient = resolved.Stops()
	j := &sealedJournal{run: r, asked: resolved}
	if err := r.Secrets(&j.secrets); err != nil {
		return nil, fault.Errorf(fault.ServerError, "%w; use the same key in every process, then send the request again", err)
	}
	j.known = knownBefore(&asked, &resolved, j.secrets.Written)
	asked = resolved
	if err := w.stillLeft(reading, j, asked); err != nil {
		return nil, err
	}
	change := &gateway.Change{Request: asked, Password: j.secrets.Password, By: r.Job.CreatedBy}
	outcome := w.applier.Apply(ctx, []*gateway.Change{change}, j)[0]
	for _, id := range j.superseded {
		w.o.Tasks.Finished(ctx, id)
	}
	if outcome.Err != nil {
		w.keepLeft(ctx, j, asked, outcome)
		return nil, outcome.Err
	}
	result := outcome.Result()
	if result.Action == gateway.Deleted {
		if err := gateway.ForgetExternally(ctx, w.o.PBX.Pool, []string{result.GatewayUUID}); err != nil {
			r.log.Warn("the deleted gateway's external_id is kept; it names nothing", "error", err)
		}
	}
	if asked.WaitFor == gateway.WaitForRegistered && outcome.Registers() {
		return nil, r.awaitOutcome(ctx, result, "the gateway is configured and loaded; waiting for it to register")
	}
	if result.Action == gateway.Unchanged {
		history, err := gateway.ReadHistory(ctx, w.o.PBX.Pool, []string{result.GatewayUUID})
		if err != nil {
			return nil, err
		}
		history.AddTo(result.GatewayUUID, result.Switches)
	}
	return result, nil
}

// sealedJournal keeps what stood before a job's one change in its sealed part, as this attempt's.
type sealedJournal struct {
	run     *run
	asked   gateway.Request
	secrets gateway.Secrets
	known   bool // the gateway has its external_id from before
	// superseded are the jobs that this change ended, because they waited for what it replaced.
	superseded []string
}

// Earlier is what an earlier attempt at this job wrote.
func (j *sealedJournal) Earlier() map[int]*gateway.Written {
	return map[int]*gateway.Written{0: j.secrets.Written}
}

// Keep seals it into the job's row.
func (j *sealedJournal) Keep(ctx context.Context, tx pgx.Tx, batch *pgx.Batch, entries map[int]*gateway.Written) error {
	written := entries[0]
	err := j.run.keepBeside(ctx, tx, batch, []kept{{asked: &j.asked, known: j.known, written: written}}, &j.superseded)
	if err != nil {
		return err
	}
	return j.run.SaveSecrets(batch, gateway.Secrets{Password: j.secrets.Password, Written: written})
}

// HandsOver reports whether another attempt goes on.
func (j *sealedJournal) HandsOver(err error) bool { return j.run.handsOver(err) }

// Note shows with the job's progress.
func (j *sealedJournal) Note(text string) { j.run.report(tasks.Progress{Note: text}) }

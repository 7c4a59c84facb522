package worker

import (
	"context"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/gateway"
)

// keepLeft seals into a failed job which rows it leaves behind: it is retried only while they stand. Those
// of an attempt that does not know what it leaves are not kept.
func (w *Worker) keepLeft(ctx context.Context, j *sealedJournal, asked gateway.Request, o gateway.Outcome) {
	if !o.Settled || j.HandsOver(o.Err) || j.HandsOver(context.Cause(ctx)) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	err := pgx.BeginFunc(ctx, w.o.PBX.Pool, func(tx pgx.Tx) error {
		rows, err := gateway.Existing(ctx, w.o.PBX.FusionPBX.In(tx), asked)
		if err != nil {
			return err
		}
		return j.run.SaveSecrets(ctx, tx, gateway.Secrets{Password: j.secrets.Password, Left: &gateway.Standing{Rows: rows}})
	})
	if err != nil {
		j.run.log.Warn("what the job leaves is not kept, so that it cannot be retried", "error", err)
	}
}

// stillLeft fails a retry whose gateway was changed after the retry was accepted, by a job that had its turn before
// or on FusionPBX's page: the old request would undo that.
func (w *Worker) stillLeft(ctx context.Context, j *sealedJournal, asked gateway.Request) error {
	if !j.secrets.Retried {
		return nil
	}
	rows, err := gateway.Existing(ctx, w.o.PBX.FusionPBX, asked)
	if err != nil {
		return err
	}
	return j.secrets.Left.Check(rows)
}

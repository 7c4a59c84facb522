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
		batch := &pgx.Batch{}
		if err := j.run.SaveSecrets(batch, gateway.Secrets{Password: j.secrets.Password, Left: &gateway.Standing{Rows: rows}}); err != nil {
			return err
		}
		return tx.SendBatch(ctx, batch).Close()
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

// keepLeft seals into failed items which rows they leave behind: they are retried only while those stand.
func (b *bulk) keepLeft(ctx context.Context, items []*bulkItem) {
	if len(items) == 0 {
		return
	}
	err := pgx.BeginFunc(ctx, b.o.PBX.Pool, func(tx pgx.Tx) error {
		rows, err := gateway.ExistingOfAll(ctx, b.o.PBX.FusionPBX.In(tx), requests(items))
		if err != nil {
			return err
		}
		secrets := make(map[int]any, len(items))
		for i, item := range items {
			secrets[item.number] = gateway.Secrets{Password: item.Password, Left: &gateway.Standing{Rows: rows[i]}}
		}
		return b.SaveItemSecrets(ctx, tx, secrets)
	})
	if err != nil {
		b.log.Warn("what the failed items leave is not kept, so that they cannot be retried", "error", err)
	}
}

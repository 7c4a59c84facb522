package tasks

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/postgres"
)

// Steps are what earlier attempts have done that this one need not do again, in their order.
func (a *Attempt) Steps(ctx context.Context) ([]json.RawMessage, error) {
	return postgres.Rows(ctx, a.client.pool, "reading the steps of job "+a.Job.ID, pgx.RowTo[json.RawMessage],
		"select content from trunkline.steps where job_id = $1 order by number", a.Job.ID)
}

// KeepSteps records steps, the first of which has that number, in place of those that were recorded under theirs, and has
// also, if it is not nil, write in the same transaction. ErrFenced: the job is no longer this attempt's.
func (a *Attempt) KeepSteps(ctx context.Context, first int, steps []any, also func(pgx.Tx) error) error {
	contents := make([]string, len(steps))
	for i, step := range steps {
		content, err := json.Marshal(step)
		if err != nil {
			return fmt.Errorf("encoding a step of job %s: %w", a.Job.ID, err)
		}
		contents[i] = string(content)
	}
	return pgx.BeginFunc(ctx, a.client.pool, func(tx pgx.Tx) error {
		if err := a.Fence(ctx, tx); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `
			insert into trunkline.steps (job_id, number, content)
			select $1, $2 + step.number - 1, step.content::json from unnest($3::text[]) with ordinality as step (content, number)
			on conflict (job_id, number) do update set content = excluded.content`, a.Job.ID, first, contents)
		if err != nil {
			return fmt.Errorf("recording steps of job %s: %w", a.Job.ID, err)
		}
		if also != nil {
			return also(tx)
		}
		return nil
	})
}

// ForgetSteps forgets all steps, in the caller's transaction.
func (a *Attempt) ForgetSteps(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, "delete from trunkline.steps where job_id = $1", a.Job.ID); err != nil {
		return fmt.Errorf("forgetting the steps of job %s: %w", a.Job.ID, err)
	}
	return nil
}

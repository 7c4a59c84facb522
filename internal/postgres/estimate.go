package postgres

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// EstimatedRows is how many rows the planner takes a table to have, its partitions together: what there was when it was
// last analysed, scaled to its present size. One that never was is judged by its size and its columns, which can be
// several times too few or too many.
func EstimatedRows(ctx context.Context, q Querier, table pgx.Identifier) (int64, error) {
	doing := "estimating the rows of " + table.Sanitize()
	explained, err := Value[[]byte](ctx, q, doing, "explain (format json) select from "+table.Sanitize())
	if err != nil {
		return 0, err
	}
	var plans []struct {
		Plan struct {
			Rows float64 `json:"Plan Rows"`
		}
	}
	if err := json.Unmarshal(explained, &plans); err != nil || len(plans) != 1 {
		return 0, fmt.Errorf("%s: there is no plan in what the server explains: %w", doing, err)
	}
	return int64(plans[0].Plan.Rows), nil
}

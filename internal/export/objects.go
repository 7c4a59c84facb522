package export

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// Objects reads a few rows as JSON objects, as they stand in a file of JSON. Of the options Columns, Location and Layout
// count.
func Objects(ctx context.Context, tx pgx.Tx, sql string, args []any, o Options) ([]json.RawMessage, error) {
	statement, err := tx.Conn().Prepare(ctx, "", sql)
	if err != nil {
		return nil, fmt.Errorf("preparing the query: %w", err)
	}
	columns, err := newColumns(statement.Fields, o)
	if err != nil {
		return nil, err
	}
	inFile, err := fileColumns(columns, o)
	if err != nil {
		return nil, err
	}
	o.Format = NDJSON
	encoder, _, err := newEncoder(inFile, len(columns), o)
	if err != nil {
		return nil, err
	}
	encoder.begin(true)
	rows, err := tx.Query(ctx, sql, append([]any{pgx.QueryExecModeDescribeExec, wireFormats(columns)}, args...)...)
	if err != nil {
		return nil, fmt.Errorf("the query's arguments: %w", err)
	}
	defer rows.Close()
	var objects []json.RawMessage
	for rows.Next() {
		line, err := encoder.row(nil, rows.RawValues())
		if err != nil {
			return nil, err
		}
		objects = append(objects, slices.Clip(line[:len(line)-1])) // without its line end
	}
	return objects, rows.Err()
}

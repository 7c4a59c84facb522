package cdr

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/export"
	"trunkline/internal/fusionpbx"
)

// Look reads a page of the CDRs that the request asks for, the newest first, as JSON objects of its columns. Errors:
// fusionpbx.ErrNotFound, as CDRPageQuery says.
func Look(ctx context.Context, tx pgx.Tx, db *fusionpbx.DB, r Request, after string, limit int) ([]json.RawMessage, error) {
	db = db.In(tx)
	sql, args, err := db.CDRPageQuery(ctx, fusionpbx.CDRPage{CDRFilter: r.Holds(), After: after, Limit: limit})
	if err != nil {
		return nil, err
	}
	return r.objects(ctx, tx, db, sql, args)
}

// LookAt reads one CDR with all columns that there are in FusionPBX's table. Errors: fusionpbx.ErrNotFound, if there is none
// of that UUID, or it is of another domain than the request's.
func LookAt(ctx context.Context, tx pgx.Tx, db *fusionpbx.DB, r Request, uuid string) (json.RawMessage, error) {
	r.Columns = fusionpbx.AllCDRColumns()
	sql, args, err := db.OneCDRQuery(r.Holds(), uuid)
	if err != nil {
		return nil, err
	}
	found, err := r.objects(ctx, tx, db.In(tx), sql, args)
	if err == nil && len(found) == 0 {
		err = fusionpbx.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return found[0], nil
}

func (r Request) objects(ctx context.Context, tx pgx.Tx, db *fusionpbx.DB, sql string, args []any) ([]json.RawMessage, error) {
	location, err := r.location()
	if err != nil {
		return nil, err
	}
	columns, err := r.inFile(ctx, db)
	if err != nil {
		return nil, err
	}
	return export.Objects(ctx, tx, sql, args, export.Options{Columns: columns, Location: location})
}

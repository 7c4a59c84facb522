package cdr

import (
	"context"
	"fmt"
	"time"

	"trunkline/internal/fault"
	"trunkline/internal/postgres"
)

// replicaPoll is how often it is looked whether a replica has come far enough.
const replicaPoll = 200 * time.Millisecond

// awaitReplica waits until the replica has all that the primary has now, by its position in the log: by the time of what
// was replayed last a replica looks old when nothing happens, and up to date when it has lost its primary. Errors: a fault
// that passes, if that takes longer than ReplicaWait.
func (e Exporter) awaitReplica(ctx context.Context, note func(string)) error {
	position, err := postgres.Value[string](ctx, e.PBX.Pool, "asking the primary how far it is", "select pg_current_wal_lsn()::text")
	if err != nil {
		return err
	}
	deadline := time.Now().Add(e.ReplicaWait)
	for waiting := false; ; waiting = true {
		var standby bool
		var behind int64
		err := e.Rows.QueryRow(ctx, "select pg_is_in_recovery(), coalesce(pg_wal_lsn_diff($1::pg_lsn, pg_last_wal_replay_lsn()), 1)::bigint", position).Scan(&standby, &behind)
		switch {
		case postgres.Away(err):
			return &fault.Error{Code: fault.Unavailable, Passes: true, Cause: err, Message: "the replica does not answer; the export waits for it (TRUNKLINE_EXPORT_DATABASE_URL)"}
		case err != nil:
			return fmt.Errorf("asking the replica how far it is: %w", err)
		case !standby:
			return fault.Errorf(fault.ServerError, "TRUNKLINE_EXPORT_DATABASE_URL: that server is no standby, so that nobody knows whether it has all CDRs; name a standby of TRUNKLINE_DATABASE_URL's server, or leave the setting out")
		case behind <= 0:
			if waiting {
				note("")
			}
			return nil
		case time.Now().After(deadline):
			return &fault.Error{Code: fault.Unavailable, Passes: true, Message: fmt.Sprintf("the replica has been behind the primary for %s, by %s now; the export waits for it (TRUNKLINE_EXPORT_DATABASE_URL)", e.ReplicaWait, megabytes(uint64(behind)))}
		}
		note(fmt.Sprintf("waits for the replica, which is %s behind the primary", megabytes(uint64(behind))))
		select {
		case <-time.After(replicaPoll):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

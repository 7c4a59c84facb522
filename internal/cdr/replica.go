package cdr

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/fault"
	"trunkline/internal/postgres"
)

// replicaPoll is how often it is looked whether a replica has come far enough.
const replicaPoll = 200 * time.Millisecond

// replicaAnswer is how much longer than it may be behind a replica may take to answer.
const replicaAnswer = 5 * time.Second

// position is how far a server has come in its log, and which server it is: a standby is the same as its primary.
type position struct {
	Server int64
	LSN    string
}

// primaryPosition is where the primary is now. What a server with synchronous_commit off has acknowledged comes into its
// log a moment later: a commit that waits for the log takes it along.
func (e Exporter) primaryPosition(ctx context.Context) (at position, err error) {
	err = pgx.BeginFunc(ctx, e.PBX.Pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "set local synchronous_commit to local; select pg_logical_emit_message(true, 'trunkline', '')")
		return err
	})
	if err == nil {
		err = e.PBX.Pool.QueryRow(ctx, "select system_identifier, pg_current_wal_lsn()::text from pg_control_system()").Scan(&at.Server, &at.LSN)
	}
	if err != nil {
		return at, fmt.Errorf("asking the primary how far it is: %w", err)
	}
	return at, nil
}

// behind is how many bytes of the primary's log the replica has not replayed yet; what is not above 0 is none. Errors: a
// fault, which passes if the replica does not answer.
func (e Exporter) behind(ctx context.Context, primary position) (bytes int64, err error) {
	var standby, same bool
	err = e.Rows.QueryRow(ctx, `
		select pg_is_in_recovery(), system_identifier = $2, coalesce(pg_wal_lsn_diff($1::pg_lsn, pg_last_wal_replay_lsn()), 1)::bigint
		from pg_control_system()`, primary.LSN, primary.Server).Scan(&standby, &same, &bytes)
	switch {
	case postgres.Away(err), ctx.Err() != nil:
		return 0, &fault.Error{Code: fault.Unavailable, Passes: true, Cause: err, Message: "the replica does not answer; the export waits for it (TRUNKLINE_EXPORT_DATABASE_URL)"}
	case err != nil:
		return 0, fault.Errorf(fault.ServerError, "TRUNKLINE_EXPORT_DATABASE_URL: the standby refuses to say how far it is; check the user, the password and the database there: %w", err)
	case !standby || !same:
		return 0, fault.Errorf(fault.ServerError, "TRUNKLINE_EXPORT_DATABASE_URL: that server is no standby of TRUNKLINE_DATABASE_URL's, so that nobody knows whether it has all CDRs; name one, or leave the setting out")
	}
	return bytes, nil
}

// ReplicaBehind is how far the replica is behind the primary now, in words. Errors: a fault that says what to do.
func (e Exporter) ReplicaBehind(ctx context.Context) (string, error) {
	primary, err := e.primaryPosition(ctx)
	if err != nil {
		return "", err
	}
	bytes, err := e.behind(ctx, primary)
	return megabytes(uint64(max(bytes, 0))) + " behind the primary", err
}

// awaitReplica waits until the replica has all that the primary has now, by its position in the log: by the time of what
// was replayed last a replica looks old when nothing happens, and up to date when it has lost its primary. Errors: behind's,
// and a fault that passes, if it takes longer than ReplicaWait.
func (e Exporter) awaitReplica(ctx context.Context, note func(string)) error {
	primary, err := e.primaryPosition(ctx)
	if err != nil {
		return err
	}
	deadline := time.Now().Add(e.ReplicaWait)
	asking, cancel := context.WithDeadline(ctx, deadline.Add(replicaAnswer))
	defer cancel()
	for waiting := false; ; waiting = true {
		bytes, err := e.behind(asking, primary)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return err
		case bytes <= 0:
			if waiting {
				note("")
			}
			return nil
		case time.Now().After(deadline):
			return &fault.Error{Code: fault.Unavailable, Passes: true, Message: fmt.Sprintf("the replica has been behind the primary for %s, by %s now; the export waits for it (TRUNKLINE_EXPORT_DATABASE_URL)", e.ReplicaWait, megabytes(uint64(bytes)))}
		}
		note(fmt.Sprintf("waits for the replica, which is %s behind the primary", megabytes(uint64(bytes))))
		select {
		case <-time.After(replicaPoll):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

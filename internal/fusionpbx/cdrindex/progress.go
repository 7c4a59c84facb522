package cdrindex

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/postgres"
)

const (
	// progressEvery is how often it is told how far a build is.
	progressEvery = 3 * time.Second
	// lookTimeout bounds one look at that.
	lookTimeout = 5 * time.Second
)

// run runs a statement on the connection that builds, and tells on the way, every so often, how far it is.
func (b *builder) run(ctx context.Context, t table, sql string, every time.Duration) error {
	watching, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		b.watch(watching, t, every)
	}()
	_, err := b.conn.Exec(ctx, sql)
	stop()
	<-watched
	return err
}

func (b *builder) watch(ctx context.Context, t table, every time.Duration) {
	pid, began := b.conn.Conn().PgConn().PID(), time.Now()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		how, err := b.look(ctx, pid)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			how = fmt.Sprintf("goes on; how far it is cannot be read: %v", err)
		}
		b.tell(fmt.Sprintf("%s: %s, %s", t, time.Since(began).Round(time.Second), how))
	}
}

// look says in what phase the statement of that server process is, how much of it is done, and whom it waits for.
func (b *builder) look(ctx context.Context, pid uint32) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	// Blocks are counted while a table is scanned and tuples while they are sorted into the tree. What does not apply is 0.
	at, err := postgres.Rows(ctx, b.pool, "looking how far the index is", pgx.RowTo[string], `
		select phase || case
			when phase like '%scanning%' and blocks_total > 0 then format(', %s%% of %s blocks', 100 * blocks_done / blocks_total, blocks_total)
			when phase like '%tuples%' and tuples_total > 0 then format(', %s%% of %s rows', 100 * tuples_done / tuples_total, tuples_total)
			else '' end
		from pg_stat_progress_create_index where pid = $1`, pid)
	if err != nil {
		return "", err
	}
	blockers, err := b.blockers(ctx, pid)
	if err != nil {
		return "", err
	}
	if len(blockers) > 0 {
		at = append(at, "waits for the end of "+strings.Join(blockers, " and "))
	}
	if len(at) == 0 {
		return "under way", nil
	}
	return strings.Join(at, "; "), nil
}

// blockers are the transactions that the statement waits for. Of another role's there is less to see.
func (b *builder) blockers(ctx context.Context, pid uint32) ([]string, error) {
	return postgres.Rows(ctx, b.pool, "looking what the index waits for", func(row pgx.CollectableRow) (string, error) {
		var (
			pid               int32
			role, application string
			seconds           int64 // since it began; -1: not to be seen
		)
		if err := row.Scan(&pid, &role, &application, &seconds); err != nil {
			return "", err
		}
		if pid == 0 {
			return "a prepared transaction (pg_prepared_xacts)", nil
		}
		text := fmt.Sprintf("the transaction of Postgres process %d (role %q, application %q", pid, role, application)
		if seconds >= 0 {
			text += fmt.Sprintf(", for %s now", time.Duration(seconds)*time.Second)
		}
		return text + ")", nil
	}, `
		select b.pid, coalesce(a.usename, ''), coalesce(a.application_name, ''), coalesce(extract(epoch from now() - a.xact_start)::bigint, -1)
		from (select distinct unnest(pg_blocking_pids($1)) as pid) b left join pg_stat_activity a using (pid)
		order by 1`, pid)
}

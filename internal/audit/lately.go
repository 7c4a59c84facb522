package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/fault"
)

// Denied is an address that was denied.
type Denied struct {
	Address string     `json:"address"`
	LastAt  time.Time  `json:"last_at"`
	Times   int64      `json:"times"`
	Code    fault.Code `json:"code"` // the reason of the last denial
}

const (
	// deniedDays is how far back the denied addresses go.
	deniedDays = 7
	// maxDenied is how many of them are shown.
	maxDenied = 50
	// maxDeniedRows is how many of the newest denials are searched for them: a scan of this host leaves many.
	maxDeniedRows = 20_000
)

// DeniedLately returns the addresses that were denied for that reason in the last week, newest first.
func DeniedLately(ctx context.Context, pool *pgxpool.Pool, code string) ([]Denied, error) {
	rows, _ := pool.Query(ctx, `
		select address, max(last_at) as last_at, sum(times)::bigint as times, (array_agg(code order by last_at desc))[1] as code
		from (select address, last_at, times, code from trunkline.audit
			where kind = 'denial' and code = $1 and last_at > now() - make_interval(days => $2)
			order by last_at desc limit $3) latest
		group by address order by max(last_at) desc, address limit $4`,
		code, deniedDays, maxDeniedRows, maxDenied)
	denied, err := pgx.CollectRows(rows, pgx.RowToStructByName[Denied])
	if err != nil {
		return nil, fmt.Errorf("reading who was denied: %w", err)
	}
	return denied, nil
}

package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/fault"
)

// Entry is a denial or a change that was recorded, as callers and the command line see it.
type Entry struct {
	ID         string          `json:"id" format:"uuid"`
	At         time.Time       `json:"at"`      // when it happened, or the first of several denials that are alike
	LastAt     time.Time       `json:"last_at"` // when the last of them happened
	Times      int64           `json:"times"`   // how many denials within a minute were alike
	Kind       Kind            `json:"kind"`
	Address    string          `json:"address"`
	Who        string          `json:"who"`
	Action     string          `json:"action"` // a denial's endpoint, or what was done, such as token.revoke
	Subject    string          `json:"subject,omitempty"`
	Code       fault.Code      `json:"code,omitempty"`
	DomainUUID string          `json:"domain_uuid,omitempty" format:"uuid"`
	RequestID  string          `json:"request_id,omitempty"`
	Detail     json.RawMessage `json:"detail"`
}

// Filter says which entries a list shows: newest first, after the entry After ("" for the first page),
// at most Limit. "" and nil are any.
type Filter struct {
	Kind    Kind
	Action  string
	Who     string
	Address string
	Code    string
	Since   *time.Time
	Until   *time.Time
	// About are the uuids of gateways and jobs: changes whose subject names one of them are shown. nil: whatever they are about.
	About []string
	// DomainUUIDs are the domains whose entries are shown; nil: all entries, also those of no domain.
	DomainUUIDs []string
	After       string // an Entry's ID
	Limit       int
}

// aboutThem are the changes whose subject names one of the uuids, as the index audit_about has them.
const aboutThem = `(
	select * from trunkline.audit
	where kind = 'change' and coalesce(substring(subject from ' job ([0-9a-f-]{36})$'), substring(subject from '^gateway ([0-9a-f-]{36}) as ')) = any($12::text[]) offset 0
) as audit`

// List returns one page, newest first, and the After of the next page, "" on the last one.
func (l *Log) List(ctx context.Context, f Filter) (entries []Entry, next string, err error) {
	args := []any{
		string(f.Kind), cleaned(f.Action), cleaned(f.Who), cleaned(f.Address), cleaned(f.Code),
		f.Since, alikeSpan, f.Until, f.DomainUUIDs, f.After, f.Limit + 1,
	}
	from := "trunkline.audit"
	if f.About != nil { // few, which the index finds
		from, args = aboutThem, append(args, f.About)
	}
	rows, _ := l.pool.Query(ctx, `
		select id::text, at, last_at, times, kind, address, who, action, subject, code, coalesce(domain_uuid::text, '') as domain_uuid, request_id, detail
		from `+from+`
		where ($1 = '' or kind = $1) and ($2 = '' or action = $2) and ($3 = '' or who = $3) and ($4 = '' or address = $4) and ($5 = '' or code = $5)
		and ($6::timestamptz is null or at >= $6 - $7::interval and last_at >= $6)
		and ($8::timestamptz is null or at < $8)
		and ($9::uuid[] is null or domain_uuid = any($9))
		and ($10 = '' or (at, id) < (select at, id from trunkline.audit where id = nullif($10, '')::uuid))
		order by at desc, id desc limit $11`, args...)
	entries, err = pgx.CollectRows(rows, pgx.RowToStructByName[Entry])
	if unwritable(err) {
		return nil, "", nil // the database has no character of the filter's, so no such row
	}
	if err != nil {
		return nil, "", fmt.Errorf("listing the audit: %w", err)
	}
	if len(entries) > f.Limit {
		entries = entries[:f.Limit]
		next = entries[f.Limit-1].ID
	}
	return entries, next, nil
}

// pruneBatch is how many rows one statement of Prune deletes, so that none takes long.
const pruneBatch = 10_000

// Prune deletes the entries that are older than the retention, and returns how many.
func (l *Log) Prune(ctx context.Context, retention time.Duration) (int, error) {
	deleted := 0
	for {
		tag, err := l.pool.Exec(ctx, `
			delete from trunkline.audit where id in (
				select id from trunkline.audit where at < now() - $1::interval order by at limit $2)`, retention, pruneBatch)
		if err != nil {
			return deleted, fmt.Errorf("deleting old audit entries: %w", err)
		}
		deleted += int(tag.RowsAffected())
		if tag.RowsAffected() < pruneBatch {
			return deleted, nil
		}
	}
}

package tasks

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/fault"
)

const jobColumns = `id::text, kind, state, coalesce(domain_uuid::text, ''), created_by::text, created_by_name,
	coalesce(external_id, ''), params, progress, dispatch, attempt, cancel_requested_at is not null,
	result, error_code, error_message, created_at, started_at, finished_at`

// scanJob reads jobColumns and then whatever more was selected.
func scanJob(row pgx.Row, more ...any) (Job, error) {
	var (
		job           Job
		code, message *string
		progress      []byte
		params        []byte
		result        []byte
	)
	into := append([]any{&job.ID, &job.Kind, &job.State, &job.DomainUUID, &job.CreatedBy, &job.CreatedByName,
		&job.ExternalID, &params, &progress, &job.Dispatch, &job.Attempt, &job.CancelRequested,
		&result, &code, &message, &job.CreatedAt, &job.StartedAt, &job.FinishedAt}, more...)
	if err := row.Scan(into...); err != nil {
		return Job{}, err
	}
	job.Params, job.Result = params, result
	if err := json.Unmarshal(progress, &job.Progress); err != nil {
		return Job{}, fmt.Errorf("reading the progress of job %s: %w", job.ID, err)
	}
	if code != nil {
		job.Error = &fault.Error{Code: *code, Message: *message}
	}
	return job, nil
}

// validText is what Postgres takes as text: everything but NUL and invalid UTF-8.
func validText(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
}

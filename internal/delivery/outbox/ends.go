package outbox

import (
	"context"
	"encoding/json"
	"net/url"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"trunkline/internal/cdr"
	"trunkline/internal/delivery"
	"trunkline/internal/fault"
	"trunkline/tasks"
)

// endsAtOnce is how many jobs' ends are made messages of in one transaction.
const endsAtOnce = 100

// ended is what a callback_url is told of its job's end. It holds no rows and no secret, and no URL of it has credentials.
type ended struct {
	JobID      string      `json:"job_id"`
	JobURL     string      `json:"job_url"`
	Kind       tasks.Kind  `json:"kind"`
	State      tasks.State `json:"state"`
	DomainUUID string      `json:"domain_uuid,omitempty"`
	ExternalID string      `json:"external_id,omitempty"`
	CreatedAt  time.Time   `json:"created_at"`
	StartedAt  *time.Time  `json:"started_at,omitempty"`
	FinishedAt *time.Time  `json:"finished_at"`
	Error      *failure    `json:"error,omitempty"`
	File       *file       `json:"file,omitempty"`   // of an export that has succeeded
	Counts     *counts     `json:"counts,omitempty"` // of a job of many
}

type failure struct {
	Code    fault.Code `json:"code"`
	Message string     `json:"message"`
}

type file struct {
	URL         string    `json:"url"` // a GET with credentials of the receiver's own
	Format      string    `json:"format"`
	Compression string    `json:"compression,omitempty"`
	DateRange   string    `json:"date_range"`
	TimeZone    string    `json:"time_zone"`
	Records     int64     `json:"total_records"`
	Bytes       int64     `json:"bytes"`
	SHA256      string    `json:"sha256"`
	ExpiresAt   time.Time `json:"expires_at"` // when it is deleted
}

type counts struct {
	Total     int `json:"total"`
	Queued    int `json:"queued"` // nobody came to do them
	Succeeded int `json:"succeeded"`
	Failed    int `json:"failed"`
	Skipped   int `json:"skipped"`
}

// TellEnds makes a delivery of each job with a callback_url that has ended since the last one, whoever ended it, and returns how
// many it has made. publicURL is where callers reach the front end. Any number of processes may do so at once.
func (b *Box) TellEnds(ctx context.Context, publicURL string) (made int, err error) {
	for more := true; more && err == nil; {
		err = pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) error {
			jobs, err := b.tasks.TakeEnded(ctx, tx, endsAtOnce)
			more = len(jobs) == endsAtOnce
			if err != nil {
				return err
			}
			all := make([]New, 0, len(jobs))
			for _, job := range jobs {
				if job.URL == "" {
					continue
				}
				told, err := endOf(job, publicURL)
				if err != nil {
					return err
				}
				all = append(all, told)
			}
			_, err = b.Add(ctx, tx, all)
			made += len(all)
			return err
		})
	}
	if made > 0 {
		b.tasks.Admit(ctx)
	}
	return made, err
}

// endOf is the delivery that tells of a job's end.
func endOf(job tasks.CalledBack, publicURL string) (New, error) {
	data := ended{
		JobID: job.ID, JobURL: publicURL + "/v1/jobs/" + job.ID, Kind: job.Kind, State: job.State, DomainUUID: job.DomainUUID, ExternalID: job.ExternalID,
		CreatedAt: job.CreatedAt.UTC(), StartedAt: inUTC(job.StartedAt), FinishedAt: inUTC(job.FinishedAt),
	}
	if job.Error != nil {
		data.Error = &failure{job.Error.Code, job.Error.Message}
	}
	if job.Counts != nil {
		n := job.Counts
		data.Counts = &counts{job.Items, n[tasks.ItemQueued], n[tasks.ItemSucceeded], n[tasks.ItemFailed], n[tasks.ItemSkipped]}
	}
	var result cdr.Result
	// What another build has left that this one cannot read keeps nobody from being told.
	if job.Kind == tasks.KindExport && job.State == tasks.StateSucceeded && json.Unmarshal(job.Result, &result) == nil {
		data.File = &file{
			URL: publicURL + "/v1/exports/" + job.ID + "/file", Format: string(result.Format), Compression: string(result.Compression), DateRange: result.DateRange,
			TimeZone: result.TimeZone, Records: result.TotalRecords, Bytes: result.Bytes, SHA256: result.SHA256, ExpiresAt: result.ExpiresAt.UTC(),
		}
	}
	body, err := delivery.Envelope{Type: delivery.EventJobEnded, Timestamp: *job.FinishedAt, Data: data}.Encode()
	if err != nil {
		return New{}, err
	}
	return New{
		DomainUUID: job.DomainUUID, CreatedBy: uuid.Nil.String(), CreatedByName: ourselves,
		DestinationName: hostOf(job.URL), Event: delivery.EventJobEnded, Payload: body, URL: job.URL,
	}, nil
}

func inUTC(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	return new(t.UTC())
}

// hostOf is what is shown of a URL.
func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Host
}

package scheduler

import (
	"context"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/delivery"
	"trunkline/internal/delivery/outbox"
	"trunkline/internal/schedule/store"
)

// FailedWindow is what subscribers are told of a window that has failed.
type FailedWindow struct {
	ScheduleID   string       `json:"schedule"`
	ScheduleName string       `json:"schedule_name"`
	Domain       string       `json:"tenant_domain,omitempty"` // absent: the schedule is of all domains
	Label        string       `json:"label"`                   // the window's number as names of files have it
	Window       store.Window `json:"window"`
}

// TellFailed has those who subscribed to it told of windows that have failed, as Exporter.Failed.
func TellFailed(box *outbox.Box) func(context.Context, pgx.Tx, []store.Starting) error {
	return func(ctx context.Context, tx pgx.Tx, windows []store.Starting) error {
		for _, w := range windows {
			at := w.MadeAt
			if w.EndedAt != nil {
				at = *w.EndedAt
			}
			told := FailedWindow{ScheduleID: w.Of.ID, ScheduleName: w.Of.Name, Domain: w.Of.DomainName, Label: w.Label(), Window: w.Window}
			if _, err := box.Announce(ctx, tx, w.Of.DomainUUID, delivery.EventWindowFailed, at, told); err != nil {
				return err
			}
		}
		return nil
	}
}

package destinations

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"trunkline/internal/delivery"
	"trunkline/internal/fault"
)

// testTimeout bounds a test, for which somebody waits.
const testTimeout = 20 * time.Second

// hostKeyField is the setting that pins the key of a server.
const hostKeyField = "host_key"

// Tested is what a test has found, as it is kept.
type Tested struct {
	At      time.Time  `json:"at"`
	Message string     `json:"message,omitempty"` // what was tried, in words
	HostKey string     `json:"host_key,omitempty"`
	Code    fault.Code `json:"code,omitempty"` // "": files could be delivered
	Problem string     `json:"problem,omitempty"`
}

// NewTested is what is kept of a test; nil: it has found nothing, for the destination was changed meanwhile or our own database
// failed.
func NewTested(report delivery.Report, err error) *Tested {
	if err == nil {
		return &Tested{At: report.At, Message: report.Message, HostKey: report.HostKey}
	}
	failed, is := errors.AsType[*fault.Error](err)
	if !is || failed.Code == fault.Conflict {
		return nil
	}
	return &Tested{At: time.Now().UTC(), Code: failed.Code, Problem: failed.Message}
}

// Test finds out whether files could be delivered now, and keeps what was found. The key of a server of which none is pinned yet is pinned, before any
// credentials are sent to it: pinned says that it was. Errors are those of a delivery.Sender.
func (s *Store) Test(ctx context.Context, d Destination) (report delivery.Report, pinned bool, err error) {
	report, pinned, err = s.testAndPin(ctx, d)
	found := NewTested(report, err)
	if found == nil {
		return report, pinned, err
	}
	if _, kept := s.pool.Exec(ctx, "update trunkline.destinations set last_test = $2 where id = $1", d.ID, found); kept != nil && err == nil {
		err = fmt.Errorf("keeping what a test has found: %w", kept)
	}
	return report, pinned, err
}

func (s *Store) testAndPin(ctx context.Context, d Destination) (report delivery.Report, pinned bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, testTimeout)
	defer cancel()
	report, err = s.test(ctx, d)
	if err != nil || report.HostKey == "" {
		return report, false, err
	}
	if HostKey(d.Settings) != "" {
		return report, false, nil
	}
	var settings map[string]any
	if err := json.Unmarshal(d.Settings, &settings); err != nil {
		return report, false, fmt.Errorf("reading the settings of a destination: %w", err)
	}
	settings[hostKeyField] = report.HostKey
	if d.Settings, err = json.Marshal(settings); err != nil {
		return report, false, fmt.Errorf("encoding the settings of a destination: %w", err)
	}
	changed, err := s.pool.Exec(ctx, "update trunkline.destinations set settings = $2, changed_at = now() where id = $1 and changed_at = $3",
		d.ID, d.Settings, d.ChangedAt)
	if err != nil {
		return report, false, fmt.Errorf("pinning the key of a server: %w", err)
	}
	if changed.RowsAffected() == 0 {
		return report, false, fault.Errorf(fault.Conflict, "somebody has changed the destination meanwhile; test it again")
	}
	report, err = s.test(ctx, d)
	return report, true, err
}

func (s *Store) test(ctx context.Context, d Destination) (delivery.Report, error) {
	sender, err := s.Open(ctx, d, nil)
	if err != nil {
		return delivery.Report{}, worded(ctx, err)
	}
	return try(ctx, sender)
}

// TestGiven is Test of what is not kept: nothing is pinned.
func (s *Store) TestGiven(ctx context.Context, g Given) (delivery.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, testTimeout)
	defer cancel()
	k, settings, credentials, err := g.checked()
	if err != nil {
		return delivery.Report{}, err
	}
	sender, err := k.open(ctx, opening{s.settings, g.DomainUUID, nil}, settings, credentials)
	if err != nil {
		return delivery.Report{}, worded(ctx, err)
	}
	return try(ctx, sender)
}

func try(ctx context.Context, sender delivery.Sender) (delivery.Report, error) {
	report, err := sender.Test(ctx)
	_ = sender.Close() // what a test is about was said by then
	return report, worded(ctx, err)
}

// worded says of a test that has taken too long what it was.
func worded(ctx context.Context, err error) error {
	if _, is := errors.AsType[*fault.Error](err); err == nil || is || !errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return err
	}
	return fault.Errorf(fault.Unavailable, "the destination did not answer within %s; look at its address, and whether a firewall is in between", testTimeout)
}

// Package schedules is what exports CDRs at its times, as callers know it: schedules made, changed, paused and run; the windows
// of time that they have exported. It must not know when a schedule is due, nor how exports are made.
package schedules

import (
	"trunkline/api/cdrs"
	"trunkline/internal/config"
	"trunkline/internal/delivery/destinations"
	"trunkline/internal/delivery/outbox"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/schedule/store"
)

// Service answers for schedules.
type Service struct {
	settings     config.Settings
	db           *fusionpbx.DB
	schedules    *store.Store
	destinations *destinations.Store
	outbox       *outbox.Box
	cdrs         *cdrs.Service
}

// New returns the service of the schedules that are kept there.
func New(settings config.Settings, db *fusionpbx.DB, kept *store.Store, d *destinations.Store, o *outbox.Box, c *cdrs.Service) *Service {
	return &Service{settings, db, kept, d, o, c}
}

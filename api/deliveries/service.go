// Package deliveries is where files are brought and what became of that, as callers know it: destinations made, changed and
// tested; deliveries listed and sent again.
package deliveries

import (
	"cmp"
	"context"
	"slices"

	"trunkline/api/web"
	"trunkline/internal/config"
	"trunkline/internal/delivery/destinations"
	"trunkline/internal/delivery/outbox"
	"trunkline/internal/fusionpbx"
)

// Service answers for destinations and deliveries.
type Service struct {
	db           *fusionpbx.DB
	destinations *destinations.Store
	outbox       *outbox.Box
	settings     config.Settings
}

// New returns the service.
func New(db *fusionpbx.DB, d *destinations.Store, o *outbox.Box, s config.Settings) *Service {
	return &Service{db, d, o, s}
}

// Endpoints are those of destinations and of deliveries.
func (s *Service) Endpoints() []web.Endpoint {
	return slices.Concat(s.destinationEndpoints(), s.deliveryEndpoints(), s.secretEndpoints())
}

// nameOf looks the names of domains up by their uuids; one that was deleted has none.
func (s *Service) namesOf(ctx context.Context, uuids []string) (map[string]string, error) {
	uuids = slices.DeleteFunc(slices.Clone(uuids), func(uuid string) bool { return uuid == "" })
	slices.Sort(uuids)
	return s.db.DomainNames(ctx, slices.Compact(uuids))
}

// domainName is a domain for people; "": all of them.
func domainName(names map[string]string, uuid string) string { return cmp.Or(names[uuid], uuid) }

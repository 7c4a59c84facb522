package scheduler_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"trunkline/internal/delivery"
	"trunkline/internal/delivery/destinations"
	"trunkline/internal/export"
	"trunkline/internal/fault"
	"trunkline/internal/pbxtest/testbed"
	"trunkline/internal/schedule/store"
	"trunkline/internal/tenant"
)

// Two schedules that would give their files the same names at one destination are refused, when they are made and when they are
// changed.
func TestFilesOfTwoSchedulesHaveTheirOwnNames(t *testing.T) {
	t.Parallel()
	p := newPlan(t, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	settings := testbed.JobSettings
	settings.DeliveryDir = t.TempDir()
	p.store.Destinations = destinations.New(p.Pool, p.Tasks.Keys(), settings)
	var to []string
	for _, name := range []string{"one", "two"} {
		made, err := p.store.Destinations.Create(t.Context(), destinations.Given{Name: name, Kind: "folder", Values: destinations.Values{"folder": name}, Enabled: true, CreatedBy: "test"})
		must(t, err)
		to = append(to, made.ID)
	}
	number := 0
	of := func(name string, destination int, change func(*store.Definition)) store.Definition {
		d := daily("UTC")
		number++
		d.Name, d.FileName, d.Destinations = fmt.Sprint("s", number), delivery.NameTemplate(name), []string{to[destination]}
		if change != nil {
			change(&d)
		}
		return d
	}
	each := func(d *store.Definition) { d.EachDomain = true }
	first := p.create(t, of("calls/{number}.csv", 0, nil))
	p.create(t, of("{domain}/{number}.csv", 1, each))
	p.create(t, of("{schedule}/{number}.csv", 0, nil))
	for _, tc := range []struct {
		of    store.Definition
		taken bool
	}{
		{of("calls/{number}.csv", 0, nil), true},
		{of("Calls/{number}.{extension}", 0, nil), true},
		{of("calls/{number}.{extension}", 0, func(d *store.Definition) { d.Request.Format = export.JSON }), false},
		{of("other/{number}.csv", 0, nil), false},
		{of("calls/{number}.csv", 1, nil), false},
		{of("{schedule}/{number}.csv", 0, nil), false},
		{of("{domain}/{number}.csv", 1, func(d *store.Definition) {
			d.DomainUUID, d.DomainName = p.Sample.Domains[0].UUID, p.Sample.Domains[0].Name
		}), true},
	} {
		_, err := p.store.Create(t.Context(), tc.of, "test")
		if refused := fault.Is(err, fault.InvalidRequest) && strings.HasPrefix(err.Error(), "file_name: "); refused != tc.taken || !tc.taken && err != nil {
			t.Errorf("%s: %v", tc.of.FileName, err)
		}
	}
	if _, err := p.store.Edit(t.Context(), first.ID, tenant.All, "test", func(r *store.Record) error { r.FileName = "other/{number}.csv"; return nil }); !fault.Is(err, fault.InvalidRequest) {
		t.Errorf("it was given the names of another: %v", err)
	}
	if _, err := p.store.Edit(t.Context(), first.ID, tenant.All, "test", func(r *store.Record) error { r.Lag = time.Hour; return nil }); err != nil {
		t.Errorf("it has its own names: %v", err)
	}
}

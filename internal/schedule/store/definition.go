package store

import (
	"context"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"trunkline/internal/calendar"
	"trunkline/internal/cdr"
	"trunkline/internal/delivery"
	"trunkline/internal/fault"
	"trunkline/internal/schedule"
)

const (
	maxName = 64
	// maxDestinations is how many destinations the files of one schedule may be brought to.
	maxDestinations = 10
)

// Definition is what a caller says of a schedule.
type Definition struct {
	DomainUUID string // whose it is, and whose CDRs it exports; "": all domains
	DomainName string
	Name       string
	Cron       string
	TimeZone   string // "": the domain's
	Window     schedule.Kind
	Lag        time.Duration // how long after its end a window is left alone, in whole seconds
	// Request is what each export holds and how it is written, without its window and domain.
	Request    cdr.Request
	EachDomain bool // of all domains: a file for each
	// FileName is what its files are called at destinations.
	FileName     delivery.NameTemplate
	Destinations []string // by id
	Enabled      bool
}

// DefaultFileName is the template of files' names where none is given.
const DefaultFileName delivery.NameTemplate = "{schedule}/{domain}_{date_start}_{number}.{extension}"

// Schedule is when it runs, and which windows it makes. A definition that was checked has one.
func (d Definition) Schedule() (schedule.Schedule, error) {
	cron, err := schedule.ParseCron(d.Cron)
	if err != nil {
		return schedule.Schedule{}, err
	}
	kind, err := schedule.ParseKind(string(d.Window))
	if err != nil {
		return schedule.Schedule{}, err
	}
	if err := schedule.CheckLag(d.Lag); err != nil {
		return schedule.Schedule{}, err
	}
	zone, ok := calendar.Zone(d.TimeZone)
	if !ok {
		return schedule.Schedule{}, fault.Invalid("time_zone", "%.200q is not known; write a name such as Europe/Paris or UTC", d.TimeZone)
	}
	return schedule.Schedule{Cron: cron, Zone: zone, Kind: kind, Lag: d.Lag.Truncate(time.Second)}, nil
}

// check refuses what cannot be a schedule, and sets what was left out. Errors: fault.InvalidRequest, which names the
// parameter, and those of Destinations.Use.
func (s *Store) check(ctx context.Context, d *Definition) (schedule.Schedule, error) {
	if n := utf8.RuneCountInString(d.Name); n == 0 || n > maxName || strings.TrimSpace(d.Name) != d.Name || !utf8.ValidString(d.Name) ||
		strings.ContainsFunc(d.Name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return schedule.Schedule{}, fault.Invalid("name", "write 1 to %d characters that can be printed, without a space at an end", maxName)
	}
	zone, err := cdr.Zone(ctx, s.DB, d.DomainUUID, d.TimeZone)
	if err != nil {
		return schedule.Schedule{}, err
	}
	d.TimeZone, d.Lag = zone.String(), d.Lag.Truncate(time.Second)
	rules, err := d.Schedule()
	if err != nil {
		return rules, err
	}
	if d.EachDomain && d.DomainUUID != "" {
		return rules, fault.Invalid("files", "this is a schedule of one domain, which has one file; leave it out")
	}
	if d.FileName == "" {
		d.FileName = DefaultFileName
	}
	if err := d.FileName.Check(d.EachDomain); err != nil {
		return rules, fault.Invalid("file_name", "%w", err)
	}
	at := s.now()
	if _, err := d.FileName.Name(delivery.Named{Domain: d.DomainName, Schedule: d.Name, Number: "b000001-r99", Start: at, End: at, Extension: "parquet.zst"}); err != nil {
		return rules, fault.Invalid("file_name", "with this schedule's name, %w", err)
	}
	if len(d.Destinations) > maxDestinations {
		return rules, fault.Invalid("destinations", "%d are named; %d are allowed", len(d.Destinations), maxDestinations)
	}
	seen := map[string]bool{}
	for _, id := range d.Destinations {
		if seen[strings.ToLower(id)] {
			return rules, fault.Invalid("destinations", "%.64q is named twice, and would get each file twice", id)
		}
		seen[strings.ToLower(id)] = true
		if _, err := s.Destinations.Use(ctx, id, d.DomainUUID); err != nil {
			return rules, fault.Invalid("destinations", "%.64q: %w", id, err)
		}
	}
	d.Request.Window = cdr.Window{}
	sample := d.request(d.DomainUUID, d.DomainName)
	sample.Window = cdr.Window{DateStart: "2026-01-01", DateEnd: "2026-01-01", TimeZone: d.TimeZone}
	return rules, sample.Resolve(ctx, s.DB)
}

// request is what one file of a schedule holds, but for its window.
func (d Definition) request(domainUUID, domainName string) cdr.Request {
	r := d.Request
	r.DomainUUID, r.DomainName = domainUUID, domainName
	return r
}

// span is a window as an export has it: whole days by their dates, and else by moments, the last of which is in it.
func span(start, end time.Time, zone *time.Location) cdr.Window {
	w := cdr.Window{TimeZone: zone.String(), Start: start.UTC(), End: end.UTC()}
	from, last := start.In(zone), end.Add(-time.Second).In(zone)
	if calendar.Day.Begin(from).Equal(start) && calendar.Day.After(last).Equal(end) {
		w.DateStart, w.DateEnd = from.Format(time.DateOnly), last.Format(time.DateOnly)
	} else {
		w.DateStart, w.DateEnd = from.Format(time.RFC3339), last.Format(time.RFC3339)
	}
	return w
}

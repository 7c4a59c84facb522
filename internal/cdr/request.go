// Package cdr is what an export of call detail records is: from what a caller asks for to a query over
// FusionPBX's CDRs, and the store of the files that come of it. How rows become bytes is package
// export's; jobs, callers and HTTP are not known here.
package cdr

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"trunkline/internal/export"
	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
)

// Request is what an export holds: the CDRs whose start_stamp lies in the window, of one domain or of all
// (DomainUUID ""). Without columns they are fusionpbx.CDRColumns.
type Request struct {
	DomainUUID string `json:"domain_uuid,omitempty"`
	DomainName string `json:"domain_name,omitempty"`
	Window
	Format export.Format `json:"format"`
	// Compression is how the file is packed; "": not at all.
	Compression export.Compression `json:"compression,omitempty"`
	Columns     []string           `json:"columns"`
	// Headers are what the columns are called in the file, in their order; nil: as they are called.
	Headers []string `json:"headers,omitempty"`
	// Template is the name of the template that was asked for, which the rest of the request has taken in.
	Template string `json:"template,omitempty"`
	// Layout is how the rows are written.
	Layout export.Layout `json:"layout,omitzero"`
	// Guard says whether a ' stands before what a spreadsheet would take for a formula: GuardSafe, GuardRaw, or "", as
	// the setting has it.
	Guard string `json:"guard,omitempty"`
	// Filter narrows the rows down; the zero value is all of them.
	Filter fusionpbx.CDRChoice `json:"filter,omitzero"`
	// Late are CDRs from before the window that the export holds too, and Except those of it that it does not hold, by UUID.
	// They are no part of what was asked for.
	Late   []fusionpbx.FoundCDR `json:"-"`
	Except []string             `json:"-"`
	// Clock24 is how FusionPBX shows times of day to the domain.
	Clock24 bool `json:"clock_24,omitempty"`
}

// Resolve resolves the window and checks the columns and the filter. Errors: those of Window.Resolve, and a
// fault.InvalidRequest that names the parameter.
func (r *Request) Resolve(ctx context.Context, db *fusionpbx.DB) error {
	if err := r.Window.Resolve(ctx, db, r.DomainUUID); err != nil {
		return err
	}
	var err error
	if r.Clock24, err = db.Clock24(ctx, r.DomainUUID); err != nil {
		return err
	}
	for _, check := range []func() error{
		func() error { return checkColumns(r.Columns) },
		func() error { return checkHeaders(r.Format, r.Columns, r.Headers) },
		func() error { return r.Layout.Check(r.Format) },
		func() error { return export.CheckCompression(r.Format, r.Compression) },
		r.Filter.Check,
		func() error { _, _, err := db.CDRQuery(r.Holds()); return err },
	} {
		if err := check(); err != nil {
			return fault.Errorf(fault.InvalidRequest, "%w", err)
		}
	}
	return nil
}

// The guards of text that a spreadsheet would run.
const (
	GuardSafe = "safe"
	GuardRaw  = "raw"
)

// guarded reports whether a ' stands before what a spreadsheet would take for a formula.
func (r Request) guarded(usual bool) bool {
	switch r.Guard {
	case GuardSafe:
		return true
	case GuardRaw:
		return false
	}
	return usual
}

// columns are those of the file.
func (r Request) columns() []string {
	if len(r.Columns) == 0 {
		return fusionpbx.CDRColumns
	}
	return r.Columns
}

// The columns that the rows are ordered by, and those that are summed up and compared.
const (
	startColumn   = "start_stamp"
	uuidColumn    = "xml_cdr_uuid"
	billsecColumn = "billsec"
)

// location is the time zone in which times are written.
func (r Request) location() (*time.Location, error) {
	location, err := time.LoadLocation(r.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("time_zone: %w", err)
	}
	return location, nil
}

// Holds are the CDRs that the export holds.
func (r Request) Holds() fusionpbx.CDRFilter {
	return fusionpbx.CDRFilter{
		All:        r.DomainUUID == "",
		DomainUUID: r.DomainUUID,
		Start:      r.from(),
		End:        r.End,
		Columns:    r.read(),
		Choice:     r.Filter,
		Late:       r.late(),
		Except:     r.Except,
	}
}

// late are the CDRs from before the window.
func (r Request) late() fusionpbx.LateCDRs {
	late := fusionpbx.LateCDRs{Before: r.Start}
	for _, l := range r.Late {
		late.UUIDs = append(late.UUIDs, uuid.UUID(l.UUID).String())
	}
	return late
}

// from is where the rows of the export begin.
func (r Request) from() time.Time {
	from := r.Start
	for _, l := range r.Late {
		if l.Start.Before(from) {
			from = l.Start.UTC()
		}
	}
	return from
}

// Result describes the file of an export that succeeded.
type Result struct {
	File         string        `json:"file"` // its name in the export store
	Format       export.Format `json:"export_format"`
	TotalRecords int64         `json:"total_records"`
	Bytes        int64         `json:"bytes"`  // the file's size
	SHA256       string        `json:"sha256"` // of the file, in hex
	// Compression is how the file is packed; absent: not at all.
	Compression export.Compression `json:"compression,omitempty" enum:"gzip,zstd"`
	// LateRows are how many of the records came after their own window was exported; absent: none.
	LateRows  int64     `json:"late_rows,omitempty"`
	DateRange string    `json:"date_range"`
	TimeZone  string    `json:"time_zone"`
	ExpiresAt time.Time `json:"expires_at"` // when the file is deleted
}

// Size is what the totals of finished exports count.
func (r Result) Size() (rows, bytes int64) { return r.TotalRecords, r.Bytes }

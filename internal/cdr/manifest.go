package cdr

import (
	"encoding/json"
	"fmt"
	"time"

	"trunkline/internal/export"
	"trunkline/internal/fusionpbx"
)

// Manifest is what stands beside an export's file, NAME.manifest.json: what the file holds, and whose.
type Manifest struct {
	export.Manifest
	TotalBillsec *float64            `json:"total_billsec"`       // of all rows, in seconds; null if one of them is no finite number
	LateRows     int64               `json:"late_rows,omitempty"` // how many rows came after their own window was exported: they are marked in the column late
	Domain       string              `json:"domain,omitempty"`    // absent: of all domains
	DomainUUID   string              `json:"domain_uuid,omitempty"`
	Window       Window              `json:"window"`
	Filter       fusionpbx.CDRChoice `json:"filter,omitzero"`
	Template     string              `json:"template,omitempty"`
	Layout       export.Layout       `json:"layout,omitzero"`
	Guarded      bool                `json:"guarded,omitempty"` // a ' stands before what a spreadsheet would take for a formula
	ExpiresAt    time.Time           `json:"expires_at"`
}

func (f *File) describe(expires time.Time) ([]byte, error) {
	r := f.request
	content, err := json.MarshalIndent(Manifest{
		Manifest: f.manifest, TotalBillsec: f.manifest.Sum, LateRows: f.manifest.Counted,
		Domain: r.DomainName, DomainUUID: r.DomainUUID, Window: r.Window, Filter: r.Filter,
		Template: r.Template, Layout: r.Layout, Guarded: f.guarded && r.Format == export.CSV, ExpiresAt: expires,
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding the manifest: %w", err)
	}
	return append(content, '\n'), nil
}

// checksum is what stands in NAME.sha256, as sha256sum -c reads it.
func (f *File) checksum() []byte {
	return fmt.Appendf(nil, "%s  %s\n", f.manifest.SHA256, f.manifest.File)
}

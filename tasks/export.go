package tasks

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/export"
	"trunkline/internal/fusionpbx"
)

// ExportParams is what an export job writes: the CDRs whose start_stamp lies in the half-open window
// Start to End, of one domain or of all (DomainUUID ""). DateStart, DateEnd and TimeZone are as the
// caller meant them and appear in the answer.
type ExportParams struct {
	DomainUUID string    `json:"domain_uuid,omitempty"`
	DomainName string    `json:"domain_name,omitempty"`
	Start      time.Time `json:"start"`
	End        time.Time `json:"end"`
	DateStart  string    `json:"date_start"`
	DateEnd    string    `json:"date_end"`
	TimeZone   string    `json:"time_zone"`
	Format     string    `json:"format"`
	Columns    []string  `json:"columns"`
}

// DateRange is the span as the documented answer words it.
func (p ExportParams) DateRange() string { return p.DateStart + " to " + p.DateEnd }

// ExportResult describes the file that a succeeded export job left in the export folder.
type ExportResult struct {
	File         string    `json:"file"` // its name in the export folder
	Format       string    `json:"export_format" enum:"JSON,CSV,XML"`
	TotalRecords int64     `json:"total_records"`
	Bytes        int64     `json:"bytes"`  // the file's size
	SHA256       string    `json:"sha256"` // of the file, in hex
	DateRange    string    `json:"date_range"`
	TimeZone     string    `json:"time_zone"`
	ExpiresAt    time.Time `json:"expires_at"` // when the file is deleted
}

// Exporter writes export files into the folder that api and workers share: the worker's, and the
// small ones that the front end answers at once.
type Exporter struct {
	Pool         *pgxpool.Pool
	FusionPBX    *fusionpbx.DB
	Dir          string
	MinFreeBytes uint64
	FormulaGuard bool
	Retention    time.Duration // how long a file is kept
}

// ExportHooks are what the caller of Exporter.Write wants to hear of; each may be nil.
type ExportHooks struct {
	Progress func(rows, bytes int64)
	Paused   func(paused bool, reason string)
}

// Write writes the file of the job, complete and on disk but not yet under its name: the caller
// commits it where the job is still its own, or discards it. With maxRows above 0 it gives up with
// export.ErrTooManyRows at the first row beyond.
func (e Exporter) Write(ctx context.Context, jobID string, attempt int, p ExportParams, maxRows int64, hooks ExportHooks) (*export.File, error) {
	location, err := time.LoadLocation(p.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("time_zone: %w", err)
	}
	format, err := export.ParseFormat(p.Format)
	if err != nil {
		return nil, err
	}
	sql, args, err := e.FusionPBX.CDRQuery(p.filter())
	if err != nil {
		return nil, err
	}
	if maxRows > 0 {
		more, err := e.FusionPBX.MoreCDRsThan(ctx, p.filter(), maxRows)
		if err != nil {
			return nil, err
		}
		if more {
			return nil, export.ErrTooManyRows
		}
	}
	conn, err := e.Pool.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("exporting CDRs: %w", err)
	}
	defer conn.Release()
	return export.Write(ctx, conn.Conn(), sql, args, export.Options{
		Dir:          e.Dir,
		Name:         ExportFileName(jobID, format),
		Attempt:      attempt,
		Format:       format,
		Location:     location,
		KeyColumns:   p.keyColumns(),
		MaxRows:      maxRows,
		MinFreeBytes: e.MinFreeBytes,
		FormulaGuard: e.FormulaGuard,
		Progress:     hooks.Progress,
		Paused:       hooks.Paused,
	})
}

// Result words a written file's manifest as the job's result.
func (e Exporter) Result(m export.Manifest, p ExportParams) ExportResult {
	return ExportResult{
		File:         m.File,
		Format:       p.Format,
		TotalRecords: m.Rows,
		Bytes:        m.Bytes,
		SHA256:       m.SHA256,
		DateRange:    p.DateRange(),
		TimeZone:     p.TimeZone,
		ExpiresAt:    time.Now().Add(e.Retention).UTC().Truncate(time.Second),
	}
}

// EstimateRows is what the database's planner thinks the export will hold, for its progress.
func (e Exporter) EstimateRows(ctx context.Context, p ExportParams) (int64, error) {
	sql, args, err := e.FusionPBX.CDRQuery(p.filter())
	if err != nil {
		return 0, err
	}
	var plan []struct {
		Plan struct {
			Rows float64 `json:"Plan Rows"`
		} `json:"Plan"`
	}
	if err := e.Pool.QueryRow(ctx, "explain (format json) "+sql, args...).Scan(&plan); err != nil {
		return 0, fmt.Errorf("estimating the size of an export: %w", err)
	}
	if len(plan) == 0 {
		return 0, nil
	}
	return int64(plan[0].Plan.Rows), nil
}

// ExportFileName is the name of a job's file in the export folder.
func ExportFileName(jobID string, format export.Format) string {
	return jobID + "." + format.Extension()
}

// keyColumns are those of the columns that the rows are ordered by.
func (p ExportParams) keyColumns() []string {
	keys := []string{"start_stamp", "xml_cdr_uuid"}
	if len(p.Columns) == 0 {
		return keys
	}
	return slices.DeleteFunc(keys, func(key string) bool { return !slices.Contains(p.Columns, key) })
}

func (p ExportParams) filter() fusionpbx.CDRFilter {
	return fusionpbx.CDRFilter{
		All:        p.DomainUUID == "",
		DomainUUID: p.DomainUUID,
		Start:      p.Start,
		End:        p.End,
		Columns:    p.Columns,
	}
}

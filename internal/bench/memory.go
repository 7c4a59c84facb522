package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// tenth is which part of the rows the memory is compared with.
	tenth = 10
	// jobsOnly has a front end make a job of any export, so that the worker makes it also in a trial with few rows.
	jobsOnly = "TRUNKLINE_SYNC_EXPORT_ROWS=1"
)

// memory measures the most that a fresh worker has resident while it makes one export, with the index: of all rows, and
// of a tenth of them. The names of the figures are those of a million rows.
func (b *bench) memory(ctx context.Context) error {
	if err := b.withIndex(ctx); err != nil {
		return err
	}
	end, few, err := b.firstTenth(ctx)
	if err != nil {
		return err
	}
	ofFew := exportOf("CSV")
	ofFew.Set("date_end", end.Format(time.RFC3339))
	var f figures
	for range pairs {
		csv, err1 := b.peakOf(ctx, exportOf("CSV"), int64(b.rows))
		ofTenth, err2 := b.peakOf(ctx, ofFew, few)
		parquet, err3 := b.peakOf(ctx, exportOf("PARQUET"), int64(b.rows))
		if err := errors.Join(err1, err2, err3); err != nil {
			return err
		}
		fmt.Printf("# at most resident: CSV of %d rows %.1f MB, of %d rows %.1f MB, PARQUET %.1f MB\n", b.rows, csv, few, ofTenth, parquet)
		f.add("export_peak_memory_mb", csv, "MB")
		f.add("parquet_peak_memory_mb", parquet, "MB")
		f.add("export_memory_1m_vs_100k", csv/ofTenth, "ratio")
	}
	f.print()
	return nil
}

// peakOf is the most memory that a fresh worker had for an export, in MB, which must have so many rows.
func (b *bench) peakOf(ctx context.Context, form url.Values, rows int64) (peak float64, err error) {
	e, err := b.startExporting(ctx, jobsOnly)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, e.stop()) }()
	made, err := e.export(ctx, form)
	if err != nil {
		return 0, err
	}
	if made.rows != rows {
		return 0, fmt.Errorf("the export has %d rows and the PBX %d", made.rows, rows)
	}
	return e.worker.peakMemory()
}

// firstTenth is the time of the last call of the first tenth, and how many calls there are until then: a few more where
// several began in that second.
func (b *bench) firstTenth(ctx context.Context) (end time.Time, rows int64, err error) {
	conn, err := pgx.Connect(ctx, b.Database)
	if err != nil {
		return end, 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	err = conn.QueryRow(ctx, `
		select last.start_stamp, (select count(*) from v_xml_cdr where start_stamp <= last.start_stamp)
		from (select start_stamp from v_xml_cdr order by start_stamp limit 1 offset $1) last`, b.rows/tenth-1).Scan(&end, &rows)
	return end.UTC(), rows, err
}

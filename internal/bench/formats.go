package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// formats compares the other formats with psql's \copy of the same rows as CSV, and packed CSV with psql's through the
// program that packs it, all with the index.
func (b *bench) formats(ctx context.Context) (err error) {
	if _, err := exec.LookPath("zstd"); err != nil {
		return fmt.Errorf("%w; install it (apt-get install zstd)", err)
	}
	if err := b.withIndex(ctx); err != nil {
		return err
	}
	e, err := b.startExporting(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.stop()) }()
	var f figures
	for range pairs {
		if err := errors.Join(e.unlikeCSV(ctx, &f), e.packed(ctx, &f, "gzip", "gzip", "-1"), e.packed(ctx, &f, "zstd", "zstd", "-1", "-T1", "--quiet")); err != nil {
			return err
		}
	}
	f.print()
	return nil
}

// unlikeCSV is psql's CSV once, and each format beside it.
func (e *exporting) unlikeCSV(ctx context.Context, f *figures) error {
	theirs, err := e.copyToFile(ctx, plainQuery)
	if err != nil {
		return err
	}
	for _, format := range []string{"JSON", "XML", "PARQUET"} {
		ours, err := e.export(ctx, exportOf(format))
		if err != nil {
			return err
		}
		if ours.rows != theirs.rows {
			return fmt.Errorf("the export to %s has %d rows and psql's %d", format, ours.rows, theirs.rows)
		}
		fmt.Printf("# %d rows: %s %.2f s, %.1f MB; psql's CSV %.2f s, %.1f MB\n", ours.rows, format, ours.work, megabytes(ours.bytes), theirs.whole, megabytes(theirs.bytes))
		f.add(strings.ToLower(format)+"_vs_psql_copy_csv", theirs.whole/ours.work, "ratio")
	}
	return nil
}

// packed is an export to CSV that is packed, and psql's through a program at its fastest level.
func (e *exporting) packed(ctx context.Context, f *figures, compression string, program ...string) error {
	theirs, err := e.copyThrough(ctx, plainQuery, program...)
	if err != nil {
		return err
	}
	ours, err := e.export(ctx, exportOf("CSV", "compression", compression))
	if err != nil {
		return err
	}
	if ours.rows != int64(e.rows) {
		return fmt.Errorf("the export has %d rows and the PBX %d", ours.rows, e.rows)
	}
	fmt.Printf("# %d rows: CSV with %s %.2f s, %.1f MB; psql through %s %.2f s, %.1f MB\n",
		ours.rows, compression, ours.work, megabytes(ours.bytes), strings.Join(program, " "), theirs.whole, megabytes(theirs.bytes))
	f.add(compression+"_vs_psql_pipe_"+compression+"1", theirs.whole/ours.work, "ratio")
	f.add(compression+"_size_vs_"+compression+"1", float64(ours.bytes)/float64(theirs.bytes), "ratio")
	return nil
}

func megabytes(bytes int64) float64 { return float64(bytes) / 1e6 }

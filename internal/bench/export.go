package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
)

// export compares exports to CSV with psql's \copy of the same rows in the same order: without the index, as FusionPBX
// has its table, then with it.
func (b *bench) export(ctx context.Context) error {
	if err := b.withoutIndex(ctx); err != nil {
		return err
	}
	err := b.comparedCSV(ctx, exportOf("CSV"), plainQuery, func(f *figures, ours exported, theirs copied) {
		f.add("csv_vs_psql_copy_plain", theirs.whole/ours.work, "ratio")
		f.add("csv_job_vs_bare_psql_without_index", theirs.bare/ours.call, "ratio")
	})
	if err != nil {
		return err
	}
	if err := b.withIndex(ctx); err != nil {
		return err
	}
	err = b.comparedCSV(ctx, exportOf("CSV"), plainQuery, func(f *figures, ours exported, theirs copied) {
		f.add("csv_job_vs_bare_psql_with_index", theirs.bare/ours.call, "ratio")
		f.add("csv_cpu_vs_bare_psql", ours.cpu/theirs.cpu, "ratio")
	})
	if err != nil {
		return err
	}
	page := exportOf("CSV", "template", "fusionpbx", "view", "fusionpbx")
	return b.comparedCSV(ctx, page, pageQuery(), func(f *figures, ours exported, theirs copied) {
		f.add("csv_vs_psql_copy_fusionpbx_query", theirs.whole/ours.work, "ratio")
	})
}

// comparedCSV takes turns: the export of the form, and psql's of the query, which must have as many rows.
func (b *bench) comparedCSV(ctx context.Context, form url.Values, query string, add func(*figures, exported, copied)) (err error) {
	e, err := b.startExporting(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.stop()) }()
	var f figures
	for range pairs {
		ours, err := e.export(ctx, form)
		if err != nil {
			return err
		}
		theirs, err := b.copyToFile(ctx, query)
		if err != nil {
			return err
		}
		if ours.rows != theirs.rows {
			return fmt.Errorf("the export has %d rows and psql's %d", ours.rows, theirs.rows)
		}
		fmt.Printf("# %d rows: trunkline %.2f s from the call on, %.2f s the job, %.2f s of processors; psql %.2f s alone, %.2f s with sha256sum and sync, %.2f s of processors\n",
			ours.rows, ours.call, ours.work, ours.cpu, theirs.bare, theirs.whole, theirs.cpu)
		add(&f, ours, theirs)
	}
	f.print()
	return nil
}

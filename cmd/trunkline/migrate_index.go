package main

import (
	"fmt"
	"time"

	"trunkline/internal/config"
	"trunkline/internal/fusionpbx/cdrindex"
	"trunkline/internal/service"
)

// makeCDRIndex makes the index on v_xml_cdr, if none serves.
func (cmd *command) makeCDRIndex(settings config.Settings) error {
	pool, err := service.OpenDatabase(cmd.ctx, settings)
	if err != nil {
		return err
	}
	defer pool.Close()
	found, err := cdrindex.Look(cmd.ctx, pool)
	if err != nil {
		return err
	}
	if found.Serving != "" {
		cmd.printf("nothing to do: the index %s on %s serves already\n", found.Serving, found.Table)
		return nil
	}
	what := found.Table + " has"
	if found.Partitions > 0 {
		what = fmt.Sprintf("%s has %d partitions, of which %d lack the index, with", found.Table, found.Partitions, found.Lacking)
	}
	cmd.printf("%s some %d rows in %s; by estimate the index to be built takes %s, and as much again while it is built\n", what, found.Rows, mebibytes(found.Bytes), mebibytes(found.IndexBytes))
	began := time.Now()
	index, err := cdrindex.Make(cmd.ctx, pool, func(line string) { fmt.Fprintln(cmd.err, line) })
	if err != nil {
		return err
	}
	cmd.printf("the index %s serves, after %s\n", index, time.Since(began).Round(time.Second/10))
	return nil
}

// mebibytes is an amount of bytes, rounded up.
func mebibytes(n int64) string { return fmt.Sprintf("%d MiB", (n+1<<20-1)>>20) }

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"

	"github.com/jackc/pgx/v5"
)

// withIndex makes the index that leads to a span of time in v_xml_cdr, if it is not there, as an owner would.
func (b *bench) withIndex(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, b.program, "migrate", "--cdr-index")
	cmd.Env = append(os.Environ(), b.env("127.0.0.1:1")...)
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("making the index: %w: %s", err, output)
	}
	return b.checkpoint(ctx)
}

// withoutIndex leaves v_xml_cdr as FusionPBX makes it.
func (b *bench) withoutIndex(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, b.Database)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, "drop index if exists trunkline_v_xml_cdr_start")
	return err
}

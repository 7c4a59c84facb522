package main

import (
	"context"
	"fmt"
	"log/slog"
	"os/user"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/audit"
	"trunkline/internal/config"
)

// recordTimeout bounds the recording of a change that a command made.
const recordTimeout = 5 * time.Second

// changed records that whoever runs this command changed something of Trunkline's own. The change is made
// already: if it cannot be recorded, as on a host without the database, standard error says so.
func (cmd *command) changed(settings config.Settings, action, subject string) {
	ctx, cancel := context.WithTimeout(cmd.ctx, recordTimeout)
	defer cancel()
	if settings.DatabaseURL == "" {
		fmt.Fprintln(cmd.err, "not recorded in the audit: TRUNKLINE_DATABASE_URL is not set")
		return
	}
	err := withPool(ctx, settings, func(pool *pgxpool.Pool) error {
		cmd.record(ctx, pool, action, subject)
		return nil
	})
	if err != nil {
		fmt.Fprintln(cmd.err, "not recorded in the audit:", err)
	}
}

// runBy names who runs the command.
func runBy() string {
	if u, err := user.Current(); err == nil {
		return "cli:" + u.Username
	}
	return "cli"
}

// record records a change for a command that has the database open already.
func (cmd *command) record(ctx context.Context, pool *pgxpool.Pool, action, subject string) {
	log := slog.New(slog.NewTextHandler(cmd.err, &slog.HandlerOptions{Level: slog.LevelError}))
	audit.New(pool, log).Change(ctx, audit.Event{Who: runBy(), Action: action, Subject: subject})
}

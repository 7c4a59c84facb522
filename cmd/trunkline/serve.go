package main

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/config"
	"trunkline/internal/postgres"
	"trunkline/internal/service"
	"trunkline/internal/version"
)

// roleCommand runs one role of the service, or all of them.
type roleCommand struct {
	help  string
	alone bool // there is no other process
	run   func(*service.Service, context.Context) error
}

var serve = roleCommand{
	alone: true,
	run:   (*service.Service).Serve,
	help: `On a FusionPBX host nothing need be set: database and event socket come from /etc/fusionpbx/config.conf.
It makes its secret key and its own tables if they are not there yet.

Example: TRUNKLINE_WHITELIST=/etc/trunkline/chkcon_whitelist.conf trunkline serve`,
}

var api = roleCommand{
	run: (*service.Service).API,
	help: `Any number may run against the same Postgres and Redis. Workers run the jobs: start at least one.

Example: trunkline --config /etc/trunkline/trunkline.env api`,
}

var worker = roleCommand{
	run: (*service.Service).Worker,
	help: `Any number may run against the same Postgres and Redis. A worker also sweeps up what another one lost.
On SIGTERM it takes no more jobs, finishes what it can within TRUNKLINE_SHUTDOWN_TIMEOUT and hands back the rest.

Example: trunkline --config /etc/trunkline/trunkline.env worker`,
}

var scheduler = roleCommand{
	run: (*service.Service).Scheduler,
	help: `It dispatches again each job that lost its worker or its task. Several may run: one works at a time.

Example: trunkline --config /etc/trunkline/trunkline.env scheduler`,
}

func (r roleCommand) Help() string { return r.help }

func (r roleCommand) Run(cmd *command) error {
	settings, err := cmd.settings()
	if err != nil {
		return err
	}
	log := service.NewLog(settings, cmd.err)
	log.Info("trunkline starts", "version", version.This())
	s, err := service.Open(cmd.ctx, settings, log, r.alone)
	if err != nil {
		return err
	}
	defer s.Close()
	return r.run(s, cmd.ctx)
}

// withDatabase reads the settings and opens only the database, whose tables must be this build's.
func (cmd *command) withDatabase(f func(settings config.Settings, pool *pgxpool.Pool) error) error {
	settings, err := cmd.settings()
	if err != nil {
		return err
	}
	return withPool(cmd.ctx, settings, func(pool *pgxpool.Pool) error { return f(settings, pool) })
}

func withPool(ctx context.Context, settings config.Settings, f func(*pgxpool.Pool) error) error {
	pool, err := service.OpenDatabase(ctx, settings)
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := postgres.CheckVersion(ctx, pool); err != nil {
		return err
	}
	return f(pool)
}

func (cmd *command) settings() (config.Settings, error) {
	return config.Load(cmd.configFile, cmd.environ)
}

package main

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"trunkline/internal/config"
	"trunkline/internal/postgres"
	"trunkline/internal/version"
	"trunkline/tasks"
)

// runner is anything that lives until its context ends: the front end, a worker, the sweeper, the
// listener for ended jobs.
type runner interface {
	Run(ctx context.Context) error
}

type runnerFunc func(ctx context.Context) error

func (f runnerFunc) Run(ctx context.Context) error { return f(ctx) }

// runAll runs them together; the first one that fails ends the others.
func runAll(ctx context.Context, runners ...runner) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, r := range runners {
		group.Go(func() error { return r.Run(ctx) })
	}
	return group.Wait()
}

type serveCommand struct{}

func (serveCommand) Help() string {
	return `On a FusionPBX host nothing need be set: database and event socket come from /etc/fusionpbx/config.conf.
It makes its secret key and its own tables where they are not there yet.

Example: TRUNKLINE_WHITELIST=/etc/trunkline/chkcon_whitelist.conf trunkline serve`
}

func (serveCommand) Run(cmd *command) error {
	return cmd.withParts(true, func(ctx context.Context, p *parts) error { return p.serve(ctx) })
}

// serve runs api, worker and scheduler together.
func (p *parts) serve(ctx context.Context) error {
	w, err := p.worker(ctx)
	if err != nil {
		return err
	}
	a, err := p.api()
	if err != nil {
		return err
	}
	return runAll(ctx, a, w, p.sweeper(tasks.RoleWorker, tasks.RoleScheduler), p.tasks, p.limiter, p.audit)
}

type apiCommand struct{}

func (apiCommand) Help() string {
	return `Any number may run against the same Postgres and Redis. Workers run the jobs: start at least one.

Example: trunkline --config /etc/trunkline/trunkline.env api`
}

func (apiCommand) Run(cmd *command) error {
	return cmd.withParts(false, func(ctx context.Context, p *parts) error {
		a, err := p.api()
		if err != nil {
			return err
		}
		return runAll(ctx, a, p.tasks, p.limiter, p.audit)
	})
}

type workerCommand struct{}

func (workerCommand) Help() string {
	return `Any number may run against the same Postgres and Redis. A worker also sweeps up what another one lost.
On SIGTERM it takes no more jobs, finishes what it can within TRUNKLINE_SHUTDOWN_TIMEOUT and hands back the rest.

Example: trunkline --config /etc/trunkline/trunkline.env worker`
}

func (workerCommand) Run(cmd *command) error {
	return cmd.withParts(false, func(ctx context.Context, p *parts) error {
		w, err := p.worker(ctx)
		if err != nil {
			return err
		}
		return runAll(ctx, w, p.sweeper(tasks.RoleWorker))
	})
}

type schedulerCommand struct{}

func (schedulerCommand) Help() string {
	return `It dispatches again what lost its worker or its task. Several may run: one works at a time.

Example: trunkline --config /etc/trunkline/trunkline.env scheduler`
}

func (schedulerCommand) Run(cmd *command) error {
	return cmd.withParts(false, func(ctx context.Context, p *parts) error { return runAll(ctx, p.sweeper(tasks.RoleScheduler)) })
}

// withParts reads the settings, opens the parts, and closes them when f returns.
func (cmd *command) withParts(alone bool, f func(ctx context.Context, p *parts) error) error {
	settings, err := cmd.settings()
	if err != nil {
		return err
	}
	log := newLog(settings, cmd.err)
	log.Info("trunkline starts", "version", version.This().String())
	p, err := openParts(cmd.ctx, settings, log, alone)
	if err != nil {
		return err
	}
	defer p.close()
	return runAll(cmd.ctx, runnerFunc(func(ctx context.Context) error { return f(ctx, p) }), runnerFunc(p.watchRedis))
}

// withDatabase reads the settings and opens the database alone, whose tables must be this build's.
func (cmd *command) withDatabase(f func(settings config.Settings, pool *pgxpool.Pool) error) error {
	settings, err := cmd.settings()
	if err != nil {
		return err
	}
	pool, err := postgres.Open(cmd.ctx, settings.DatabaseURL.Reveal(), settings.DatabaseConnections)
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := postgres.CheckVersion(cmd.ctx, pool); err != nil {
		return err
	}
	return f(settings, pool)
}

func (cmd *command) settings() (config.Settings, error) {
	return config.Load(cmd.configFile, cmd.environ)
}

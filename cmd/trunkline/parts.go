package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"trunkline/api"
	"trunkline/internal/audit"
	"trunkline/internal/config"
	"trunkline/internal/freeswitch"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/pbx"
	"trunkline/internal/postgres"
	"trunkline/internal/ratelimit"
	"trunkline/scheduler"
	"trunkline/tasks"
	"trunkline/worker"
)

// parts is everything that the rooms are put together from.
type parts struct {
	settings  config.Settings
	log       *slog.Logger
	pool      *pgxpool.Pool
	pbx       *pbx.PBX // nil until its database was probed
	redis     redis.UniversalClient
	redisAway bool // it did not answer at the start
	tasks     *tasks.Client
	exporter  tasks.Exporter
	limiter   *ratelimit.Limiter
	audit     *audit.Log
	listener  net.Listener // where the front end listens; nil: as the settings say
}

// openParts connects to everything. With alone, the process is all there is (serve, demo): it makes
// the secret key where there is none and migrates its own tables.
func openParts(ctx context.Context, settings config.Settings, log *slog.Logger, alone bool) (_ *parts, err error) {
	p := &parts{settings: settings, log: log}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if !alone {
		// Before anything is connected to: without the key there is no use in it.
		if _, err := settings.LoadSecretKey(false); err != nil {
			return nil, err
		}
	}
	if p.pool, err = postgres.Open(ctx, settings.DatabaseURL.Reveal(), settings.DatabaseConnections); err != nil {
		return nil, err
	}
	if alone {
		_, err = postgres.Migrate(ctx, p.pool)
	} else {
		err = postgres.CheckVersion(ctx, p.pool)
	}
	if err != nil {
		return nil, err
	}
	keys, err := p.keys(ctx, alone)
	if err != nil {
		return nil, err
	}
	db, err := fusionpbx.Probe(ctx, p.pool)
	if err != nil {
		return nil, err
	}
	p.pbx = newPBX(settings, p.pool, db)
	store := tasks.NewStore(p.pool, keys)
	if err := store.CheckSecretKey(ctx); err != nil {
		return nil, err
	}
	if p.redis, err = openRedis(settings, log); err != nil {
		return nil, err
	}
	if err := p.checkRedis(ctx); err != nil {
		return nil, err
	}
	p.limiter = ratelimit.New(p.redis, log)
	p.audit = audit.New(p.pool, log)
	p.pbx.Switches = openSwitches(settings, log)
	p.tasks = tasks.NewClient(store, p.redis, map[tasks.Kind]time.Duration{
		tasks.KindProvision: settings.ProvisionTimeout,
		tasks.KindExport:    settings.ExportTimeout,
	}, log)
	p.exporter = tasks.Exporter{
		Pool:         p.pool,
		FusionPBX:    db,
		Dir:          settings.ExportDir,
		MinFreeBytes: uint64(settings.ExportMinFreeBytes),
		FormulaGuard: settings.CSVFormulaGuard,
		Retention:    settings.ExportRetention,
	}
	return p, nil
}

// keys reads the secret key, and makes one where the process is all there is and the database has never
// seen one.
func (p *parts) keys(ctx context.Context, alone bool) (*tasks.Keys, error) {
	known, err := tasks.HasSecretKey(ctx, p.pool)
	if err != nil {
		return nil, err
	}
	secret, err := p.settings.LoadSecretKey(alone && !known)
	if err != nil {
		return nil, err
	}
	return tasks.NewKeys(secret)
}

func openSwitches(settings config.Settings, log *slog.Logger) []*freeswitch.Switch {
	var switches []*freeswitch.Switch
	for _, addr := range settings.Switches {
		switches = append(switches, freeswitch.New(addr, settings.SwitchPassword.Reveal(), freeswitch.Options{
			DialTimeout:    settings.SwitchDialTimeout,
			CommandTimeout: settings.SwitchTimeout,
			Logger:         log,
		}))
	}
	return switches
}

// close gives back what openParts opened.
func (p *parts) close() {
	if p.pbx != nil {
		for _, s := range p.pbx.Switches {
			if err := s.Close(); err != nil {
				p.log.Debug("closing a switch's connections", "switch", s.Addr(), "error", err)
			}
		}
	}
	if p.redis != nil {
		if err := p.redis.Close(); err != nil {
			p.log.Debug("closing Redis", "error", err)
		}
	}
	if p.audit != nil {
		p.audit.Flush(context.Background()) // what was denied while the front end shut down
	}
	if p.pool != nil {
		p.pool.Close()
	}
}

func (p *parts) api() (*api.Server, error) {
	return api.New(api.Options{
		Settings: p.settings,
		PBX:      p.pbx,
		Tasks:    p.tasks,
		Exporter: p.exporter,
		Audit:    p.audit,
		Log:      p.log,
		Listener: p.listener,
		Limiter:  p.limiter,
	})
}

func (p *parts) worker(ctx context.Context) (*worker.Worker, error) {
	if err := p.tasks.MarkExportDir(ctx, p.settings.ExportDir); err != nil {
		return nil, err
	}
	return worker.New(worker.Options{
		PBX:                  p.pbx,
		Redis:                p.redis,
		Tasks:                p.tasks,
		Exporter:             p.exporter,
		Log:                  p.log,
		ProvisionConcurrency: p.settings.ProvisionConcurrency,
		ExportConcurrency:    p.settings.ExportConcurrency,
		ProvisionPoll:        p.settings.ProvisionPoll,
		ExportPoll:           p.settings.ExportPoll,
		HeartbeatInterval:    p.settings.HeartbeatInterval,
		ShutdownTimeout:      p.settings.ShutdownTimeout,
	}), nil
}

// newPBX is the PBX of the settings, without its switches.
func newPBX(s config.Settings, pool *pgxpool.Pool, db *fusionpbx.DB) *pbx.PBX {
	return &pbx.PBX{Pool: pool, FusionPBX: db, GatewayMode: fusionpbx.GatewayMode(s.GatewayMode), SIPProfilesDir: s.SIPProfilesDir}
}

func (p *parts) sweeper(roles ...tasks.Role) *scheduler.Sweeper {
	return &scheduler.Sweeper{
		Tasks:    p.tasks,
		Interval: p.settings.SweepInterval,
		Options: tasks.SweepOptions{
			HeartbeatTimeout: p.settings.HeartbeatTimeout,
			MaxAttempts:      p.settings.JobMaxAttempts,
			SecretRetention:  p.settings.SecretRetention,
			JobRetention:     p.settings.JobRetention,
		},
		Audit:          p.audit,
		AuditRetention: p.settings.AuditRetention,
		Roles:          roles,
		Log:            p.log,
	}
}

// newLog returns the log that the settings ask for.
func newLog(settings config.Settings, w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: settings.LogLevel}
	if settings.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

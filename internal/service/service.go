// Package service puts the rooms together: Postgres, Redis and the switches that the settings name, and on
// them the front end, the worker and the scheduler, all three or each alone. It knows nothing of what they
// do, or of a command line.
package service

import (
	"context"
	"io"
	"log/slog"
	"net"

	"github.com/jackc/pgx/v5/pgxpool"
	goredis "github.com/redis/go-redis/v9"

	"trunkline/internal/audit"
	"trunkline/internal/cdr"
	"trunkline/internal/config"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/pbx"
	"trunkline/internal/postgres"
	"trunkline/internal/ratelimit"
	"trunkline/internal/redis"
	"trunkline/internal/sealing"
	"trunkline/tasks"
)

// Service is everything that the front end, the worker and the scheduler are built on.
type Service struct {
	Listener net.Listener // where the front end listens; nil: as the settings say

	settings      config.Settings
	log           *slog.Logger
	pool          *pgxpool.Pool
	pbx           *pbx.PBX // nil until its database was probed
	redis         goredis.UniversalClient
	redisWatch    *redis.Watch
	redisInfo     redis.Info // of the first answer
	redisAnswered bool
	tasks         *tasks.Client
	exporter      cdr.Exporter
	unmarked      bool // the export store has yet to get this worker's mark
	keys          *sealing.Keys
	limiter       *ratelimit.Limiter
	audit         *audit.Log
}

// Open connects to everything; the caller closes it. With alone, there is no other process (serve, the
// demo): it makes the secret key if there is none and migrates its own tables.
func Open(ctx context.Context, settings config.Settings, log *slog.Logger, alone bool) (_ *Service, err error) {
	s := &Service{settings: settings, log: log}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if !alone {
		// Before anything is connected to, which is of no use without the key.
		if _, err := settings.LoadSecretKey(false); err != nil {
			return nil, err
		}
	}
	if s.pool, err = OpenDatabase(ctx, settings); err != nil {
		return nil, err
	}
	// Before anything is written: it may not be FusionPBX's.
	db, err := fusionpbx.Probe(ctx, s.pool)
	if err != nil {
		return nil, err
	}
	if alone {
		_, err = postgres.Migrate(ctx, s.pool)
	} else {
		err = postgres.CheckVersion(ctx, s.pool)
	}
	if err != nil {
		return nil, err
	}
	keys, err := Keys(ctx, settings, s.pool, alone)
	if err != nil {
		return nil, err
	}
	s.pbx = NewPBX(settings, s.pool, db)
	if err := keys.CheckDatabase(ctx, s.pool); err != nil {
		return nil, err
	}
	if s.keys = keys; keys.Superseded() {
		log.Warn("TRUNKLINE_SECRET_KEY is an old key, which is good for a while yet; run `trunkline key rotate` here to bring the one in use, or copy it")
	}
	if s.redis, err = OpenRedis(settings, log); err != nil {
		return nil, err
	}
	s.redisWatch = redis.NewWatch(s.redis, log)
	if err := s.checkRedis(ctx); err != nil {
		return nil, err
	}
	s.limiter = ratelimit.New(s.redis, log)
	s.audit = audit.New(s.pool, log)
	s.pbx.Switches = OpenSwitches(settings, log)
	s.tasks = tasks.NewClient(s.pool, keys, s.redis, settings, log)
	store, err := ExportStore(settings)
	if err != nil {
		return nil, err
	}
	s.exporter = cdr.Exporter{
		PBX:          s.pbx,
		Store:        store,
		FormulaGuard: settings.CSVFormulaGuard,
		Retention:    settings.ExportRetention,
		Connections:  exportConnections(settings),
		Share:        settings.ExportConnectionShare,
		SliceRows:    int64(settings.ExportSliceRows),
		Replica:      settings.ExportDatabaseURL != "",
		ReplicaWait:  settings.ExportReplicaWait,
	}
	return s, nil
}

// Close gives back what Open opened.
func (s *Service) Close() {
	if s.pbx != nil {
		for _, sw := range s.pbx.Switches {
			if err := sw.Close(); err != nil {
				s.log.Debug("closing a switch's connections", "switch", sw.Addr(), "error", err)
			}
		}
	}
	if s.redis != nil {
		if err := s.redis.Close(); err != nil {
			s.log.Debug("closing Redis", "error", err)
		}
	}
	if s.audit != nil {
		s.audit.Flush(context.Background()) // what was denied while the front end shut down
	}
	if files, remote := s.exporter.Store.(io.Closer); remote {
		if err := files.Close(); err != nil {
			s.log.Debug("closing the export store", "error", err)
		}
	}
	for _, pool := range []*pgxpool.Pool{s.exporter.Rows, s.pool} {
		if pool != nil {
			pool.Close()
		}
	}
}

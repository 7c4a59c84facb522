package service

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"trunkline/api"
	"trunkline/internal/delivery/destinations"
	"trunkline/internal/delivery/outbox"
	"trunkline/internal/gateway"
	"trunkline/internal/schedule/late"
	"trunkline/internal/schedule/store"
	"trunkline/internal/upload"
	"trunkline/scheduler"
	"trunkline/tasks"
	"trunkline/worker"
)

// run runs them together until ctx ends, and looks for a Redis that was away; the first that fails ends the
// others.
func (s *Service) run(ctx context.Context, runners ...func(context.Context) error) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, run := range append(runners, s.watchRedis, s.followKeys, s.followTables) {
		group.Go(func() error { return run(ctx) })
	}
	return group.Wait()
}

// Serve runs front end, worker and scheduler together until the context ends.
func (s *Service) Serve(ctx context.Context) (err error) {
	// Before the worker takes a job: a second serve by mistake must change nothing.
	if s.Listener == nil {
		if s.Listener, err = api.Listen(s.settings); err != nil {
			return err
		}
	}
	started, carrier := make(chan struct{}), "away"
	if s.redisAnswered {
		carrier = s.redisInfo.Version
	}
	w, err := s.worker(ctx, func() { close(started) })
	if err != nil {
		return err
	}
	a, err := s.api()
	if err != nil {
		return err
	}
	return s.run(ctx, a.Run, w.Run, s.sweeper(tasks.RoleWorker, tasks.RoleScheduler), s.schedules(), s.teller(), s.pruner(), s.keyKeeper(), s.keepMarking, s.tasks.Run, s.audit.Run, func(ctx context.Context) error {
		return s.sayReady(ctx, started, carrier)
	})
}

// API runs the front end alone.
func (s *Service) API(ctx context.Context) error {
	a, err := s.api()
	if err != nil {
		return err
	}
	return s.run(ctx, a.Run, s.tasks.Run, s.audit.Run)
}

// Worker runs a worker alone, which sweeps too.
func (s *Service) Worker(ctx context.Context) error {
	w, err := s.worker(ctx, nil)
	if err != nil {
		return err
	}
	return s.run(ctx, w.Run, s.sweeper(tasks.RoleWorker), s.teller(), s.pruner(), s.keyKeeper(), s.keepMarking)
}

// Scheduler runs the scheduler alone.
func (s *Service) Scheduler(ctx context.Context) error {
	return s.run(ctx, s.sweeper(tasks.RoleScheduler), s.schedules(), s.teller(), s.pruner(), s.keyKeeper())
}

func (s *Service) api() (*api.Server, error) {
	return api.New(api.Options{
		Settings:  s.settings,
		PBX:       s.pbx,
		Tasks:     s.tasks,
		Exporter:  s.exporter,
		Schedules: s.scheduleStore(),
		Audit:     s.audit,
		Log:       s.log,
		Listener:  s.Listener,
		Limiter:   s.limiter,
	})
}

func (s *Service) worker(ctx context.Context, started func()) (*worker.Worker, error) {
	if err := s.markStore(ctx); err != nil {
		return nil, err
	}
	var err error
	if s.exporter.Rows, err = OpenExportDatabase(ctx, s.settings); err != nil {
		return nil, err
	}
	return worker.New(worker.Options{
		Settings: s.settings,
		PBX:      s.pbx,
		Redis:    s.redis,
		Tasks:    s.tasks,
		Exporter: s.exporter,
		Audit:    s.audit,
		Log:      s.log,

		RedisAway: s.redisWatch.Away,
		Started:   started,
	}), nil
}

func (s *Service) sweeper(roles ...tasks.Role) func(context.Context) error {
	sweeper := scheduler.Sweeper{
		Tasks:    s.tasks,
		Interval: s.settings.SweepInterval,
		Roles:    roles,
		Log:      s.log,
	}
	return sweeper.Run
}

func (s *Service) schedules() func(context.Context) error {
	exporter := scheduler.Exporter{
		Schedules: s.scheduleStore(),
		Late:      &late.Store{Pool: s.pool, DB: s.pbx.FusionPBX, For: s.settings.ScheduleLate, Now: time.Now},
		Tasks:     s.tasks,
		DB:        s.pbx.FusionPBX,
		Interval:  s.settings.ScheduleInterval,
		AtOnce:    s.settings.ScheduleCatchUp,
		Failed:    scheduler.TellFailed(outbox.NewBox(s.pool, s.tasks)),
		Log:       s.log,
	}
	return exporter.Run
}

// scheduleStore keeps schedules by this machine's clock.
func (s *Service) scheduleStore() *store.Store {
	return &store.Store{
		Pool: s.pool, DB: s.pbx.FusionPBX, Destinations: destinations.New(s.pool, s.keys, s.settings), Now: time.Now,
		PerDomain: s.settings.SchedulesPerDomain, MostBackfilled: s.settings.ScheduleBackfill,
		Retention: s.settings.ScheduleRetention,
	}
}

func (s *Service) teller() func(context.Context) error {
	teller := scheduler.Teller{Outbox: outbox.NewBox(s.pool, s.tasks), PublicURL: s.settings.PublicURL, Interval: s.settings.SweepInterval, Log: s.log}
	return teller.Run
}

func (s *Service) pruner() func(context.Context) error {
	pruner := scheduler.Pruner{Audit: s.audit, Uploads: &upload.Store{Pool: s.pool, Keys: s.keys}, Retention: s.settings.AuditRetention, Log: s.log}
	return pruner.Run
}

func (s *Service) keyKeeper() func(context.Context) error {
	keeper := scheduler.KeyKeeper{
		Keys:   s.keys,
		Rehash: func(ctx context.Context) error { return gateway.Rehash(ctx, s.pbx, s.keys) },
		Log:    s.log,
	}
	return keeper.Run
}

// followTables has this process know FusionPBX's tables as they are, whoever upgrades it.
func (s *Service) followTables(ctx context.Context) error { return s.pbx.FusionPBX.Follow(ctx, s.log) }

// followKeys has this process use the secret key in use, whoever rotates it.
func (s *Service) followKeys(ctx context.Context) error { return s.keys.Follow(ctx, s.log) }

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/calendar"
	"trunkline/internal/cdr"
	"trunkline/internal/config"
	"trunkline/internal/delivery/destinations"
	"trunkline/internal/delivery/outbox"
	"trunkline/internal/export"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/schedule"
	"trunkline/internal/schedule/store"
	"trunkline/tasks"
)

const (
	// dueAtOnce is how many schedules are due at once, and how many plain exports are asked for at once beside them.
	dueAtOnce = 1000
	// rowsWanted is about how many CDRs each of them exports.
	rowsWanted = 1000
	// duePatience bounds either of them.
	duePatience = 10 * time.Minute
)

// schedules takes turns: schedules that are due at the same moment export a day's calls each, then export jobs of the same
// day are made at once, by nobody's schedule.
func (b *bench) schedules(ctx context.Context) (err error) {
	m, stop, err := b.startSchedules(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	for i := range dueAtOnce {
		if _, err := m.make(ctx, fmt.Sprintf("bench %d", i), m.request); err != nil {
			return err
		}
	}
	var f figures
	for range pairs {
		scheduled, err := m.scheduled(ctx)
		if err != nil {
			return err
		}
		plain, rows, err := m.plain(ctx)
		if err != nil {
			return err
		}
		fmt.Printf("# %d exports of %d rows: %.1f ms each by schedules that are due at once, %.1f ms each as plain jobs\n", dueAtOnce, rows, 1000*scheduled, 1000*plain)
		f.add("schedule_1000_due_at_once_s_per_job_vs_plain_exports", scheduled/plain, "ratio")
	}
	f.print()
	return nil
}

// scheduleBench are the schedules that are measured.
type scheduleBench struct {
	*bench
	tasks   *tasks.Client
	store   *store.Store
	day     cdr.Window
	request cdr.Request
}

// dayOf is yesterday, and a request for about as many of its calls as are wanted: those of the shortest length that leaves so
// many.
func (m *scheduleBench) dayOf(ctx context.Context) (day cdr.Window, request cdr.Request, err error) {
	today := calendar.Day.Begin(time.Now().UTC())
	yesterday := calendar.Day.Begin(today.Add(-time.Second))
	day = cdr.Window{DateStart: yesterday.Format(time.DateOnly), DateEnd: yesterday.Format(time.DateOnly), TimeZone: "UTC", Start: yesterday, End: today}
	request = cdr.Request{Format: export.CSV}
	err = m.pool.QueryRow(ctx, `
		select coalesce((array_agg(billsec::integer order by billsec::integer desc))[$3], 0) from v_xml_cdr where start_stamp >= $1 and start_stamp < $2`,
		day.Start, day.End, rowsWanted).Scan(&request.Filter.MinBillsec)
	return day, request, err
}

// startSchedules starts all of trunkline on the sample PBX, without a schedule.
func (b *bench) startSchedules(ctx context.Context) (m *scheduleBench, stop func() error, err error) {
	if err := b.withIndex(ctx); err != nil {
		return nil, nil, err
	}
	db, err := fusionpbx.Probe(ctx, b.pool)
	if err != nil {
		return nil, nil, err
	}
	p, err := b.start(ctx, "serve")
	if err != nil {
		return nil, nil, err
	}
	client, closeClient, err := b.jobClient(config.Settings{})
	if err != nil {
		return nil, nil, errors.Join(err, p.stop())
	}
	stop = func() error { return errors.Join(closeClient(), p.stop()) }
	m = &scheduleBench{bench: b, tasks: client}
	m.store = &store.Store{Pool: b.pool, DB: db, Destinations: destinations.New(b.pool, client.Keys(), config.Settings{}), Now: time.Now, PerDomain: 2 * dueAtOnce}
	if m.day, m.request, err = m.dayOf(ctx); err != nil {
		return nil, nil, errors.Join(err, stop())
	}
	_, err = b.pool.Exec(ctx, "delete from trunkline.schedules")
	return m, stop, err
}

// make makes a schedule, which is due when a round says so.
func (m *scheduleBench) make(ctx context.Context, name string, request cdr.Request) (store.Record, error) {
	return m.store.Create(ctx, store.Definition{
		Name: name, Cron: "@yearly", TimeZone: "UTC", Window: schedule.PreviousDay, Request: request, Enabled: true,
	}, "bench")
}

// scheduled has all schedules due, and returns how many seconds an export took, of all until the last window is settled.
func (m *scheduleBench) scheduled(ctx context.Context) (seconds float64, err error) {
	began := time.Now()
	if _, err := m.pool.Exec(ctx, "update trunkline.schedules set watermark = $1, next_run = now()", m.day.Start); err != nil {
		return 0, err
	}
	err = m.until(ctx, "(select count(*) from trunkline.windows where state = 'succeeded') = $1", dueAtOnce)
	return time.Since(began).Seconds() / dueAtOnce, errors.Join(err, m.clearExports(ctx))
}

// plain makes as many jobs of the same, and returns the same of them, and how many rows each has.
func (m *scheduleBench) plain(ctx context.Context) (seconds float64, rows int64, err error) {
	request := m.request
	request.Window = m.day
	jobs := make([]tasks.NewJob, dueAtOnce)
	for i := range jobs {
		subject := fmt.Sprintf("bench %d", i)
		jobs[i] = tasks.NewJob{
			Kind: tasks.KindExport, CreatedBy: m.Sample.SuperadminUUID, CreatedByName: "bench", Subject: subject, BodyHash: []byte(subject),
			Params: outbox.ExportParams{Request: request},
		}
	}
	began := time.Now()
	err = pgx.BeginFunc(ctx, m.pool, func(tx pgx.Tx) error {
		_, err := m.tasks.CreateIn(ctx, tx, jobs...)
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	if err := m.until(ctx, "(select count(*) from trunkline.jobs where kind = 'export' and state = 'succeeded') = $1", dueAtOnce); err != nil {
		return 0, 0, err
	}
	seconds = time.Since(began).Seconds() / dueAtOnce
	err = m.pool.QueryRow(ctx, "select max((result ->> 'total_records')::bigint) from trunkline.jobs where kind = 'export'").Scan(&rows)
	return seconds, rows, errors.Join(err, m.clearExports(ctx))
}

// until waits until the condition holds of that number.
func (m *scheduleBench) until(ctx context.Context, condition string, number int) error {
	ctx, cancel := context.WithTimeout(ctx, duePatience)
	defer cancel()
	for {
		var holds bool
		if err := m.pool.QueryRow(ctx, "select "+condition, number).Scan(&holds); holds || err != nil {
			return err
		}
		if err := wait(ctx, readyPoll); err != nil {
			return err
		}
	}
}

// clearExports forgets what was exported, and deletes its files.
func (m *scheduleBench) clearExports(ctx context.Context) error {
	_, err := m.pool.Exec(ctx, "delete from trunkline.windows; delete from trunkline.jobs where kind = 'export'")
	files, globErr := filepath.Glob(filepath.Join(m.Dir, "exports", "*.csv*"))
	for _, file := range files {
		err = errors.Join(err, os.Remove(file))
	}
	return errors.Join(err, globErr)
}

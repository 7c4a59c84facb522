package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"trunkline/internal/cdr"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/schedule/late"
)

// late measures how long a schedule's next export looks for CDRs that came after the ones before it: of all there are, which
// one window of the schedule has exported, and of which some have been changed since and others have come late.
func (b *bench) late(ctx context.Context) (err error) {
	m, stop, err := b.startSchedules(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	all := m.request
	all.Filter = fusionpbx.CDRChoice{}
	schedule, err := m.make(ctx, "late", all)
	if err != nil {
		return err
	}
	began := m.day.Start.AddDate(0, 0, -2*sampleDays)
	if _, err := m.pool.Exec(ctx, "update trunkline.schedules set kind = 'since_last_run', watermark = $2, next_run = now() where id = $1", schedule.ID, began); err != nil {
		return err
	}
	if err := m.until(ctx, "(select count(*) from trunkline.windows where state = 'succeeded') >= $1", 1); err != nil {
		return err
	}
	var rows int64
	if err := m.pool.QueryRow(ctx, "select rows from trunkline.window_files").Scan(&rows); err != nil {
		return err
	}
	if _, err := m.pool.Exec(ctx, "update v_xml_cdr set billsec = billsec where xml_cdr_uuid in (select xml_cdr_uuid from v_xml_cdr order by xml_cdr_uuid limit 1000)"); err != nil {
		return err
	}
	store := late.Store{Pool: m.pool, DB: m.store.DB, For: 24 * time.Hour, Now: time.Now}
	var f figures
	for number := range int64(pairs) {
		var window string
		err := m.pool.QueryRow(ctx, `
			insert into trunkline.windows (id, schedule_id, series, number, start_at, end_at, time_zone, state, made_at)
			values (gen_random_uuid(), $1, 'run', $2, now() + interval '1 day', now() + interval '2 days', 'UTC', 'waiting', now()) returning id::text`,
			schedule.ID, number+2).Scan(&window)
		if err != nil {
			return err
		}
		began := time.Now()
		_, counts, err := store.Begin(ctx, window, window, cdr.Request{Window: cdr.Window{Start: time.Now().AddDate(0, 0, 1), End: time.Now().AddDate(0, 0, 2)}})
		if err != nil {
			return err
		}
		if !counts {
			return errors.New("the window was not found")
		}
		seconds := time.Since(began).Seconds()
		fmt.Printf("# %d rows were exported: looking for late ones took %.2f s\n", rows, seconds)
		f.add("late_rows_check_seconds_per_million", seconds/float64(rows)*1e6, "s")
	}
	f.print()
	return m.clearExports(ctx)
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"trunkline/internal/freeswitch"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/pbxtest/fssim"
)

const (
	few  = 1_000  // gateways that are compared with the floor and with single calls
	many = 10_000 // gateways of which memory and time a row are measured
	// bulkPatience bounds one bulk job.
	bulkPatience = 3 * time.Minute
)

// bulk measures what many gateways by one call take: over the same rows and commands without Trunkline, over single
// calls, in memory, and what another's single call takes meanwhile.
func (b *bench) bulk(ctx context.Context) error {
	sw := freeswitch.New(b.Switch.Addr(), fssim.Password, freeswitch.Options{MaxReply: 64 << 20})
	defer sw.Close()
	m := &bulkBench{bench: b, sw: sw}
	return errors.Join(m.compare(ctx), m.large(ctx))
}

// bulkBench has what both sides use.
type bulkBench struct {
	*bench
	sw   *freeswitch.Switch
	made atomic.Int64 // so that every name is new
}

// compare takes turns: a bulk call, and what it does at the least.
func (m *bulkBench) compare(ctx context.Context) error {
	p, err := m.start(ctx, "serve")
	if err != nil {
		return err
	}
	defer p.stop()
	var overFloor, accepting []float64
	for range pairs + 1 { // the first warms up
		floor, err := m.floor(ctx, few)
		if err != nil {
			return err
		}
		call, err := m.byBulk(ctx, p, few)
		if err != nil {
			return err
		}
		overFloor, accepting = append(overFloor, call.work.Seconds()/floor.Seconds()), append(accepting, milliseconds(call.accepting))
	}
	figure(fmt.Sprintf("bulk_%d_vs_floor", few), median(overFloor[1:]), "ratio")
	figure(fmt.Sprintf("bulk_%d_accepted_ms", few), median(accepting[1:]), "ms")
	call, err := m.byBulk(ctx, p, few)
	if err != nil {
		return err
	}
	singles, err := m.singly(ctx, p, few)
	if err != nil {
		return err
	}
	var total float64
	for _, ms := range singles {
		total += ms
	}
	figure(fmt.Sprintf("bulk_%d_vs_single_calls", few), total/milliseconds(call.accepting+call.work), "ratio")
	figure("single_call_p50_ms", median(singles), "ms")
	if err := m.clear(ctx); err != nil {
		return err
	}
	return m.concurrently(ctx, p)
}

// concurrently takes turns: calls of one caller after the other, and as many at once, of which the slowest count.
func (m *bulkBench) concurrently(ctx context.Context, p *process) error {
	var ratios []float64
	for range pairs + 1 { // the first warms up
		alone, err := m.singly(ctx, p, atOnce)
		if err != nil {
			return err
		}
		times, err := m.together(ctx, p)
		if err != nil {
			return err
		}
		ratios = append(ratios, quantile(times, 0.95)/quantile(alone, 0.95))
		if err := m.clear(ctx); err != nil {
			return err
		}
	}
	figure(fmt.Sprintf("provision_p95_%d_concurrent_vs_single", atOnce), median(ratios[1:]), "ratio")
	return nil
}

// together makes atOnce gateways by a call each, all at the same time, and returns the times in milliseconds.
func (m *bulkBench) together(ctx context.Context, p *process) ([]float64, error) {
	times, errs := make([]float64, atOnce), make([]error, atOnce)
	var callers sync.WaitGroup
	for i := range times {
		name := m.name()
		callers.Go(func() {
			began := time.Now()
			errs[i] = m.provisionByHTTP(ctx, p, name)
			times[i] = milliseconds(time.Since(began))
		})
	}
	callers.Wait()
	return times, errors.Join(errs...)
}

// large measures ten thousand gateways: the worker's memory, the time a row, and the calls of others meanwhile.
func (m *bulkBench) large(ctx context.Context) error {
	front, err := m.start(ctx, "api")
	if err != nil {
		return err
	}
	defer front.stop()
	worker, err := m.start(ctx, "worker")
	if err != nil {
		return err
	}
	defer func() { worker.stop() }()
	small, err := m.byBulk(ctx, front, few)
	if err != nil {
		return err
	}
	if err := worker.stop(); err != nil {
		return err
	}
	if worker, err = m.start(ctx, "worker"); err != nil { // a fresh one, for its memory
		return err
	}
	large, err := m.load(ctx, front, many)
	if err != nil {
		return err
	}
	peak, err := worker.peakMemory()
	if err != nil {
		return err
	}
	figure(fmt.Sprintf("bulk_%d_peak_memory_mb", many), peak, "MB")
	figure(fmt.Sprintf("bulk_%d_per_row_vs_%d", many, few), large.work.Seconds()/many/(small.work.Seconds()/few), "ratio")
	return m.meanwhile(ctx, front)
}

// meanwhile measures single calls while ten thousand gateways are made, over single calls on an idle PBX and one rescan
// of as many.
func (m *bulkBench) meanwhile(ctx context.Context, front *process) error {
	rescan, err := m.timed(func() error { return m.sw.Rescan(ctx, "external") }) // ten thousand are loaded
	if err != nil {
		return err
	}
	if err := m.clear(ctx); err != nil {
		return err
	}
	idle, err := m.singly(ctx, front, callsPerSide)
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		_, err := m.load(ctx, front, many)
		stop()
		ended <- err
	}()
	var times []float64
	for running.Err() == nil {
		one, err := m.singly(ctx, front, 1)
		if err != nil {
			return errors.Join(err, <-ended)
		}
		times = append(times, one...)
	}
	if err := <-ended; err != nil {
		return err
	}
	figure(fmt.Sprintf("provision_p95_during_bulk_%d", many), quantile(times, 0.95)/(quantile(idle, 0.95)+milliseconds(rescan)), "ratio")
	return m.clear(ctx)
}

// name is one that no gateway had yet.
func (m *bulkBench) name() string {
	return fmt.Sprintf("bulk-%d", m.made.Add(1))
}

func (m *bulkBench) timed(do func() error) (time.Duration, error) {
	began := time.Now()
	err := do()
	return time.Since(began), err
}

// singly makes so many gateways by a call each, one after the other, and returns the times in milliseconds.
func (m *bulkBench) singly(ctx context.Context, p *process, n int) (times []float64, err error) {
	for range n {
		took, err := m.timed(func() error { return m.provisionByHTTP(ctx, p, m.name()) })
		if err != nil {
			return nil, err
		}
		times = append(times, milliseconds(took))
	}
	return times, nil
}

// bulkCall is how long a bulk call took until it was accepted, and from then on until all was verified.
type bulkCall struct{ accepting, work time.Duration }

// byBulk makes so many gateways by one call, and takes them away again.
func (m *bulkBench) byBulk(ctx context.Context, p *process, n int) (bulkCall, error) {
	call, err := m.load(ctx, p, n)
	return call, errors.Join(err, m.clear(ctx))
}

// load makes so many gateways by one call.
func (m *bulkBench) load(ctx context.Context, p *process, n int) (call bulkCall, err error) {
	var file strings.Builder
	file.WriteString("gateway_name,gateway_domain,gateway_username,gateway_password\n")
	for range n {
		fmt.Fprintf(&file, "%s,sip.carrier.example,account,secret\n", m.name())
	}
	ctx, cancel := context.WithTimeout(ctx, bulkPatience)
	defer cancel()
	var pending struct {
		JobID string `json:"job_id"`
	}
	call.accepting, err = m.timed(func() error {
		return m.ask(ctx, p, http.MethodPost, "/v1/gateways/bulk?tenant_domain=global&wait=0", "text/csv", []byte(file.String()), &pending)
	})
	if err != nil {
		return call, err
	}
	accepted := time.Now()
	var job struct {
		State      string          `json:"state"`
		Done       bool            `json:"done"`
		Error      json.RawMessage `json:"error"`
		FinishedAt time.Time       `json:"finished_at"`
	}
	for !job.Done {
		if err := m.ask(ctx, p, http.MethodGet, "/v1/jobs/"+pending.JobID+"?wait=20", "", nil, &job); err != nil {
			return call, err
		}
	}
	if job.State != "succeeded" {
		return call, fmt.Errorf("a bulk job of %d gateways ended as %s: %s", n, job.State, job.Error)
	}
	call.work = job.FinishedAt.Sub(accepted)
	return call, nil
}

// floor writes so many gateways in one transaction, has the switch load them and reads its list, and nothing else.
func (m *bulkBench) floor(ctx context.Context, n int) (took time.Duration, err error) {
	rows := make([]fusionpbx.Gateway, n)
	for i := range rows {
		rows[i] = fusionpbx.NewGateway(uuid.NewString(), "", m.name())
		for column, value := range map[string]string{
			"proxy": "sip.carrier.example", "realm": "sip.carrier.example", "username": "account", "password": "secret", "register": "true",
		} {
			rows[i].Set(column, value)
		}
	}
	columns := slices.DeleteFunc(slices.Clone(fusionpbx.GatewayColumns), func(column string) bool { return rows[0].Get(column) == "" })
	casts, err := m.casts(ctx, columns)
	if err != nil {
		return 0, err
	}
	took, err = m.timed(func() error {
		if err := m.copyRows(ctx, rows, columns, casts); err != nil {
			return err
		}
		if err := m.sw.DeleteSofiaCache(ctx); err != nil {
			return err
		}
		if err := m.sw.Rescan(ctx, "external"); err != nil {
			return err
		}
		list, err := m.sw.Gateways(ctx)
		if err == nil && len(list) < n {
			err = fmt.Errorf("%d of %d gateways are loaded", len(list), n)
		}
		return err
	})
	return took, errors.Join(err, m.clear(ctx))
}

// copyRows is one COPY and one INSERT in one transaction.
func (m *bulkBench) copyRows(ctx context.Context, rows []fusionpbx.Gateway, columns, casts []string) error {
	return pgx.BeginFunc(ctx, m.pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "create temporary table copied (gateway_uuid text, "+strings.Join(columns, " text, ")+" text) on commit drop")
		if err != nil {
			return err
		}
		_, err = tx.CopyFrom(ctx, pgx.Identifier{"copied"}, append([]string{"gateway_uuid"}, columns...), pgx.CopyFromSlice(len(rows), func(i int) ([]any, error) {
			values := []any{rows[i].UUID}
			for _, column := range columns {
				values = append(values, rows[i].Get(column))
			}
			return values, nil
		}))
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "insert into v_gateways (gateway_uuid, "+strings.Join(columns, ", ")+") select gateway_uuid::uuid, "+strings.Join(casts, ", ")+" from copied")
		return err
	})
}

// casts are the columns as the types that v_gateways has them in.
func (m *bulkBench) casts(ctx context.Context, columns []string) (casts []string, err error) {
	for _, column := range columns {
		var kind string
		err := m.pool.QueryRow(ctx, "select data_type from information_schema.columns where table_name = 'v_gateways' and column_name = $1", column).Scan(&kind)
		if err != nil {
			return nil, err
		}
		casts = append(casts, column+"::"+kind)
	}
	return casts, nil
}

// clear takes away all gateways that were made here, from the database and from the switch.
func (m *bulkBench) clear(ctx context.Context) error {
	uuids, err := m.pool.Query(ctx, "delete from v_gateways where gateway like 'bulk-%' returning gateway_uuid::text")
	if err != nil {
		return err
	}
	gone, err := pgx.CollectRows(uuids, pgx.RowTo[string])
	if err != nil {
		return err
	}
	if err := m.sw.DeleteSofiaCache(ctx); err != nil {
		return err
	}
	for _, name := range gone {
		if _, err := m.sw.KillGateway(ctx, "external", name); err != nil {
			return err
		}
	}
	_, err = m.sw.WaitGone(ctx, gone)
	return err
}

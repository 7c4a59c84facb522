package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"trunkline/internal/config"
	"trunkline/internal/freeswitch"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway"
	"trunkline/internal/pbxtest/fssim"
	"trunkline/internal/sealing"
	"trunkline/tasks"
)

const (
	// callsPerSide is how many gateways each side of a pair provisions.
	callsPerSide = 40
	// warmUp is how many are provisioned before anything is measured.
	warmUp = 10
)

// provision measures what the HTTP call costs over the same SQL and event-socket steps done directly,
// and how long a job waits before a worker starts it. Every gateway has a fresh name.
func (b *bench) provision(ctx context.Context) error {
	p, err := b.start(ctx, "serve")
	if err != nil {
		return err
	}
	defer p.stop()
	db, err := fusionpbx.Probe(ctx, b.pool)
	if err != nil {
		return err
	}
	sw := freeswitch.New(b.Switch.Addr(), fssim.Password, freeswitch.Options{})
	defer sw.Close()
	direct := func(ctx context.Context, name string) error { return provisionDirectly(ctx, b.pool, db, sw, name) }
	call := func(ctx context.Context, name string) error { return b.provisionByHTTP(ctx, p, name) }
	for i := range warmUp {
		if err := errors.Join(call(ctx, fmt.Sprintf("warm-call-%d", i)), direct(ctx, fmt.Sprintf("warm-direct-%d", i))); err != nil {
			return err
		}
	}
	var p50, p95 []float64
	for pair := range pairs {
		ours, err := timeEach(ctx, fmt.Sprintf("call-%d", pair), call)
		if err != nil {
			return err
		}
		theirs, err := timeEach(ctx, fmt.Sprintf("direct-%d", pair), direct)
		if err != nil {
			return err
		}
		p50 = append(p50, quantile(ours, 0.5)-quantile(theirs, 0.5))
		p95 = append(p95, quantile(ours, 0.95)-quantile(theirs, 0.95))
	}
	figure("provision_p50_overhead_ms", median(p50), "ms")
	figure("provision_p95_overhead_ms", median(p95), "ms")
	return b.enqueueToStart(ctx)
}

// enqueueToStart measures the time from a task's way into Redis to the start that the worker writes
// into the job's row.
func (b *bench) enqueueToStart(ctx context.Context) error {
	client, closeClient, err := b.jobClient(config.Settings{ProvisionTimeout: time.Minute, HeartbeatTimeout: startPatience, QueuedJobs: pairs * callsPerSide})
	if err != nil {
		return err
	}
	defer closeClient()
	ctx, stop := context.WithCancel(ctx)
	var listening errgroup.Group
	defer listening.Wait()
	defer stop()
	listening.Go(func() error { return client.Run(ctx) })
	password := "secret"
	var waits []float64
	for i := range pairs * callsPerSide {
		name := fmt.Sprintf("queued-%d", i)
		job, _, err := client.Create(ctx, tasks.NewJob{
			Kind: tasks.KindProvision, CreatedBy: b.Sample.SuperadminUUID, CreatedByName: "bench", Subject: name, BodyHash: []byte(name),
			Params:  gateway.Request{Name: name, Values: map[string]string{"proxy": "sip.carrier.example", "username": "account"}},
			Secrets: gateway.Secrets{Password: &password},
		})
		if err != nil {
			return err
		}
		enqueued := time.Now()
		client.Admit(ctx)
		if job, err = client.Wait(ctx, job.ID, startPatience); err != nil {
			return err
		}
		if job.State != tasks.StateSucceeded {
			return fmt.Errorf("provisioning %s ended as %s: %v", name, job.State, job.Error)
		}
		waits = append(waits, milliseconds(job.StartedAt.Sub(enqueued)))
	}
	figure("enqueue_to_start_p50_ms", median(waits), "ms")
	return nil
}

// jobClient is a client of jobs on the sample PBX. Somebody should close it.
func (b *bench) jobClient(settings config.Settings) (client *tasks.Client, closeClient func() error, err error) {
	secret, err := config.Settings{SecretKey: config.Secret(b.SecretKey())}.LoadSecretKey(false)
	if err != nil {
		return nil, nil, err
	}
	keys, err := sealing.NewKeys(secret)
	if err != nil {
		return nil, nil, err
	}
	rdb := redis.NewClient(&redis.Options{Addr: b.Servers.RedisAddr()})
	return tasks.NewClient(b.pool, keys, rdb, settings, slog.New(slog.DiscardHandler)), rdb.Close, nil
}

// timeEach provisions one gateway after the other and returns each one's time in milliseconds.
func timeEach(ctx context.Context, prefix string, provision func(context.Context, string) error) ([]float64, error) {
	var times []float64
	for i := range callsPerSide {
		began := time.Now()
		if err := provision(ctx, fmt.Sprintf("%s-%d", prefix, i)); err != nil {
			return nil, err
		}
		times = append(times, milliseconds(time.Since(began)))
	}
	return times, nil
}

func (b *bench) provisionByHTTP(ctx context.Context, p *process, name string) error {
	form := url.Values{
		"gateway_name": {name}, "gateway_domain": {"sip.carrier.example"},
		"gateway_username": {"account"}, "gateway_password": {"secret"},
	}
	var answer struct {
		Status  string `json:"status"`
		Message string `json:"message"`
	}
	status, err := b.post(ctx, p, "/app/gateways/provision.php", form, &answer)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("provisioning %s answered %d: %s", name, status, answer.Message)
	}
	return err
}

// provisionDirectly takes the steps that a provision job takes, without HTTP, queue or job record.
func provisionDirectly(ctx context.Context, pool *pgxpool.Pool, db *fusionpbx.DB, sw *freeswitch.Switch, name string) error {
	row := fusionpbx.NewGateway(uuid.NewString(), "", name)
	for column, value := range map[string]string{
		"proxy": "sip.carrier.example", "realm": "sip.carrier.example", "username": "account", "password": "secret", "register": "true",
	} {
		row.Set(column, value)
	}
	if enabled, err := db.EnabledProfiles(ctx); err != nil || !slices.Contains(enabled, row.Profile()) {
		return errors.Join(err, fmt.Errorf("profile %s is not among the enabled ones: %s", row.Profile(), enabled))
	}
	if err := sw.ProfileRunning(ctx, row.Profile()); err != nil {
		return err
	}
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if err := db.In(tx).LockGateways(ctx, ""); err != nil {
			return err
		}
		if _, err := db.In(tx).GatewaysByLabel(ctx, "", name); err != nil {
			return err
		}
		return db.In(tx).InsertGateway(ctx, row, uuid.NewString())
	})
	if err != nil {
		return err
	}
	if err := sw.DeleteSofiaCache(ctx); err != nil {
		return err
	}
	if err := sw.Rescan(ctx, row.Profile()); err != nil {
		return err
	}
	_, err = sw.Gateway(ctx, row.UUID)
	return err
}

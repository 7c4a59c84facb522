package worker_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway"
	"trunkline/internal/pbxtest/testbed"
	"trunkline/internal/tenant"
	"trunkline/tasks"
)

// copies counts the gateway in the first switch's list, which also shows what a look-up by name hides.
func (b *bundle) copies(t *testing.T, uuid string) (n int, profile string) {
	t.Helper()
	list, err := b.options.PBX.Switches[0].Gateways(t.Context())
	must(t, err)
	for _, g := range list {
		if g.Name == uuid {
			n, profile = n+1, g.Profile
		}
	}
	return n, profile
}

// lost leaves a job as a worker does that was killed right after it wrote the row.
func (b *bundle) lost(t *testing.T, n tasks.NewJob, row fusionpbx.Gateway) tasks.Job {
	t.Helper()
	job, err := b.Submit(t.Context(), n)
	must(t, err)
	attempt, err := b.Claim(t.Context(), job.ID, job.Dispatch, "killed")
	must(t, err)
	secrets := n.Secrets.(gateway.Secrets)
	secrets.Written = &gateway.Written{Row: row}
	must(t, pgx.BeginFunc(t.Context(), b.pool, func(tx pgx.Tx) error {
		if err := b.db.In(tx).InsertGateway(t.Context(), row, ""); err != nil {
			return err
		}
		batch := &pgx.Batch{}
		must(t, attempt.SaveSecrets(batch, secrets))
		return tx.SendBatch(t.Context(), batch).Close()
	}))
	job, err = attempt.HandBack(t.Context())
	must(t, err)
	return job
}

func (b *bundle) carrierRow() fusionpbx.Gateway {
	row := fusionpbx.NewGateway("0a0b0c0d-0000-4000-8000-000000000001", "", "carrier")
	for column, value := range carrier("register", "true") {
		row.Set(column, value)
	}
	return row
}

func TestSecondAttemptUndoesWhatTheFirstWrote(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		arrange func(*testing.T, *bundle, tasks.Job) tasks.Job
		state   tasks.State
		code    string
	}{
		{
			name: "where the switch is down by now",
			arrange: func(t *testing.T, b *bundle, job tasks.Job) tasks.Job {
				must(t, b.switches[0].Stop())
				return job
			},
			state: tasks.StateFailed, code: fault.SwitchUnavailable,
		},
		{
			name: "where the job is cancelled meanwhile",
			arrange: func(t *testing.T, b *bundle, job tasks.Job) tasks.Job {
				job, err := b.Cancel(t.Context(), job.ID, tenant.All)
				must(t, err)
				return job
			},
			state: tasks.StateCancelled, code: fault.Cancelled,
		},
		{
			name: "where it failed, is retried and then cancelled",
			arrange: func(t *testing.T, b *bundle, job tasks.Job) tasks.Job {
				attempt, err := b.Claim(t.Context(), job.ID, job.Dispatch, "killed too")
				must(t, err)
				must(t, attempt.Fail(t.Context(), fault.Errorf(fault.WorkerLost, "lost")))
				_, err = b.Retry(t.Context(), job.ID, tenant.All)
				must(t, err)
				job, err = b.Cancel(t.Context(), job.ID, tenant.All)
				must(t, err)
				return job
			},
			state: tasks.StateCancelled, code: fault.Cancelled,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{stopped: true})
			b.options.Settings.ProvisionTimeout = 2 * time.Second
			rows := testbed.GatewayRows(t, b.pool)
			job := tc.arrange(t, b, b.lost(t, b.gateway("", "carrier", carrier()), b.carrierRow()))
			b.Enqueue(t.Context(), job)
			b.start(t)
			b.sweeping(t)
			job = b.ended(t, job)
			if job.State != tc.state || job.Error.Code != tc.code {
				t.Fatalf("got %s %+v, want %s with %s", job.State, job.Error, tc.state, tc.code)
			}
			if got := testbed.GatewayRows(t, b.pool); got != rows {
				t.Fatalf("the row of the first attempt stands, and the error says: %s", job.Error.Message)
			}
		})
	}
}

func TestSecondAttemptKeepsTheFirstOnesRow(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{stopped: true})
	row := b.carrierRow()
	job := b.lost(t, b.gateway("", "carrier", carrier()), row)
	b.Enqueue(t.Context(), job)
	b.start(t)
	if job = b.ended(t, job); job.State != tasks.StateSucceeded || !strings.Contains(string(job.Result), `"action":"created"`) {
		t.Fatalf("got %s %s %v", job.State, job.Result, job.Error)
	}
	if n, _ := b.copies(t, row.UUID); n != 1 || strings.Count(testbed.GatewayRows(t, b.pool), `"carrier"`) != 1 {
		t.Fatalf("got %d copies on the switch, rows\n%s", n, testbed.GatewayRows(t, b.pool))
	}
}

func TestShutdownFinishesARound(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{stopped: true})
	b.options.Settings.ShutdownTimeout = 20 * time.Millisecond
	stop := b.start(t)
	created := b.provisioned(t, b.gateway("", "carrier", carrier()))
	killing := make(chan struct{})
	remove := b.switches[0].OnCommand("killgw", sync.OnceFunc(func() { close(killing) }))
	defer remove()
	_, err := b.Submit(t.Context(), b.gateway("", "carrier", carrier("password", "new")))
	must(t, err)
	<-killing
	stop()
	if _, loaded := b.switches[0].Loaded()[created.GatewayUUID]; !loaded {
		t.Fatal("the worker stopped between the kill and the rescan")
	}
}

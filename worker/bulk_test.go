package worker_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"trunkline/internal/fault"
	"trunkline/internal/gateway"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/testbed"
	"trunkline/internal/tenant"
	"trunkline/tasks"
)

// many is a request for many global gateways, an item each.
func (b *bundle) many(asked gateway.Bulk, gateways ...tasks.NewJob) tasks.NewJob {
	n := tasks.NewJob{
		Kind: tasks.KindBulk, CreatedBy: b.sample.SuperadminUUID, CreatedByName: "superadmin", Subject: "bulk",
		BodyHash: []byte(uuid.NewString()), Params: asked, Domains: []string{""},
	}
	for i, g := range gateways {
		n.Items = append(n.Items, tasks.NewItem{
			Params:    gateway.BulkItem{Request: g.Params.(gateway.Request), Line: i + 2},
			Secrets:   g.Secrets,
			OrderKeys: g.OrderKeys,
		})
	}
	return n
}

// carriers are requests for so many gateways.
func (b *bundle) carriers(n int, more ...string) (all []tasks.NewJob) {
	for i := range n {
		all = append(all, b.gateway("", fmt.Sprintf("carrier%03d", i), carrier(more...)))
	}
	return all
}

// items are those of the job.
func (b *bundle) items(t *testing.T, job tasks.Job) []tasks.Item {
	t.Helper()
	items, _, err := b.Items(t.Context(), job, tasks.ItemFilter{Limit: 10_000})
	must(t, err)
	return items
}

// wantBulk fails unless the job ended so, with these counts in its result ("": it has none) and these states.
func (b *bundle) wantBulk(t *testing.T, job tasks.Job, state tasks.State, counts string, states ...tasks.ItemState) {
	t.Helper()
	var result gateway.BulkResult
	if job.Result != nil {
		must(t, json.Unmarshal(job.Result, &result))
	}
	got := ""
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name := range result.Counts {
			if !yield(name) {
				return
			}
		}
	}) {
		got += fmt.Sprintf("%s %d, ", name, result.Counts[name])
	}
	got = strings.TrimSuffix(got, ", ")
	if job.State != state || got != counts {
		t.Errorf("the job is %s (%v) with %q, want %s with %q\n%s", job.State, job.Error, got, state, counts, b.log)
	}
	var found []tasks.ItemState
	for _, item := range b.items(t, job) {
		found = append(found, item.State)
	}
	if len(states) > 0 && !slices.Equal(found, states) {
		t.Errorf("the items are %v, want %v", found, states)
	}
}

// loaded is how many gateways the switch has.
func (b *bundle) loaded() int { return len(b.switches[0].Loaded()) }

// secretsKept is how many of the job's items have a sealed part.
func (b *bundle) secretsKept(t *testing.T, job tasks.Job) (n int) {
	t.Helper()
	must(t, b.pool.QueryRow(t.Context(), "select count(sealed) from trunkline.items where job_id = $1", job.ID).Scan(&n))
	return n
}

const (
	succeeded = tasks.ItemSucceeded
	failed    = tasks.ItemFailed
	skipped   = tasks.ItemSkipped
)

func TestBulkMakesChangesAndDeletes(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{gateway.ModeAll, gateway.ModeEach} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{switches: 2})
			before := b.loaded()
			rescans := b.switches[0].CountCommands("sofia profile external rescan")
			job := b.run(t, b.many(gateway.Bulk{Mode: mode, Action: "import"}, b.carriers(50)...))
			b.wantBulk(t, job, tasks.StateSucceeded, "created 50, total 50")
			if got := b.switches[0].CountCommands("sofia profile external rescan") - rescans; got != 1 {
				t.Errorf("%d rescans for 50 new gateways, want 1", got)
			}
			if got := b.loaded() - before; got != 50 {
				t.Errorf("%d gateways are loaded, want 50", got)
			}
			if got := b.secretsKept(t, job); got != 0 {
				t.Errorf("%d items keep their secrets", got)
			}
			mixed := append(b.carriers(10, "password", "other"), b.carriers(13)[10:]...)
			job = b.run(t, b.many(gateway.Bulk{Mode: mode, Action: "import"}, append(mixed, b.gateway("", "new", carrier()))...))
			b.wantBulk(t, job, tasks.StateSucceeded, "created 1, total 14, unchanged 3, updated 10")
			var result gateway.Result
			must(t, json.Unmarshal(b.items(t, job)[0].Result, &result))
			for _, sw := range b.switches {
				if got := sw.Loaded()[result.GatewayUUID].Params["password"]; got != "other" {
					t.Errorf("switch %s has the password %q", sw.Addr(), got)
				}
			}
			var deletions []tasks.NewJob
			for _, n := range b.carriers(51) {
				asked := n.Params.(gateway.Request)
				asked.Delete, asked.Values = true, map[string]string{}
				n.Params, n.Secrets = asked, gateway.Secrets{}
				deletions = append(deletions, n)
			}
			job = b.run(t, b.many(gateway.Bulk{Mode: mode, Action: "delete"}, deletions...))
			b.wantBulk(t, job, tasks.StateSucceeded, "absent 1, deleted 50, total 51")
			if got := b.loaded() - before; got != 1 {
				t.Errorf("%d gateways are left, want 1", got)
			}
		})
	}
}

// One row that cannot be done stops all in mode all, and is alone with it in mode each; a retry takes up what failed.
func TestBulkWithAFault(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	before := b.loaded()
	rows := b.carriers(3)
	rows[1] = b.gateway("", "carrier001", carrier("profile", "nowhere"))
	job := b.run(t, b.many(gateway.Bulk{Mode: gateway.ModeAll, Action: "import"}, rows...))
	b.wantBulk(t, job, tasks.StateFailed, "", skipped, failed, skipped)
	if job.Error.Code != fault.ProfileUnavailable || !strings.Contains(job.Error.Message, "item 2") {
		t.Errorf("the job's error is %v", job.Error)
	}
	if got := b.loaded() - before; got != 0 {
		t.Errorf("%d gateways are loaded, want none", got)
	}
	job = b.run(t, b.many(gateway.Bulk{Mode: gateway.ModeEach, Action: "import"}, rows...))
	b.wantBulk(t, job, tasks.StatePartial, "created 2, failed 1, total 3", succeeded, failed, succeeded)
	if got := b.secretsKept(t, job); got != 1 {
		t.Errorf("%d items keep their secrets, want the failed one", got)
	}
	_, err := b.pool.Exec(t.Context(), "update v_sip_profiles set sip_profile_name = 'nowhere' where sip_profile_name = 'internal'")
	must(t, err)
	job, err = b.Retry(t.Context(), job.ID, tenant.All)
	must(t, err)
	job = b.ended(t, job) // the switch has no such profile
	b.wantBulk(t, job, tasks.StatePartial, "created 2, failed 1, total 3", succeeded, failed, succeeded)
	if job.Attempt != 2 {
		t.Errorf("it is at attempt %d, want 2", job.Attempt)
	}
}

// In mode all, what a switch will not load puts back what it has loaded.
func TestBulkThatASwitchWillNotLoadIsPutBack(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	b.run(t, b.many(gateway.Bulk{Mode: gateway.ModeAll, Action: "import"}, b.carriers(2)...))
	before := b.loaded()
	b.switches[0].FaultOnce("profile internal rescan", func(c net.Conn) { // it loads nothing
		const reply = "Reload XML [Success]\n+OK scan complete\n"
		fmt.Fprintf(c, "Content-Type: api/response\nContent-Length: %d\n\n%s", len(reply), reply)
	})
	rows := append(b.carriers(5, "password", "other"), b.gateway("", "broken", carrier("profile", "internal")))
	job := b.run(t, b.many(gateway.Bulk{Mode: gateway.ModeAll, Action: "import"}, rows...))
	b.wantBulk(t, job, tasks.StateFailed, "", skipped, skipped, skipped, skipped, skipped, failed)
	if job.Error.Code != fault.GatewayNotLoaded {
		t.Errorf("the job's error is %v", job.Error)
	}
	var rowsLeft int
	must(t, b.pool.QueryRow(t.Context(), "select count(*) from v_gateways where gateway like 'carrier0%' and password = 's3cret-pw'").Scan(&rowsLeft))
	if rowsLeft != 2 || b.loaded() != before {
		t.Errorf("%d rows and %d gateways are as before, want 2 and %d", rowsLeft, b.loaded(), before)
	}
	for _, g := range b.switches[0].Loaded() {
		if g.Params["password"] == "other" {
			t.Errorf("gateway %s has the new password still", g.Name)
		}
	}
}

// A dry run says what would be done, changes nothing and keeps no secret.
func TestBulkDryRun(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	b.run(t, b.many(gateway.Bulk{Mode: gateway.ModeAll, Action: "import"}, b.carriers(2)...))
	before, commands := b.loaded(), b.switches[0].CountCommands("sofia profile external rescan")
	rows := append(b.carriers(1), b.gateway("", "carrier001", carrier("password", "other", "context", "elsewhere")),
		b.gateway("", "new", carrier()), b.gateway("", "astray", carrier("profile", "nowhere")))
	job := b.run(t, b.many(gateway.Bulk{Mode: gateway.ModeAll, Action: "import", DryRun: true}, rows...))
	b.wantBulk(t, job, tasks.StateSucceeded, "add 1, change 1, conflict 1, total 4, unchanged 1", succeeded, succeeded, succeeded, failed)
	changed := b.items(t, job)[1].Result
	if text := string(changed); strings.Contains(text, "other") || !strings.Contains(text, `"password"`) || !strings.Contains(text, "elsewhere") {
		t.Errorf("the difference is %s", changed)
	}
	if b.loaded() != before || b.switches[0].CountCommands("sofia profile external rescan") != commands {
		t.Error("a dry run has changed the switch")
	}
	if got := b.secretsKept(t, job); got != 0 {
		t.Errorf("%d items keep their secrets", got)
	}
}

// A bulk job that meets a switch that restarts goes on when it is back, and repeats nothing.
func TestBulkWaitsForASwitchThatRestarts(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	b.sweeping(t)
	before := b.loaded()
	for _, mode := range []string{gateway.ModeAll, gateway.ModeEach} {
		must(t, b.switches[0].Stop())
		job, err := b.Submit(t.Context(), b.many(gateway.Bulk{Mode: mode, Action: "import"}, b.carriers(20)...))
		must(t, err)
		b.asleep(t, job)
		must(t, b.switches[0].Restart())
		job = b.ended(t, job)
		if job.State != tasks.StateSucceeded {
			t.Errorf("%s: the job is %s: %v", mode, job.State, job.Error)
		}
	}
	if got := b.loaded() - before; got != 20 {
		t.Errorf("%d gateways are loaded, want 20", got)
	}
}

// What is cancelled before it is written leaves nothing; what is cancelled later says what stands.
func TestBulkIsCancelled(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	before := b.loaded()
	began := make(chan struct{})
	hold := make(chan struct{})
	defer b.switches[0].OnCommand("rescan", func() {
		select {
		case <-began:
		default:
			close(began)
			<-hold
		}
	})()
	job, err := b.Submit(t.Context(), b.many(gateway.Bulk{Mode: gateway.ModeAll, Action: "import"}, b.carriers(20)...))
	must(t, err)
	<-began
	_, err = b.Cancel(t.Context(), job.ID, tenant.All)
	must(t, err)
	close(hold)
	job = b.ended(t, job)
	if job.State != tasks.StateCancelled && job.State != tasks.StateSucceeded {
		t.Fatalf("the job is %s: %v", job.State, job.Error)
	}
	if got := b.loaded() - before; job.State == tasks.StateCancelled && got != 0 || job.State == tasks.StateSucceeded && got != 20 {
		t.Errorf("the job is %s, and %d gateways are loaded", job.State, got)
	}
	if got := b.secretsKept(t, job); got != 0 {
		t.Errorf("%d items keep their secrets", got)
	}
	pbxtest.Eventually(t, "the switch has what the rows say", func() bool { return b.loaded()-before == 0 || b.loaded()-before == 20 })
}

// A bulk job whose connections to the database are cut in the middle, as by its restart, is gone on with.
func TestBulkGoesOnAfterTheDatabaseRestarted(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"sofia xmlstatus gateway", "sofia profile external rescan"} {
		for _, mode := range []string{gateway.ModeAll, gateway.ModeEach} {
			t.Run(mode+" at "+command, func(t *testing.T) {
				t.Parallel()
				b := newBundle(t, setUp{stopped: true})
				b.sweeping(t)
				before := b.loaded()
				job, err := b.Submit(t.Context(), b.many(gateway.Bulk{Mode: mode, Action: "import"}, b.carriers(30)...))
				must(t, err)
				cut := sync.OnceFunc(func() {
					_, err := b.pool.Exec(context.WithoutCancel(t.Context()), `
						select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`)
					if err != nil {
						t.Error(err)
					}
				})
				defer b.switches[0].OnCommand(command, cut)()
				b.start(t)
				pbxtest.Eventually(t, "the job has ended", func() bool {
					now, err := b.Get(t.Context(), job.ID, tenant.All)
					if err == nil { // this connection may be cut too
						job = now
					}
					return job.State.Done()
				})
				b.wantBulk(t, job, tasks.StateSucceeded, "created 30, total 30")
				var rows int
				must(t, b.pool.QueryRow(t.Context(), "select count(*) from v_gateways where gateway like 'carrier0%'").Scan(&rows))
				if got := b.loaded() - before; got != 30 || rows != 30 {
					t.Errorf("%d rows and %d gateways, want 30 of each", rows, got)
				}
			})
		}
	}
}

// A switch that goes away in the middle and stays away fails the bulk job in time, with the rows put back: what one
// attempt leaves to the next is undone by the last.
func TestBulkOfASwitchThatStaysAwayIsPutBack(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{gateway.ModeAll, gateway.ModeEach} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{stopped: true})
			b.options.Settings.BulkTimeout = 3 * time.Second
			b.start(t)
			b.sweeping(t)
			rows := testbed.GatewayRows(t, b.pool)
			defer b.switches[0].OnCommand("sofia profile external rescan", sync.OnceFunc(func() { _ = b.switches[0].Stop() }))()
			job, err := b.Submit(t.Context(), b.many(gateway.Bulk{Mode: mode, Action: "import"}, b.carriers(30)...))
			must(t, err)
			b.asleep(t, job) // the rows are written
			if testbed.GatewayRows(t, b.pool) == rows {
				t.Error("nothing was written that could be put back")
			}
			job = b.ended(t, job)
			if job.State != tasks.StateFailed || job.Error.Code != fault.SwitchUnavailable {
				t.Errorf("it %s: %v", job.State, job.Error)
			}
			if got := testbed.GatewayRows(t, b.pool); got != rows {
				t.Errorf("the rows changed:\n%s", got)
			}
		})
	}
}

package gateway_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/fault"
	"trunkline/internal/freeswitch"
	"trunkline/internal/gateway"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/fssim"
	"trunkline/internal/pbxtest/testbed"
)

// statements counts the statements of a pool, those of a batch one by one, and the round trips.
type statements struct{ single, batched, trips atomic.Int64 }

func (s *statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	s.single.Add(1)
	s.trips.Add(1)
	return ctx
}
func (s *statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (s *statements) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	s.trips.Add(1)
	return ctx
}
func (s *statements) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {
	s.batched.Add(1)
}
func (s *statements) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// count has the bundle's statements counted from now on.
func (b *bundle) count(t *testing.T) *statements {
	t.Helper()
	counted := &statements{}
	config := b.Pool.Config()
	config.ConnConfig.Tracer = counted
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	must(t, err)
	t.Cleanup(pool.Close)
	b.Pool = pool
	b.FusionPBX = b.FusionPBX.In(pool)
	return counted
}

// A round takes up ten thousand gateways with as many questions as one, to the switch and to the database,
// but for writing the rows in parts.
func TestTenThousandInOneRound(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{timeout: freeswitch.MaxCommandTimeout})
	counted := b.count(t)
	const n = 10_000
	loaded := len(b.Simulated[0].Loaded())
	before := len(b.Simulated[0].Commands())
	results := b.applied(t, carriers(n, "line", carrier())...)
	for i, r := range results {
		if r.Action != gateway.Created || r.GatewayName != fmt.Sprintf("line-%d", i) || len(r.Switches) != 1 || r.GatewayState == gateway.StateNotLoaded {
			t.Fatalf("change %d: got %+v", i, r)
		}
	}
	if got := len(b.Simulated[0].Loaded()); got != loaded+n {
		t.Errorf("%d gateways are loaded, want %d", got, loaded+n)
	}
	commands := map[string]int{}
	for _, c := range b.Simulated[0].Commands()[before:] {
		if !strings.HasPrefix(c.Line, "auth") {
			commands[strings.Join(strings.Fields(c.Line)[:min(4, len(strings.Fields(c.Line)))], " ")]++
		}
	}
	want := map[string]int{
		"api sofia xmlstatus profile": 1, // before the rows are written
		"api sofia xmlstatus gateway": 1, // the list, afterwards
		"api sofia profile external":  1, // the rescan
		"api hostname":                1, "api switchname": 1, `api lua ~local c=require`: 1,
	}
	if fmt.Sprint(commands) != fmt.Sprint(want) {
		t.Errorf("the switch was told\n%v, want\n%v", commands, want)
	}
	// Of each part: begin, the lock, the look, the table, the rows, reading back and commit; and a dozen for the rest.
	const parts = n / gateway.RowsAtOnce
	if got := counted.batched.Load(); got != 4*parts {
		t.Errorf("%d statements were sent in batches, want a lock, two for a table and one for the rows of each of %d parts", got, parts)
	}
	if got := counted.trips.Load(); got > 8*parts+15 {
		t.Errorf("the database was asked %d times", got)
	}
	// How all of them stand is kept, and is no news the second time.
	registrations := b.applier.Registrations()
	for _, want := range []int{loaded + n, 0} {
		registrations.Correct(registrations.Look(t.Context()))
		changes, err := registrations.KeepStates(t.Context())
		must(t, err)
		if len(changes) != want {
			t.Errorf("%d gateways are seen to stand otherwise than before, want %d", len(changes), want)
		}
	}
	var kept int
	must(t, b.Pool.QueryRow(t.Context(), "select count(*) from trunkline.gateway_states where state = 'NOREG' or state = 'REGED' or state = 'TRYING'").Scan(&kept))
	if kept != loaded+n {
		t.Errorf("it is kept how %d gateways stand, want %d", kept, loaded+n)
	}
}

// What is over the limits of one round waits for the next, and the caller hears of all of it.
func TestRoundsHaveLimits(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{limits: gateway.Limits{RoundChanges: 10, RoundKills: 3}})
	b.applied(t, carriers(25, "line", carrier())...)
	// The first rescan loads all that have a row, and the other rounds find them so.
	if rounds := b.commands("lua"); rounds != 3 || b.saw() != (seen{external: 1}) {
		t.Errorf("25 new ones, 10 in a round: %d rounds, and the switch saw %+v; want 3 and one rescan", rounds, b.saw())
	}
	b.applied(t, carriers(8, "line", map[string]string{"password": "changed"})...)
	if got := b.saw(); got != (seen{kills: 16, external: 1 + 3*2}) {
		t.Errorf("8 changed ones, 3 killed in a round: the switch saw %+v in all, want two rescans a round", got)
	}
	states := b.loadedStates(b.labels(t), b.Simulated[0])
	for i := range 25 {
		want := "external s3cret-pw"
		if i < 8 {
			want = "external changed"
		}
		if got := states[fmt.Sprintf("line-%d", i)]; got != want {
			t.Errorf("gateway %d: the switch has %q, want %q", i, got, want)
		}
	}
}

// A small change that comes after a large one does not wait for the last of it.
func TestSmallChangeGoesBeforeALargeOne(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{limits: gateway.Limits{RoundChanges: 10, RoundKills: 10}})
	held, release := b.Simulated[0].Hold("lua")
	defer release()
	large := make(chan struct{})
	go func() {
		defer close(large)
		b.applied(t, carriers(25, "large", carrier())...)
	}()
	<-held
	small := make(chan gateway.Outcome, 1)
	go func() { small <- b.apply(change("", "small", carrier()))[0] }()
	pbxtest.Eventually(t, "both wait", func() bool { return b.applier.Waiting(0) == 15+1 })
	again, releaseAgain := b.Simulated[0].Hold("lua")
	defer releaseAgain()
	release()
	<-again
	third, releaseThird := b.Simulated[0].Hold("lua")
	defer releaseThird()
	releaseAgain()
	if o := <-small; o.Err != nil {
		t.Error(o.Err)
	}
	<-third
	if got := b.applier.Waiting(0); got != 0 {
		t.Errorf("%d wait after the third round has begun", got)
	}
	select {
	case <-large:
		t.Error("the large one had ended before the small one")
	default:
	}
	releaseThird()
	<-large
}

// The rows of new gateways that wait are written already, so that the rescan that they wait for brings them too.
func TestWaitingChangesShareARescan(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	for _, o := range b.atOnce(t, carriers(12, "line", carrier())...) {
		if o.Err != nil {
			t.Error(o.Err)
		}
	}
	if n := b.Simulated[0].CountCommands("sofia profile external rescan"); n != 1 {
		t.Fatalf("12 gateways that waited for one rescan took %d", n)
	}
}

// A kill that never completes fails its own change, and none of those that share the round.
func TestKillThatHangsFailsAlone(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{timeout: time.Second})
	results := b.applied(t, carriers(5, "line", carrier())...)
	held, release := b.Simulated[0].Hold("killgw " + results[2].GatewayUUID)
	defer release()
	for i, o := range b.apply(carriers(5, "line", map[string]string{"password": "changed"})...) {
		if i == 2 {
			if !fault.Is(o.Err, fault.SwitchTimeout) || !strings.Contains(o.Err.Error(), "as it was before") {
				t.Errorf("the one that hangs: got %v", o.Err)
			}
			continue
		}
		if o.Err != nil {
			t.Errorf("change %d: %v", i, o.Err)
		}
	}
	<-held
}

// The same of one that the switch marks for deletion and never drops.
func TestGatewayThatIsNeverDroppedFailsAlone(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{limits: gateway.ShortKills(gateway.Limits{RoundChanges: 100, RoundKills: 10})})
	results := b.applied(t, carriers(5, "line", carrier())...)
	stuck := "killgw " + results[2].GatewayUUID
	for range 2 {
		b.Simulated[0].FaultOnce(stuck, func(conn net.Conn) { answer(conn, "+OK gateway marked for deletion.\n") })
		b.Simulated[0].FaultOnce(stuck, func(conn net.Conn) { answer(conn, "-ERR no such gateway.\n") })
	}
	for i, o := range b.apply(carriers(5, "line", map[string]string{"password": "changed"})...) {
		if i != 2 && o.Err != nil {
			t.Errorf("change %d: %v", i, o.Err)
		}
		if i == 2 && (!fault.Is(o.Err, fault.SwitchTimeout) || !strings.Contains(o.Err.Error(), "to drop gateway "+results[2].GatewayUUID)) {
			t.Errorf("the one that stays: got %v", o.Err)
		}
	}
}

// A list that is longer than a reply may be is done without, and somebody is told.
func TestListThatIsTooLong(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	short := freeswitch.New(b.Simulated[0].Addr(), fssim.Password, freeswitch.Options{MaxReply: 5000, Logger: b.Log})
	t.Cleanup(func() { must(t, short.Close()) })
	b.Switches[0] = short
	applier := b.newApplier(t, gateway.Limits{RoundChanges: 100, RoundKills: 10})
	j := &journal{}
	for _, o := range applier.Apply(t.Context(), carriers(25, "line", carrier()), j) {
		if o.Err != nil {
			t.Error(o.Err)
		}
	}
	if len(j.notes) == 0 || !strings.Contains(j.notes[0], "TRUNKLINE_SWITCH_MAX_REPLY") {
		t.Errorf("whoever follows the work was told %q", j.notes)
	}
	if !strings.Contains(b.Logged.String(), "each one is looked up by itself") {
		t.Error("the log does not say so")
	}
	if got := len(b.loadedStates(b.labels(t), b.Simulated[0])); got != 25 {
		t.Errorf("%d gateways are loaded", got)
	}
}

// The list also holds what was killed and goes in a moment: a gateway that a round finds there and would leave
// alone is made sure of.
func TestKilledGatewayInTheListIsLoadedAgain(t *testing.T) {
	t.Parallel()
	for name, n := range map[string]int{"few to make sure of": 1, "many": 25} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{})
			results := b.applied(t, carriers(n, "line", carrier())...)
			held, release := b.Simulated[0].Hold("xmlstatus gateway")
			defer release()
			killer := freeswitch.New(b.Simulated[0].Addr(), fssim.Password, freeswitch.Options{})
			t.Cleanup(func() { must(t, killer.Close()) })
			ended := make(chan []gateway.Outcome, 1)
			changes := append(carriers(n, "line", carrier()), carriers(25-n, "new", carrier())...)
			go func() { ended <- b.apply(changes...) }()
			<-held
			if _, err := killer.KillGateway(t.Context(), "external", results[0].GatewayUUID); err != nil {
				t.Fatal(err)
			}
			release()
			for i, o := range <-ended {
				if o.Err != nil {
					t.Errorf("change %d: %v", i, o.Err)
				}
			}
			pbxtest.Eventually(t, "one copy is left", func() bool {
				copies, _ := b.copies(t, results[0].GatewayUUID)
				return copies == 1
			})
			if _, loaded := b.Simulated[0].Loaded()[results[0].GatewayUUID]; !loaded {
				t.Error("it was not loaded again")
			}
		})
	}
}

// A worker that is killed between the row and the switch leaves a journal that the next one goes by.
func TestSecondAttempt(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		arrange func(*testing.T, *bundle)
		fails   bool
	}{
		"goes on":   {func(*testing.T, *bundle) {}, false},
		"puts back": {func(t *testing.T, b *bundle) { must(t, b.Simulated[0].Stop()) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{})
			b.stand(t, standing{label: "changed", profile: "external", password: "before"})
			b.stand(t, standing{label: "deleted", profile: "external", password: "before"})
			rows := testbed.GatewayRows(t, b.Pool)
			changes := []*gateway.Change{change("", "new", carrier()), change("", "changed", carrier()), deletion("deleted")}
			ctx, kill := context.WithCancelCause(t.Context())
			unlock := b.lockSwitch(t) // no round gets anywhere
			for i, o := range b.applier.Apply(ctx, changes, &journal{b: b, name: "job", after: func() { kill(errKilled) }}) {
				if o.Err == nil {
					t.Errorf("change %d of the first attempt: got %+v", i, o.Result())
				}
			}
			if got := b.rowStates(t); fmt.Sprint(got) != fmt.Sprint(map[string]string{"new": "external s3cret-pw", "changed": "external s3cret-pw"}) {
				t.Fatalf("the first attempt left the rows %v", got)
			}
			tc.arrange(t, b)
			unlock()
			second := b.newApplier(t, gateway.Limits{RoundChanges: 100, RoundKills: 10})
			for i, o := range second.Apply(t.Context(), changes, &journal{b: b, name: "job"}) {
				if tc.fails != (o.Err != nil) {
					t.Errorf("change %d: got %+v and %v", i, o.Result(), o.Err)
				}
				if want := []string{gateway.Created, gateway.Updated, gateway.Deleted}[i]; !tc.fails && o.Result().Action != want {
					t.Errorf("change %d: got %+v, want it %s", i, o.Result(), want)
				}
			}
			if tc.fails {
				if got := testbed.GatewayRows(t, b.Pool); stamped(got) != stamped(rows) {
					t.Errorf("the rows are\n%s\nand were\n%s", got, rows)
				}
				return
			}
			if got := b.loadedStates(b.labels(t), b.Simulated[0]); fmt.Sprint(got) != fmt.Sprint(b.rowStates(t)) {
				t.Errorf("the switch has %v, want what the rows say", got)
			}
		})
	}
}

// stamped leaves out when a row was inserted, which a deleted one that is put back does not keep.
func stamped(rows string) string {
	var kept []string
	for _, part := range strings.Split(rows, ",") {
		if !strings.Contains(part, "insert_date") {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, ",")
}

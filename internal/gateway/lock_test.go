package gateway_test

import (
	"context"
	"testing"

	"trunkline/internal/fault"
	"trunkline/internal/gateway"
	"trunkline/internal/pbxtest"
	"trunkline/internal/postgres"
)

// lockSwitch takes the first switch to the test's own, as another worker does.
func (b *bundle) lockSwitch(t *testing.T) (unlock func()) {
	t.Helper()
	lock, err := postgres.AcquireLock(t.Context(), b.Pool, "switch "+b.Simulated[0].Addr())
	must(t, err)
	return func() { lock.Release(context.WithoutCancel(t.Context())) }
}

// sessions counts those that have the first switch's lock, or wait for it.
func (b *bundle) sessions(t *testing.T, granted bool) (n int) {
	t.Helper()
	key := postgres.LockKey("switch " + b.Simulated[0].Addr())
	must(t, b.Pool.QueryRow(t.Context(), `
		select count(*) from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())
		and (classid::bigint << 32 | objid::bigint) = $1 and granted = $2`, key, granted).Scan(&n))
	return n
}

// loseLock ends the session that has the first switch's lock, while another worker waits for it, and returns
// when that one has it.
func (b *bundle) loseLock(t *testing.T) (unlock func()) {
	t.Helper()
	got := make(chan func(), 1)
	go func() { got <- b.lockSwitch(t) }()
	pbxtest.Eventually(t, "another worker waits", func() bool { return b.sessions(t, false) == 1 })
	_, err := b.Pool.Exec(t.Context(), `
		select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())
		and (classid::bigint << 32 | objid::bigint) = $1 and granted`, postgres.LockKey("switch "+b.Simulated[0].Addr()))
	must(t, err)
	return <-got
}

// A round that loses its lock kills nothing more and rescans nothing more: it begins again when it has the
// switch to itself.
func TestLostLockStopsARound(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		lost   string // the command at which the lock is lost
		before seen   // what the switch sees of the round until it has the lock again
		after  seen
	}{
		"before the kill":   {"rescan", seen{external: 1}, seen{kills: 2, external: 3}},
		"before the rescan": {"killgw", seen{kills: 2, external: 1}, seen{kills: 2, external: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{})
			b.stand(t, standing{label: "carrier", profile: "external", password: "before"})
			held, release := b.Simulated[0].Hold(tc.lost)
			defer release()
			ended := make(chan gateway.Outcome, 1)
			go func() { ended <- b.apply(change("", "carrier", carrier()))[0] }()
			<-held
			unlock := b.loseLock(t)
			release()
			pbxtest.Eventually(t, "the round waits for the lock", func() bool { return b.sessions(t, false) == 1 })
			if got := b.saw(); got != tc.before {
				t.Errorf("without the lock: the switch saw %+v, want %+v", got, tc.before)
			}
			unlock()
			if o := <-ended; o.Err != nil || o.Result().Action != gateway.Updated {
				t.Errorf("got %+v and %v", o.Result(), o.Err)
			}
			if got := b.saw(); got != tc.after {
				t.Errorf("in the end: the switch saw %+v, want %+v", got, tc.after)
			}
			if got := b.loadedStates(b.labels(t), b.Simulated[0])["carrier"]; got != "external s3cret-pw" {
				t.Errorf("the switch has %q", got)
			}
		})
	}
}

// Whoever changes the row before the switch's turn is told of, and his change stands.
func TestRowThatChangesBeforeTheRound(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	b.stand(t, standing{label: "carrier", profile: "external", password: "before"})
	unlock := b.lockSwitch(t)
	ended := make(chan gateway.Outcome, 1)
	go func() { ended <- b.apply(change("", "carrier", carrier()))[0] }()
	pbxtest.Eventually(t, "the round waits for the lock", func() bool { return b.sessions(t, false) == 1 })
	_, err := b.Pool.Exec(t.Context(), "update v_gateways set password = 'theirs' where gateway = 'carrier'")
	must(t, err)
	unlock()
	if o := <-ended; !fault.Is(o.Err, fault.Conflict) {
		t.Errorf("got %v, want a conflict", o.Err)
	}
	if got := b.rowStates(t)["carrier"]; got != "external theirs" {
		t.Errorf("the row is %q", got)
	}
	// The undo takes up what stands.
	if got := b.loadedStates(b.labels(t), b.Simulated[0])["carrier"]; got != "external theirs" {
		t.Errorf("the switch has %q", got)
	}
}

// So is whoever's row is changed while the round runs: what the switch did not load is not its fault.
func TestRowThatChangesDuringTheRound(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	held, release := b.Simulated[0].Hold("rescan")
	defer release()
	ended := make(chan gateway.Outcome, 1)
	go func() { ended <- b.apply(change("", "carrier", carrier()))[0] }()
	<-held
	_, err := b.Pool.Exec(t.Context(), "update v_gateways set enabled = 'false' where gateway = 'carrier'")
	must(t, err)
	release()
	if o := <-ended; !fault.Is(o.Err, fault.Conflict) {
		t.Errorf("got %v, want a conflict", o.Err)
	}
	if got := b.loadedStates(b.labels(t), b.Simulated[0])["carrier"]; got != "" {
		t.Errorf("the switch has %q", got)
	}
}

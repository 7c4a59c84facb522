package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"

	"trunkline/internal/fault"
	"trunkline/internal/gateway"
	"trunkline/internal/pbxtest/testbed"
)

// applyAll applies the changes, all or none, with a journal that nobody reads.
func (b *bundle) applyAll(changes ...*gateway.Change) []gateway.Outcome {
	return b.applier.ApplyAll(context.Background(), changes, &journal{})
}

// Each row of the table is what makes one of three changes fail: nothing of the others is left anywhere.
func TestApplyAllIsAllOrNothing(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		switches int
		arrange  func(t *testing.T, b *bundle)
		third    *gateway.Change // besides a new one and one that gets another password
		code     fault.Code      // of the third
	}{
		"a value that is refused": {third: change("", "wrong", carrier("password", "a$b")), code: fault.InvalidGateway},
		"no such profile":         {third: change("", "wrong", carrier("profile", "nowhere")), code: fault.ProfileUnavailable},
		"the same one twice":      {third: change("", "new", carrier()), code: fault.Conflict},
		"the database refuses it": {
			arrange: func(t *testing.T, b *bundle) {
				_, err := b.Pool.Exec(t.Context(), "alter table v_gateways add constraint theirs check (coalesce(username, '') <> 'unwanted')")
				must(t, err)
			},
			third: change("", "wrong", carrier("username", "unwanted")), code: "",
		},
		"the switch does not load it": {
			arrange: func(_ *testing.T, b *bundle) { b.Simulated[0].FaultOnce("profile internal rescan", rescanned) },
			third:   change("", "wrong", carrier("profile", "internal")), code: fault.GatewayNotLoaded,
		},
		"one of two switches does not load it": {
			switches: 2,
			arrange:  func(_ *testing.T, b *bundle) { b.Simulated[1].FaultOnce("profile internal rescan", rescanned) },
			third:    change("", "wrong", carrier("profile", "internal")), code: fault.GatewayNotLoaded,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{switches: tc.switches})
			b.stand(t, standing{label: "stands", profile: "external", password: "before"})
			rows, loaded := testbed.GatewayRows(t, b.Pool), b.settings()
			if tc.arrange != nil {
				tc.arrange(t, b)
			}
			outcomes := b.applyAll(change("", "new", carrier()), change("", "stands", carrier()), tc.third)
			for i, o := range outcomes[:2] {
				if !o.Skipped || !fault.Is(o.Err, fault.Skipped) || !o.Settled {
					t.Errorf("change %d: got %+v, want it skipped", i, o)
				}
			}
			third := outcomes[2]
			if third.Skipped || third.Err == nil || tc.code != "" && !fault.Is(third.Err, tc.code) {
				t.Errorf("the faulty one: got %+v, want %s", third, tc.code)
			}
			if !strings.Contains(outcomes[0].Err.Error(), fmt.Sprintf("%q", tc.third.Name)) {
				t.Errorf("the others do not hear which it was: %v", outcomes[0].Err)
			}
			if !strings.Contains(third.Err.Error(), "as it was before") && tc.arrange != nil && tc.code != "" {
				t.Errorf("the error does not say what stands: %v", third.Err)
			}
			if got := testbed.GatewayRows(t, b.Pool); got != rows {
				t.Errorf("the rows are\n%s\nand were\n%s", got, rows)
			}
			if got := b.settings(); fmt.Sprint(got) != fmt.Sprint(loaded) {
				t.Errorf("the switch has\n%v\nand had\n%v", got, loaded)
			}
		})
	}
}

// A cancelled work of all or none leaves nothing, and nothing is wrong with any of it.
func TestApplyAllIsCancelled(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	b.stand(t, standing{label: "stands", profile: "external", password: "before"})
	rows, loaded := testbed.GatewayRows(t, b.Pool), b.settings()
	ctx, cancel := context.WithCancel(t.Context())
	unlock := sync.OnceFunc(b.lockSwitch(t)) // no round gets anywhere
	defer unlock()
	j := &journal{b: b, name: "job", after: func() { cancel(); unlock() }}
	for i, o := range b.applier.ApplyAll(ctx, []*gateway.Change{change("", "new", carrier()), change("", "stands", carrier())}, j) {
		if !o.Skipped || !fault.Is(o.Err, fault.Cancelled) || !strings.Contains(o.Err.Error(), "as it was before") {
			t.Errorf("change %d: got %+v, want it cancelled", i, o)
		}
	}
	if got := testbed.GatewayRows(t, b.Pool); got != rows {
		t.Errorf("the rows are\n%s\nand were\n%s", got, rows)
	}
	if got := b.settings(); fmt.Sprint(got) != fmt.Sprint(loaded) {
		t.Errorf("the switch has\n%v\nand had\n%v", got, loaded)
	}
	if len(j.Earlier()) != 0 {
		t.Errorf("the journal still has %v", j.Earlier())
	}
}

// Whatever is going on when it is cancelled, nothing is wrong with any of it.
func TestApplyAllIsCancelledWhileTheAccessListsAreReloaded(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	b.providers(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	held, release := b.Simulated[0].Hold("reloadacl")
	defer release()
	var outcomes []gateway.Outcome
	var applying sync.WaitGroup
	applying.Go(func() {
		outcomes = b.applier.ApplyAll(ctx, []*gateway.Change{from(change("", "by address", carrier()), "203.0.113.0/24"), change("", "new", carrier())}, &journal{})
	})
	<-held
	cancel(errors.New("cancel requested"))
	release()
	applying.Wait()
	for i, o := range outcomes {
		if !o.Skipped || !fault.Is(o.Err, fault.Cancelled) {
			t.Errorf("change %d: got %+v, want it cancelled", i, o)
		}
	}
	b.allowed(t, "cancelled")
}

// What could not be put back is said, of each.
func TestApplyAllSaysWhatStands(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	b.stand(t, standing{label: "stands", profile: "external", password: "before"})
	b.Simulated[0].FaultOnce("profile internal rescan", rescanned)
	changeMeanwhile(t, b, "profile internal rescan", "update v_gateways set description = 'theirs' where gateway = 'stands'")
	outcomes := b.applyAll(change("", "stands", carrier()), change("", "wrong", carrier("profile", "internal")))
	if !strings.Contains(outcomes[0].Err.Error(), "changed by somebody else meanwhile and was left as it is now") || outcomes[0].Settled {
		t.Errorf("the one that somebody changed: got %v", outcomes[0].Err)
	}
	if !strings.Contains(outcomes[1].Err.Error(), "as it was before") {
		t.Errorf("the one that was put back: got %v", outcomes[1].Err)
	}
	if got := b.rowStates(t); !maps.Equal(got, map[string]string{"stands": "external s3cret-pw theirs"}) {
		t.Errorf("the rows are %v", got)
	}
}

// counting is a journal that is told how far the work has come.
type counting struct {
	journal
	most int
}

func (c *counting) Ended(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.most = max(c.most, n)
}

// All of many are written in one transaction, in which the journal is told of all of them at once.
func TestApplyAllOfMany(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{switches: 2})
	kept := 0
	j := &counting{journal: journal{b: b, name: "job", after: func() { kept++ }}}
	const n = 1200
	for i, o := range b.applier.ApplyAll(t.Context(), carriers(n, "line", carrier()), j) {
		if o.Err != nil || o.Result().Action != gateway.Created {
			t.Fatalf("change %d: got %+v", i, o)
		}
	}
	if kept != 1 || j.most != n || len(j.Earlier()) != n {
		t.Errorf("the journal was told %d times, counted %d and keeps %d", kept, j.most, len(j.Earlier()))
	}
}

// If the work goes on in another attempt, all of it does.
func TestApplyAllIsHandedOver(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	b.stand(t, standing{label: "deleted", profile: "external", password: "before"})
	changes := []*gateway.Change{change("", "new", carrier()), deletion("deleted")}
	ctx, kill := context.WithCancelCause(t.Context())
	unlock := b.lockSwitch(t)
	for i, o := range b.applier.ApplyAll(ctx, changes, &journal{b: b, name: "job", after: func() { kill(errKilled) }}) {
		if !errors.Is(o.Err, errKilled) {
			t.Errorf("change %d of the first attempt: got %+v", i, o)
		}
	}
	unlock()
	second := b.newApplier(t, gateway.Limits{RoundChanges: 100, RoundKills: 10})
	for i, o := range second.ApplyAll(t.Context(), changes, &journal{b: b, name: "job"}) {
		if want := []string{gateway.Created, gateway.Deleted}[i]; o.Err != nil || o.Result().Action != want {
			t.Errorf("change %d: got %+v and %v, want it %s", i, o.Result(), o.Err, want)
		}
	}
	if got := b.loadedStates(b.labels(t), b.Simulated[0]); !maps.Equal(got, map[string]string{"new": "external s3cret-pw"}) {
		t.Errorf("the switch has %v", got)
	}
}

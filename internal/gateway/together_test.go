package gateway_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/fault"
	"trunkline/internal/gateway"
	"trunkline/internal/pbxtest"
)

// errFenced is what a journal says whose changes are another attempt's by now.
var errFenced = errors.New("fenced")

// fenced is such a journal.
type fenced struct{ journal }

func (*fenced) Keep(context.Context, pgx.Tx, *pgx.Batch, map[int]*gateway.Written) error {
	return errFenced
}

// writeAtOnce applies each change by itself, with its journal, and has all of them write at the same time: somebody
// else holds the domain's gateways until they wait.
func (b *bundle) writeAtOnce(t *testing.T, changes []*gateway.Change, journals []gateway.Journal) []gateway.Outcome {
	t.Helper()
	tx, err := b.Pool.Begin(t.Context())
	must(t, err)
	defer tx.Rollback(context.WithoutCancel(t.Context()))
	must(t, b.FusionPBX.In(tx).LockGateways(t.Context(), ""))
	outcomes := make([]gateway.Outcome, len(changes))
	var callers sync.WaitGroup
	apply := func(i int) {
		callers.Go(func() { outcomes[i] = b.applier.Apply(t.Context(), []*gateway.Change{changes[i]}, journals[i])[0] })
	}
	apply(0)
	pbxtest.Eventually(t, "the first one waits for the lock", func() (waits bool) {
		must(t, b.Pool.QueryRow(t.Context(), `
			select exists (select from pg_locks where locktype = 'advisory' and not granted
			and database = (select oid from pg_database where datname = current_database()))`).Scan(&waits))
		return waits
	})
	for i := range changes[1:] {
		apply(i + 1)
	}
	pbxtest.Eventually(t, "all others wait for the next batch", func() bool { return b.applier.WaitingToWrite("") == len(changes)-1 })
	must(t, tx.Rollback(t.Context()))
	callers.Wait()
	return outcomes
}

// transactions are those that wrote the rows of these gateways, each once.
func (b *bundle) transactions(t *testing.T, name string) []string {
	t.Helper()
	rows, err := b.Pool.Query(t.Context(), "select distinct xmin::text from v_gateways where gateway like $1 order by 1", name+"-%")
	must(t, err)
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must(t, err)
	return ids
}

func TestWhoWritesAtTheSameTimeSharesATransaction(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	const n = 6
	journals := make([]gateway.Journal, n)
	kept := make([]*journal, n)
	for i := range journals {
		kept[i] = &journal{b: b, name: string(rune('a' + i))}
		journals[i] = kept[i]
	}
	for i, o := range b.writeAtOnce(t, carriers(n, "line", carrier()), journals) {
		if o.Err != nil || o.Result().Action != gateway.Created {
			t.Errorf("change %d: got %+v", i, o)
		}
		if written := kept[i].Earlier()[0]; written == nil || written.Row.UUID != o.Result().GatewayUUID {
			t.Errorf("the journal of change %d keeps %+v", i, written)
		}
	}
	if ids := b.transactions(t, "line"); len(ids) != 2 {
		t.Errorf("the rows came by the transactions %v, want that of the first, and one of all others", ids)
	}
}

// Those who come while another one is checked are checked together: the switch is asked once for all of them, and what is
// wrong with one fails no other.
func TestWhoIsCheckedAtTheSameTimeSharesTheQuestions(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	changes := append(carriers(6, "line", carrier()), change("", "nowhere", carrier("profile", "unknown")))
	tx, err := b.Pool.Begin(t.Context())
	must(t, err)
	defer tx.Rollback(context.WithoutCancel(t.Context()))
	_, err = tx.Exec(t.Context(), "lock table v_gateways in access exclusive mode")
	must(t, err)
	outcomes := make([]gateway.Outcome, len(changes))
	var callers sync.WaitGroup
	apply := func(i int) {
		callers.Go(func() { outcomes[i] = b.applier.Apply(t.Context(), []*gateway.Change{changes[i]}, &journal{})[0] })
	}
	apply(0)
	pbxtest.Eventually(t, "the first one is being checked", func() (waits bool) {
		must(t, tx.QueryRow(t.Context(), "select exists (select from pg_locks where not granted and relation = 'v_gateways'::regclass)").Scan(&waits))
		return waits
	})
	for i := range changes[1:] {
		apply(i + 1)
	}
	pbxtest.Eventually(t, "all others wait for the next check", func() bool { return b.applier.WaitingToCheck() == len(changes)-1 })
	must(t, tx.Rollback(t.Context()))
	callers.Wait()
	for i, o := range outcomes[:6] {
		if o.Err != nil || o.Result().Action != gateway.Created {
			t.Errorf("change %d: got %+v", i, o)
		}
	}
	if err := outcomes[6].Err; !fault.Is(err, fault.ProfileUnavailable) {
		t.Errorf("got %v of the unknown profile", err)
	}
	if n := b.Simulated[0].CountCommands("sofia xmlstatus profile external"); n != 2 {
		t.Errorf("the switch was asked %d times whether the profile runs, want once for the first, and once for all others", n)
	}
}

// What fails of one fails no other that shares its transaction.
func TestWhoFailsToWriteFailsAlone(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	b.exec(t, "alter table v_gateways add constraint theirs check (coalesce(username, '') <> 'unwanted')")
	changes := append(carriers(3, "line", carrier()), change("", "refused", carrier("username", "unwanted")), change("", "lost", carrier()))
	journals := []gateway.Journal{&journal{}, &journal{}, &journal{}, &journal{}, &fenced{}}
	outcomes := b.writeAtOnce(t, changes, journals)
	for i, o := range outcomes[:3] {
		if o.Err != nil || o.Result().Action != gateway.Created {
			t.Errorf("change %d: got %+v", i, o)
		}
	}
	if outcomes[3].Err == nil || !errors.Is(outcomes[4].Err, errFenced) {
		t.Errorf("got %v of what the database refuses, and %v of what is another attempt's", outcomes[3].Err, outcomes[4].Err)
	}
	want := map[string]string{"line-0": "external s3cret-pw", "line-1": "external s3cret-pw", "line-2": "external s3cret-pw"}
	if got := b.rowStates(t); len(got) != len(want) {
		t.Errorf("the rows are %v, want %v", got, want)
	}
}

// Changes of one gateway do not share a transaction, in which the later one would not see what the earlier one wrote.
func TestWhoWritesTheSameGatewayWritesAfterTheOther(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	changes := append(carriers(2, "line", carrier()), carriers(2, "line", carrier())...) // whichever is first, two wait of which neither stands
	var actions []string
	for i, o := range b.writeAtOnce(t, changes, []gateway.Journal{&journal{}, &journal{}, &journal{}, &journal{}}) {
		if o.Err != nil {
			t.Errorf("change %d: %v", i, o.Err)
		}
		actions = append(actions, o.Result().Action)
	}
	slices.Sort(actions)
	if want := []string{gateway.Created, gateway.Created, gateway.Unchanged, gateway.Unchanged}; !slices.Equal(actions, want) {
		t.Errorf("got %v, want %v", actions, want)
	}
}

// Nor do names that are the same but for case, of which the later one is refused.
func TestWhoWritesTheSameNameInAnotherCaseIsRefused(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	first, second, third := change("", "first", carrier()), change("", "line", carrier()), change("", "LINE", carrier())
	outcomes := b.writeAtOnce(t, []*gateway.Change{first, second, third}, []gateway.Journal{&journal{}, &journal{}, &journal{}})
	refused := 0
	for i, o := range outcomes {
		if fault.Is(o.Err, fault.Conflict) {
			refused++
		} else if o.Err != nil {
			t.Errorf("change %d: %v", i, o.Err)
		}
	}
	if refused != 1 || len(b.rowStates(t)) != 2 {
		t.Errorf("%d were refused, and the rows are %v", refused, b.rowStates(t))
	}
}

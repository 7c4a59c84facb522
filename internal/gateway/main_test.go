package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/fssim"
	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/pbxtest/testbed"
)

func TestMain(m *testing.M) { os.Exit(pbxtest.Main(m)) }

var must = pbxtest.Must

// bundle is an applier on a PBX of the test's own.
type bundle struct {
	*testbed.Bed
	applier *gateway.Applier
}

type setUp struct {
	version  sample.Version
	switches int
	timeout  time.Duration // a switch's command time-out
	files    bool          // FusionPBX keeps gateways as files
	limits   gateway.Limits
}

func newBundle(t *testing.T, o setUp) *bundle {
	t.Helper()
	b := &bundle{Bed: testbed.New(t, testbed.Options{Version: o.version, Switches: o.switches, Timeout: o.timeout, Files: o.files})}
	if o.limits.RoundChanges == 0 {
		o.limits = gateway.Limits{RoundChanges: testbed.JobSettings.RoundChanges, RoundKills: testbed.JobSettings.RoundKills}
	}
	b.applier = b.newApplier(t, o.limits)
	_, err := b.Pool.Exec(t.Context(), "create table kept (journal text, change int, written jsonb, primary key (journal, change))")
	must(t, err)
	return b
}

// newApplier is one of a worker of its own.
func (b *bundle) newApplier(t *testing.T, limits gateway.Limits) *gateway.Applier {
	t.Helper()
	a := gateway.New(b.PBX, b.Tasks.Keys(), b.Log, limits)
	t.Cleanup(a.Wait)
	return a
}

func (b *bundle) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	_, err := b.Pool.Exec(t.Context(), sql, args...)
	must(t, err)
}

// withoutTLS has the profile's settings say that it has no TLS.
func (b *bundle) withoutTLS(t *testing.T, profile string) {
	t.Helper()
	b.exec(t, `
		insert into v_sip_profile_settings (sip_profile_setting_uuid, sip_profile_uuid, sip_profile_setting_name, sip_profile_setting_value, sip_profile_setting_enabled)
		select gen_random_uuid(), sip_profile_uuid, 'tls', 'false', 'true' from v_sip_profiles where sip_profile_name = $1`, profile)
}

// change asks for a gateway of that domain, "" for a global one. A password among the values is given apart.
func change(domain, name string, values map[string]string) *gateway.Change {
	c := &gateway.Change{Request: gateway.Request{Name: name, DomainUUID: domain, Values: map[string]string{}}}
	for column, value := range values {
		if column == "password" {
			c.Password = &value
			continue
		}
		c.Values[column] = value
	}
	return c
}

func deletion(name string) *gateway.Change {
	c := change("", name, nil)
	c.Delete = true
	return c
}

func carrier(more ...string) map[string]string {
	values := map[string]string{"proxy": "sip.carrier.example", "realm": "sip.carrier.example", "username": "account", "password": "s3cret-pw"}
	for i := 0; i < len(more); i += 2 {
		values[more[i]] = more[i+1]
	}
	return values
}

// carriers are n changes of gateways called name-0 and so on.
func carriers(n int, name string, values map[string]string) []*gateway.Change {
	changes := make([]*gateway.Change, n)
	for i := range changes {
		changes[i] = change("", fmt.Sprintf("%s-%d", name, i), values)
	}
	return changes
}

// carrierRow is a row as FusionPBX's page writes it.
func carrierRow() fusionpbx.Gateway {
	row := fusionpbx.NewGateway("0a0b0c0d-0000-4000-8000-000000000001", "", "carrier")
	for column, value := range carrier("register", "true") {
		row.Set(column, value)
	}
	return row
}

// apply applies the changes in one go, with a journal that nobody reads.
func (b *bundle) apply(changes ...*gateway.Change) []gateway.Outcome {
	return b.applier.Apply(context.Background(), changes, &journal{})
}

// applied applies the changes, which all have to succeed.
func (b *bundle) applied(t *testing.T, changes ...*gateway.Change) []gateway.Result {
	t.Helper()
	results := make([]gateway.Result, len(changes))
	for i, o := range b.apply(changes...) {
		if o.Err != nil {
			t.Fatalf("%s: %v", changes[i].Name, o.Err)
		}
		results[i] = o.Result()
	}
	return results
}

// one applies one change, which has to succeed.
func (b *bundle) one(t *testing.T, c *gateway.Change) gateway.Result {
	t.Helper()
	return b.applied(t, c)[0]
}

// failing applies one change, which has to fail.
func (b *bundle) failing(t *testing.T, c *gateway.Change) *fault.Error {
	t.Helper()
	o := b.apply(c)[0]
	var failure *fault.Error
	if !errors.As(o.Err, &failure) {
		t.Fatalf("got %+v and the error %v, want a fault", o.Result(), o.Err)
	}
	return failure
}

// atOnce applies each change by itself, all at once, and has all of them wait for one round: the switch is
// held by a gateway of its own until they do.
func (b *bundle) atOnce(t *testing.T, changes ...*gateway.Change) []gateway.Outcome {
	t.Helper()
	held, release := b.Simulated[0].Hold("rescan")
	defer release()
	var callers sync.WaitGroup
	callers.Go(func() { b.apply(change("", "first of all", carrier())) })
	<-held
	outcomes := make([]gateway.Outcome, len(changes))
	for i, c := range changes {
		callers.Go(func() { outcomes[i] = b.apply(c)[0] })
	}
	pbxtest.Eventually(t, "all wait", func() bool { return b.applier.Waiting(0) == len(changes) })
	release()
	callers.Wait()
	return outcomes
}

// settings are the parameters that each switch has loaded each gateway with.
func (b *bundle) settings() []map[string]map[string]string {
	var all []map[string]map[string]string
	for _, sw := range b.Simulated {
		params := map[string]map[string]string{}
		for name, g := range sw.Loaded() {
			params[name] = g.Params
		}
		all = append(all, params)
	}
	return all
}

// copies counts the gateway in the first switch's list, which also shows what a look-up by name hides.
func (b *bundle) copies(t *testing.T, uuid string) (n int, profile string) {
	t.Helper()
	list, err := b.Switches[0].Gateways(t.Context())
	must(t, err)
	for _, g := range list {
		if g.Name == uuid {
			n, profile = n+1, g.Profile
		}
	}
	return n, profile
}

// commands counts what the first switch was told to do.
func (b *bundle) commands(pattern string) (n int) {
	for _, c := range b.Simulated[0].Commands() {
		if strings.Contains(c.Line, pattern) {
			n++
		}
	}
	return n
}

// rescanned answers a rescan as one that went well.
func rescanned(conn net.Conn) {
	answer(conn, "Reload XML [Success]\n+OK scan complete\n")
}

func answer(conn net.Conn, body string) {
	fmt.Fprintf(conn, "Content-Type: api/response\nContent-Length: %d\n\n%s", len(body), body)
}

// journal keeps what it is told in the table kept, as a bulk job's items would. Without a name it keeps
// nothing.
type journal struct {
	b     *bundle
	name  string
	after func() // is called when something is kept
	mu    sync.Mutex
	notes []string
}

// errKilled ends the context of a worker that is killed.
var errKilled = errors.New("killed")

func (j *journal) Earlier() map[int]*gateway.Written {
	earlier := map[int]*gateway.Written{}
	if j.name == "" {
		return earlier
	}
	rows, err := j.b.Pool.Query(context.Background(), "select change, written from kept where journal = $1", j.name)
	if err != nil {
		panic(err)
	}
	var change int
	var text []byte
	if _, err := pgx.ForEachRow(rows, []any{&change, &text}, func() error {
		earlier[change] = &gateway.Written{}
		return json.Unmarshal(text, earlier[change])
	}); err != nil {
		panic(err)
	}
	return earlier
}

func (j *journal) Keep(ctx context.Context, tx pgx.Tx, _ *pgx.Batch, entries map[int]*gateway.Written) error {
	if j.name == "" {
		return nil
	}
	if j.after != nil {
		defer j.after()
	}
	for change, written := range entries {
		if _, err := tx.Exec(ctx, "delete from kept where journal = $1 and change = $2", j.name, change); err != nil {
			return err
		}
		if written == nil {
			continue
		}
		if _, err := tx.Exec(ctx, "insert into kept values ($1, $2, $3)", j.name, change, written); err != nil {
			return err
		}
	}
	return nil
}

func (j *journal) HandsOver(err error) bool { return errors.Is(err, errKilled) }

func (j *journal) Note(text string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.notes = append(j.notes, text)
}

// state is a row or a loaded gateway, in the words of the tables.
func state(profile, password string, more ...string) string {
	return strings.Join(append([]string{profile, password}, more...), " ")
}

// rowStates are the rows of these names, in such words.
func (b *bundle) rowStates(t *testing.T) map[string]string {
	t.Helper()
	rows, err := b.FusionPBX.Gateways(t.Context(), true, "")
	must(t, err)
	states := map[string]string{}
	for _, row := range rows {
		if b.isSample(row.UUID) {
			continue
		}
		words := []string{}
		if !row.Enabled() {
			words = append(words, "disabled")
		}
		if text := row.Get("description"); text != "" {
			words = append(words, text)
		}
		states[row.Label()] = state(row.Profile(), row.Get("password"), words...)
	}
	return states
}

// loadedStates are what a switch has loaded beside the sample, in such words.
func (b *bundle) loadedStates(labels map[string]string, sw *fssim.Switch) map[string]string {
	states := map[string]string{}
	for uuid, g := range sw.Loaded() {
		if !b.isSample(uuid) {
			states[labels[uuid]] = state(g.Profile, g.Params["password"])
		}
	}
	return states
}

func (b *bundle) isSample(uuid string) bool {
	for _, g := range b.Sample.Gateways {
		if g.UUID == uuid {
			return true
		}
	}
	return false
}

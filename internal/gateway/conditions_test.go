package gateway_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"trunkline/internal/fault"
	"trunkline/internal/gateway"
)

// A condition is judged by what stands when the change takes effect, and what is refused changes nothing.
func TestConditionsHoldWhenAChangeTakesEffect(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	created := b.one(t, change("", "carrier", carrier()))
	with := func(c *gateway.Change, set func(*gateway.Change)) *gateway.Change {
		changed := *c
		set(&changed)
		return &changed
	}
	tagged := func(tag string) func(*gateway.Change) {
		return func(c *gateway.Change) { c.IfMatch = []string{"00ff", tag} }
	}
	described := change("", "carrier", map[string]string{"description": "mine"})
	changed := b.one(t, with(described, tagged(created.ETag)))
	if changed.ETag == created.ETag || changed.Action != gateway.Updated {
		t.Errorf("got %+v after %s", changed, created.ETag)
	}
	for name, c := range map[string]struct {
		change *gateway.Change
		code   fault.Code
	}{
		"the tag of what stood before": {with(described, tagged(created.ETag)), fault.PreconditionFailed},
		"no tag at all":                {with(described, tagged("not hex")), fault.PreconditionFailed},
		"any, of none":                 {with(change("", "absent", carrier()), tagged(gateway.AnyTag)), fault.PreconditionFailed},
		"none, of one":                 {with(described, func(c *gateway.Change) { c.IfNoneMatch = true }), fault.PreconditionFailed},
		"a new one, of one":            {with(described, func(c *gateway.Change) { c.Only = gateway.OnlyNew }), fault.Conflict},
		"one that is, of none":         {with(change("", "absent", carrier()), func(c *gateway.Change) { c.Only = gateway.OnlyExisting }), fault.NotFound},
		"a deletion":                   {with(deletion("carrier"), tagged(created.ETag)), fault.PreconditionFailed},
	} {
		if got := b.failing(t, c.change); got.Code != c.code {
			t.Errorf("%s: got %s: %v", name, got.Code, got)
		}
	}
	if got := b.rowStates(t); len(got) != 1 || got["carrier"] != "external s3cret-pw mine" {
		t.Errorf("the rows are %v", got)
	}
	b.one(t, with(change("", "carrier", map[string]string{"description": ""}), tagged(gateway.AnyTag)))
	if deleted := b.one(t, with(deletion("carrier"), tagged(b.one(t, change("", "carrier", nil)).ETag))); deleted.Action != gateway.Deleted {
		t.Errorf("got %+v", deleted)
	}
}

// Of several who start from the same row at once, in workers of their own, one gets through.
func TestNoUpdateIsLost(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	created := b.one(t, change("", "carrier", carrier()))
	const callers = 6
	won := make([]bool, callers)
	var group sync.WaitGroup
	for i := range callers {
		applier := b.newApplier(t, gateway.Limits{RoundChanges: 10, RoundKills: 10})
		c := change("", "carrier", map[string]string{"description": strings.Repeat("x", i+1)})
		c.IfMatch = []string{created.ETag}
		group.Go(func() {
			o := applier.Apply(context.Background(), []*gateway.Change{c}, &journal{})[0]
			won[i] = o.Err == nil
			if o.Err != nil && !fault.Is(o.Err, fault.PreconditionFailed) {
				t.Errorf("%d: %v", i, o.Err)
			}
		})
	}
	group.Wait()
	winner, n := 0, 0
	for i, one := range won {
		if one {
			winner, n = i, n+1
		}
	}
	if got := b.rowStates(t)["carrier"]; n != 1 || got != "external s3cret-pw "+strings.Repeat("x", winner+1) {
		t.Errorf("%d got through, and the row is %s", n, got)
	}
}

// A second attempt at a change is not refused for what the first one wrote, but for what somebody else did.
func TestConditionsOfASecondAttempt(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	created := b.one(t, change("", "carrier", carrier()))
	edit := change("", "carrier", map[string]string{"description": "edited"})
	edit.IfMatch = []string{created.ETag}
	fresh := change("", "fresh", carrier())
	fresh.Only = gateway.OnlyNew
	copied := change("", "copied", map[string]string{"enabled": "false"})
	copied.CopyOf, copied.Only = created.GatewayUUID, gateway.OnlyNew
	gone := deletion("carrier")
	for _, c := range []*gateway.Change{edit, fresh, copied, gone} {
		if c.Delete {
			c.IfMatch = []string{b.one(t, change("", "carrier", nil)).ETag}
		}
		ctx, kill := context.WithCancelCause(context.Background())
		j := &journal{b: b, name: c.Name + c.Values["description"], after: func() { kill(errKilled) }}
		if o := b.applier.Apply(ctx, []*gateway.Change{c}, j)[0]; o.Err == nil {
			t.Fatalf("%s was not killed", c.Name)
		}
		j.after = nil
		if o := b.applier.Apply(context.Background(), []*gateway.Change{c}, j)[0]; o.Err != nil || o.Result().Action == gateway.Unchanged {
			t.Errorf("%s: got %+v, %v", c.Name, o.Result(), o.Err)
		}
	}
	if got := b.rowStates(t); len(got) != 2 || got["copied"] != "external s3cret-pw disabled edited" {
		t.Errorf("the rows are %v", got)
	}
}

// What is reset has the defaults of the page, but for what has none.
func TestReset(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	created := b.one(t, change("", "carrier", carrier("description", "old", "expire_seconds", "60", "hostname", "", "register", "false")))
	whole := change("", "carrier", map[string]string{"proxy": "new.carrier.example", "username": "account"})
	whole.Reset = []string{"description", "expire_seconds", "realm", "register", "proxy", "username"}
	b.one(t, whole)
	row, err := b.FusionPBX.GatewayByUUID(t.Context(), created.GatewayUUID)
	must(t, err)
	for column, want := range map[string]string{
		"description": "", "expire_seconds": "800", "realm": "new.carrier.example", "proxy": "new.carrier.example", "register": "true", "password": "s3cret-pw",
	} {
		if got := row.Get(column); got != want {
			t.Errorf("%s is %q, want %q", column, got, want)
		}
	}
	whole.Values = map[string]string{"username": "account"}
	if got := b.failing(t, whole); got.Code != fault.MissingParameters || !strings.Contains(got.Message, "gateway_domain") {
		t.Errorf("got %v", got)
	}
}

func TestCopyIsRefused(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	created := b.one(t, change(b.Sample.Domains[0].UUID, "carrier", carrier()))
	copied := change(b.Sample.Domains[1].UUID, "copied", map[string]string{"enabled": "false"})
	copied.CopyOf = created.GatewayUUID
	if got := b.failing(t, copied); got.Code != fault.NotFound {
		t.Errorf("into another domain: %v", got)
	}
	copied = change(b.Sample.Domains[0].UUID, "carrier", map[string]string{"enabled": "false"})
	copied.CopyOf, copied.Only = created.GatewayUUID, gateway.OnlyNew
	if got := b.failing(t, copied); got.Code != fault.Conflict {
		t.Errorf("by its own name: %v", got)
	}
}

// A gateway that outbound routes name is deleted if that is forced.
func TestDeletionOfARoutedGateway(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	created := b.one(t, change("", "carrier", carrier()))
	b.exec(t, `create table if not exists v_dialplans (dialplan_uuid uuid, dialplan_name text)`)
	b.exec(t, `create table if not exists v_dialplan_details (dialplan_uuid uuid, dialplan_detail_data text)`)
	b.exec(t, `with routes as (insert into v_dialplans (dialplan_uuid, dialplan_name) select gen_random_uuid(), 'route ' || n from generate_series(1, 12) as n returning dialplan_uuid)
		insert into v_dialplan_details (dialplan_uuid, dialplan_detail_data) select dialplan_uuid, 'sofia/gateway/' || $1::text || '/$1' from routes, generate_series(1, 2)`, created.GatewayUUID)
	_, err := b.FusionPBX.Refresh(t.Context())
	must(t, err)
	got := b.failing(t, deletion("carrier"))
	if got.Code != fault.Conflict || !strings.Contains(got.Message, `"route 1", "route 10"`) || !strings.Contains(got.Message, "and 2 more") || !strings.Contains(got.Message, "force=true") {
		t.Errorf("got %v", got)
	}
	if n := len(b.rowStates(t)); n != 1 {
		t.Errorf("%d rows are left", n)
	}
	forced := deletion("carrier")
	forced.Force = true
	if result := b.one(t, forced); result.Action != gateway.Deleted || result.OutboundRoutes != 12 {
		t.Errorf("got %+v", result)
	}
}

package gateway_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/uuid"

	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway"
)

// standing is a gateway that is there before: its row, and what the switches have loaded.
type standing struct {
	label, profile, password, hostname string
	ours                               bool // made by Apply, so that it is known with what it was loaded
	unloaded                           bool // no switch has it
}

// seen is what the first switch was told to do.
type seen struct {
	kills    int // of each gateway there are two: the second finds that there is no copy
	external int // rescans
	internal int
}

// Each row of the table is a PBX before, what is asked of it, and the PBX after.
func TestApply(t *testing.T) {
	t.Parallel()
	names := func(values map[string]string, labels ...string) (changes []*gateway.Change) {
		for _, label := range labels {
			changes = append(changes, change("", label, values))
		}
		return changes
	}
	for name, tc := range map[string]struct {
		switches int
		before   []standing
		arrange  func(t *testing.T, b *bundle)
		changes  []*gateway.Change
		rows     map[string]string // after, by label; nil: as before
		loaded   map[string]string // on the first switch; nil: as before
		second   map[string]string // on the second one, if there are two
		saw      seen
		actions  []string   // of each change; "": it fails
		code     fault.Code // of those that fail
		says     []string   // of the first that fails
	}{
		"a new one": {
			changes: names(carrier(), "carrier"), actions: []string{gateway.Created}, saw: seen{external: 1},
			rows: map[string]string{"carrier": "external s3cret-pw"}, loaded: map[string]string{"carrier": "external s3cret-pw"},
		},
		"a new one on two switches": {
			switches: 2, changes: names(carrier(), "carrier"), actions: []string{gateway.Created}, saw: seen{external: 1},
			rows: map[string]string{"carrier": "external s3cret-pw"}, loaded: map[string]string{"carrier": "external s3cret-pw"},
			second: map[string]string{"carrier": "external s3cret-pw"},
		},
		"a new one that is disabled": {
			changes: names(carrier("enabled", "false"), "carrier"), actions: []string{gateway.Created},
			rows: map[string]string{"carrier": "external s3cret-pw disabled"},
		},
		"another password": {
			before:  []standing{{label: "carrier", profile: "external", password: "before"}},
			changes: names(carrier(), "carrier"), actions: []string{gateway.Updated}, saw: seen{kills: 2, external: 2},
			rows: map[string]string{"carrier": "external s3cret-pw"}, loaded: map[string]string{"carrier": "external s3cret-pw"},
		},
		"a description, which reaches no switch": {
			before:  []standing{{label: "carrier", ours: true}},
			changes: names(map[string]string{"description": "new"}, "carrier"), actions: []string{gateway.Updated},
			rows: map[string]string{"carrier": "external s3cret-pw new"},
		},
		"what stands already": {
			before:  []standing{{label: "carrier", ours: true}},
			changes: names(carrier(), "carrier"), actions: []string{gateway.Unchanged},
		},
		"what stands already, loaded by somebody else, with which password nobody knows": {
			before:  []standing{{label: "carrier", profile: "external", password: "s3cret-pw"}},
			changes: names(map[string]string{"password": "s3cret-pw"}, "carrier"), actions: []string{gateway.Unchanged}, saw: seen{kills: 2, external: 2},
		},
		"what stands already and was never loaded": {
			before:  []standing{{label: "carrier", profile: "external", password: "s3cret-pw", unloaded: true}},
			changes: names(map[string]string{"password": "s3cret-pw"}, "carrier"), actions: []string{gateway.Unchanged}, saw: seen{external: 1},
			loaded: map[string]string{"carrier": "external s3cret-pw"},
		},
		"nothing, of one that is there": {
			before:  []standing{{label: "carrier", ours: true}},
			changes: names(nil, "carrier"), actions: []string{gateway.Unchanged},
		},
		"suspended": {
			before:  []standing{{label: "carrier", profile: "external", password: "before"}},
			changes: names(map[string]string{"enabled": "false"}, "carrier"), actions: []string{gateway.Updated}, saw: seen{kills: 2},
			rows: map[string]string{"carrier": "external before disabled"}, loaded: map[string]string{},
		},
		"deleted": {
			before:  []standing{{label: "carrier", profile: "external", password: "before"}, {label: "other", profile: "external", password: "x"}},
			changes: []*gateway.Change{deletion("carrier")}, actions: []string{gateway.Deleted}, saw: seen{kills: 2},
			rows: map[string]string{"other": "external x"}, loaded: map[string]string{"other": "external x"},
		},
		"deleted, but there was none": {
			changes: []*gateway.Change{deletion("carrier")}, actions: []string{gateway.Absent},
		},
		"another profile": {
			before:  []standing{{label: "carrier", profile: "external", password: "before"}},
			changes: names(map[string]string{"profile": "internal"}, "carrier"), actions: []string{gateway.Updated}, saw: seen{kills: 2, internal: 1},
			rows: map[string]string{"carrier": "internal before"}, loaded: map[string]string{"carrier": "internal before"},
		},
		"another switch's hostname": {
			switches: 2, before: []standing{{label: "carrier", profile: "external", password: "before"}},
			changes: names(map[string]string{"hostname": "pbx-2"}, "carrier"), actions: []string{gateway.Updated}, saw: seen{kills: 2},
			rows: map[string]string{"carrier": "external before"}, loaded: map[string]string{}, second: map[string]string{"carrier": "external before"},
		},
		"nobody's hostname": {
			before:  []standing{{label: "carrier", profile: "external", password: "before"}},
			changes: names(map[string]string{"hostname": "elsewhere"}, "carrier"), actions: []string{""},
			code: fault.InvalidGateway, says: []string{"hostname", "elsewhere"},
		},
		"broken XML": {
			before:  []standing{{label: "carrier", profile: "external", password: "before"}},
			arrange: func(_ *testing.T, b *bundle) { b.Simulated[0].BreakXML(9, "unclosed tag") },
			changes: names(carrier(), "carrier"), actions: []string{""}, saw: seen{external: 2}, // the second to put it back
			code: fault.SwitchConfiguration, says: []string{"line 9", "as it was before"},
		},
		"broken XML, and a move": {
			before:  []standing{{label: "carrier", profile: "external", password: "before"}},
			arrange: func(_ *testing.T, b *bundle) { b.Simulated[0].BreakXML(9, "unclosed tag") },
			changes: names(map[string]string{"profile": "internal"}, "carrier"), actions: []string{""}, saw: seen{external: 1}, // to put it back
			code: fault.SwitchConfiguration, says: []string{"line 9", "as it was before"},
		},
		"a stopped profile": {
			before:  []standing{{label: "carrier", profile: "internal", password: "before"}},
			arrange: func(_ *testing.T, b *bundle) { b.Simulated[0].StopProfile("external") },
			changes: names(map[string]string{"profile": "external"}, "carrier"), actions: []string{""},
			code: fault.ProfileUnavailable, says: []string{"external"},
		},
		"a switch that drops the new gateway in silence": {
			arrange: func(_ *testing.T, b *bundle) { b.Simulated[0].FaultOnce("rescan", rescanned) },
			changes: names(carrier(), "carrier"), actions: []string{""}, saw: seen{external: 1},
			code: fault.GatewayNotLoaded, says: []string{"did not load", "as it was before"},
		},
		"a switch that drops the changed gateway in silence": {
			before: []standing{{label: "carrier", profile: "external", password: "before"}},
			arrange: func(_ *testing.T, b *bundle) {
				b.Simulated[0].FaultOnce("rescan", rescanned)
				b.Simulated[0].FaultOnce("rescan", rescanned)
			},
			changes: names(carrier(), "carrier"), actions: []string{""}, saw: seen{kills: 2, external: 3},
			code: fault.GatewayNotLoaded, says: []string{"did not load", "as it was before"},
		},
		"somebody else's change meanwhile": {
			before: []standing{{label: "carrier", profile: "external", password: "before"}},
			arrange: func(t *testing.T, b *bundle) {
				changeMeanwhile(t, b, "lua", "update v_gateways set password = 'theirs', description = 'theirs' where gateway = 'carrier'")
				b.Simulated[0].BreakXML(9, "unclosed tag")
			},
			changes: names(carrier(), "carrier"), actions: []string{""}, saw: seen{external: 2},
			rows: map[string]string{"carrier": "external theirs theirs"},
			code: fault.SwitchConfiguration, says: []string{"changed by somebody else meanwhile and was left as it is now"},
		},
		"two of one name": {
			before:  []standing{{label: "carrier", profile: "external", password: "a"}, {label: "carrier", profile: "external", password: "a"}},
			changes: names(carrier(), "carrier"), actions: []string{""},
			code: fault.Conflict, says: []string{" and "},
		},
		"several, of which one is refused": {
			before: []standing{{label: "second", profile: "external", password: "before"}, {label: "third", profile: "external", password: "before"}},
			changes: append(names(carrier(), "first", "second"), change("", "wrong", carrier("password", "a$b")),
				change("", "absent", map[string]string{"proxy": "x"}), deletion("third")),
			actions: []string{gateway.Created, gateway.Updated, "", "", gateway.Deleted}, saw: seen{kills: 4, external: 2},
			rows:   map[string]string{"first": "external s3cret-pw", "second": "external s3cret-pw"},
			loaded: map[string]string{"first": "external s3cret-pw", "second": "external s3cret-pw"},
			code:   "", says: []string{"password", "$"},
		},
		"several, of which the database refuses two": {
			arrange: func(t *testing.T, b *bundle) {
				_, err := b.Pool.Exec(t.Context(), "alter table v_gateways add constraint theirs check (coalesce(username, '') <> 'unwanted')")
				must(t, err)
			},
			changes: append(names(carrier("username", "unwanted"), "a", "b"), names(carrier(), "c", "d", "e")...),
			actions: []string{"", "", gateway.Created, gateway.Created, gateway.Created}, saw: seen{external: 1},
			rows:   map[string]string{"c": "external s3cret-pw", "d": "external s3cret-pw", "e": "external s3cret-pw"},
			loaded: map[string]string{"c": "external s3cret-pw", "d": "external s3cret-pw", "e": "external s3cret-pw"},
			says:   []string{"theirs"},
		},
		"the same one several times": {
			changes: append(names(carrier(), "carrier"), change("", "carrier", map[string]string{"password": "second"}), deletion("carrier")),
			actions: []string{gateway.Created, gateway.Updated, gateway.Deleted}, saw: seen{kills: 4, external: 3},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{switches: tc.switches})
			for _, g := range tc.before {
				b.stand(t, g)
			}
			labels := b.labels(t)
			if tc.rows == nil {
				tc.rows = b.rowStates(t)
			}
			loaded := func(i int) map[string]string {
				maps.Copy(labels, b.labels(t))
				return b.loadedStates(labels, b.Simulated[i])
			}
			if tc.loaded == nil {
				tc.loaded = loaded(0)
			}
			was := b.saw()
			if tc.arrange != nil {
				tc.arrange(t, b)
			}
			said := false
			for i, o := range b.apply(tc.changes...) {
				switch {
				case tc.actions[i] != "" && (o.Err != nil || o.Result().Action != tc.actions[i]):
					t.Errorf("change %d: got %q and %v, want it %s", i, o.Result().Action, o.Err, tc.actions[i])
				case tc.actions[i] == "" && o.Err == nil:
					t.Errorf("change %d: got %+v, want it to fail", i, o.Result())
				case tc.actions[i] == "" && !said:
					said = true
					if tc.code != "" && !fault.Is(o.Err, tc.code) {
						t.Errorf("change %d: got %v, want %s", i, o.Err, tc.code)
					}
					for _, words := range tc.says {
						if !strings.Contains(o.Err.Error(), words) {
							t.Errorf("change %d: the error does not say %q: %v", i, words, o.Err)
						}
					}
				}
			}
			if got := b.rowStates(t); !maps.Equal(got, tc.rows) {
				t.Errorf("the rows are %v, want %v", got, tc.rows)
			}
			if got := loaded(0); !maps.Equal(got, tc.loaded) {
				t.Errorf("the switch has %v, want %v", got, tc.loaded)
			}
			if tc.switches == 2 {
				if got := loaded(1); !maps.Equal(got, tc.second) {
					t.Errorf("the second switch has %v, want %v", got, tc.second)
				}
			}
			now := b.saw()
			if got := (seen{now.kills - was.kills, now.external - was.external, now.internal - was.internal}); got != tc.saw {
				t.Errorf("the switch saw %+v, want %+v", got, tc.saw)
			}
		})
	}
}

// stand makes a gateway that is there before.
func (b *bundle) stand(t *testing.T, g standing) {
	t.Helper()
	if g.ours {
		b.one(t, change("", g.label, carrier()))
		return
	}
	row := fusionpbx.NewGateway(uuid.NewString(), "", g.label)
	for column, value := range carrier("register", "true", "profile", g.profile, "password", g.password, "hostname", g.hostname) {
		row.Set(column, value)
	}
	must(t, b.FusionPBX.InsertGateway(t.Context(), row, ""))
	if g.unloaded {
		return
	}
	for i, sw := range b.Simulated {
		must(t, b.Switches[i].DeleteSofiaCache(t.Context()))
		must(t, sw.LoadProfiles(t.Context()))
	}
}

// labels are the labels of the rows, by uuid.
func (b *bundle) labels(t *testing.T) map[string]string {
	t.Helper()
	rows, err := b.FusionPBX.Gateways(t.Context(), true, "")
	must(t, err)
	labels := map[string]string{}
	for _, row := range rows {
		labels[row.UUID] = row.Label()
	}
	return labels
}

func (b *bundle) saw() seen {
	return seen{kills: b.commands("killgw"), external: b.commands("profile external rescan"), internal: b.commands("profile internal rescan")}
}

// changeMeanwhile carries out a statement, once, when the first switch is told what contains the pattern.
func changeMeanwhile(t *testing.T, b *bundle, pattern, sql string) {
	t.Helper()
	held, release := b.Simulated[0].Hold(pattern)
	t.Cleanup(release)
	go func() {
		defer release()
		select {
		case <-held:
		case <-t.Context().Done():
			return
		}
		if _, err := b.Pool.Exec(t.Context(), sql); err != nil {
			t.Error(err)
		}
	}()
}

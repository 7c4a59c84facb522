package fusionpbx

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/pbxtest/servers"
)

// write sends writes in a transaction of their own, and returns what the database keeps otherwise.
func (p pbx) write(t *testing.T, add func(*GatewayWrites)) (kept map[string]Gateway, err error) {
	t.Helper()
	err = pgx.BeginFunc(t.Context(), p.conn, func(tx pgx.Tx) error {
		w := p.In(tx).Writes()
		add(w)
		if err := w.Send(t.Context()); err != nil {
			return err
		}
		if want := len(w.writes) >= bulkFrom; w.bulk != want {
			t.Errorf("%d writes went through a table: %t", len(w.writes), w.bulk)
		}
		kept, err = w.Kept(t.Context())
		return err
	})
	return kept, err
}

// Many rows arrive as each one would by itself, in every version.
func TestManyGatewaysAreWrittenAsEachIs(t *testing.T) {
	each(t, func(t *testing.T, p pbx) {
		user, domain := uuid.NewString(), p.domain(t, "one.example", "true")
		rows := make([]Gateway, 2*bulkFrom)
		for i := range rows {
			text := hostile[i%len(hostile)]
			g := NewGateway(uuid.NewString(), domain, fmt.Sprintf("line %d %s", i, text))
			if i%2 == 1 {
				g.DomainUUID = ""
			}
			for column, value := range map[string]string{"password": text, "description": text, "register": "true", "hostname": ""} {
				g.Set(column, value)
			}
			rows[i] = g
		}
		rows[7].Set("expire_seconds", "0800") // a number in some versions
		insert := func(w *GatewayWrites) {
			for _, g := range rows {
				w.Insert(g, user)
			}
		}
		kept, err := p.write(t, insert)
		if err != nil {
			t.Fatal(err)
		}
		check := func(what string, want []Gateway, kept map[string]Gateway) {
			t.Helper()
			found, err := p.Gateways(t.Context(), true, "")
			if err != nil || len(found) != len(want) {
				t.Fatalf("%s: got %d rows, %v; want %d", what, len(found), err, len(want))
			}
			byUUID := map[string]Gateway{}
			for _, g := range found {
				byUUID[g.UUID] = g
			}
			for _, g := range want {
				if other, otherwise := kept[g.UUID]; otherwise {
					g = other
				}
				if got := byUUID[g.UUID]; got.DomainUUID != g.DomainUUID || !got.Same(g, GatewayColumns...) {
					t.Errorf("%s: got %+v, want %+v", what, got, g)
				}
			}
		}
		check("inserted", rows, kept)
		numbers, _ := p.ColumnType("v_gateways", "expire_seconds")
		if _, otherwise := kept[rows[7].UUID]; otherwise != (numbers == "numeric") || len(kept) > 1 {
			t.Errorf("%d rows are kept otherwise, of a column of type %s", len(kept), numbers)
		}
		stood, err := p.GatewaysByUUIDs(t.Context(), uuids(rows))
		if err != nil {
			t.Fatal(err)
		}
		changed := append([]Gateway{}, rows[:bulkFrom+5]...)
		kept, err = p.write(t, func(w *GatewayWrites) {
			for i := range changed {
				changed[i] = stood[changed[i].UUID]
				changed[i].Set("password", "changed")
				changed[i].Set("register", "false")
				w.Update(changed[i], user)
			}
			for _, g := range rows[bulkFrom+5:] {
				w.Delete(g.UUID)
			}
		})
		if err != nil || len(kept) != 0 {
			t.Fatalf("updated: %d rows are kept otherwise, %v", len(kept), err)
		}
		check("updated and deleted", changed, nil)
		if n := p.number(t, "select count(*) from v_gateways where update_user = $1 and insert_user = $1", user); n != len(changed) {
			t.Errorf("%d rows say who wrote them, want %d", n, len(changed))
		}
		// Put back, as they were read.
		if kept, err = p.write(t, func(w *GatewayWrites) {
			for i, g := range rows {
				g = stood[g.UUID]
				if i >= bulkFrom+5 {
					w.Insert(g, user)
				}
				w.Restore(g)
			}
		}); err != nil || len(kept) != 0 {
			t.Fatalf("restored: %d rows are kept otherwise, %v", len(kept), err)
		}
		check("restored", rows, stood)
		if n := p.number(t, "select count(*) from v_gateways where update_user is not null or update_date is not null"); n != 0 {
			t.Errorf("%d restored rows say that they were changed", n)
		}
	})
}

func uuids(rows []Gateway) (uuids []string) {
	for _, g := range rows {
		uuids = append(uuids, g.UUID)
	}
	return uuids
}

func (p pbx) number(t *testing.T, sql string, args ...any) (n int) {
	t.Helper()
	if err := p.conn.QueryRow(t.Context(), sql, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// What one of many rows does wrong, all of them are not written for.
func TestManyGatewaysOfWhichOneCannotBeWritten(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		spoil func(*Gateway)
		is    error
	}{
		"a text that does not fit": {spoil: func(g *Gateway) { g.Set("realm", strings.Repeat("x", 41)) }},
		"no number":                {spoil: func(g *Gateway) { g.Set("expire_seconds", "soon") }},
		"a row that is gone":       {spoil: func(g *Gateway) { g.UUID = uuid.NewString() }, is: ErrNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := open(t, sample.V55, mixed...)
			rows := make([]Gateway, bulkFrom)
			for i := range rows {
				rows[i] = NewGateway(uuid.NewString(), "", fmt.Sprintf("line-%d", i))
			}
			if _, err := p.write(t, func(w *GatewayWrites) {
				for _, g := range rows {
					w.Insert(g, "")
				}
			}); err != nil {
				t.Fatal(err)
			}
			_, err := p.write(t, func(w *GatewayWrites) {
				for i, g := range rows {
					g.Set("password", "changed")
					for _, column := range GatewayColumns {
						if !g.Has(column) {
							g.Set(column, "")
						}
					}
					if i == bulkFrom/2 {
						tc.spoil(&g)
					}
					w.Update(g, "")
				}
			})
			if err == nil || tc.is != nil && !errors.Is(err, tc.is) {
				t.Errorf("got %v", err)
			}
			if n := p.number(t, "select count(*) from v_gateways where password = 'changed'"); n != 0 {
				t.Errorf("%d rows were changed", n)
			}
		})
	}
}

// A database without an encoding takes and keeps bytes as they are.
func TestManyGatewaysInSQLASCII(t *testing.T) {
	t.Parallel()
	p := open(t, sample.V54, servers.WithEncoding("SQL_ASCII"))
	p.exec(t, "set client_encoding to 'SQL_ASCII'")
	rows := make([]Gateway, bulkFrom)
	if kept, err := p.write(t, func(w *GatewayWrites) {
		for i := range rows {
			rows[i] = NewGateway(uuid.NewString(), "", hostile[i%len(hostile)])
			rows[i].Set("username", "ünï©ode")
			rows[i].Set("description", "caf\xe9")
			w.Insert(rows[i], "")
		}
	}); err != nil || len(kept) != 0 {
		t.Fatalf("%d rows are kept otherwise, %v", len(kept), err)
	}
	found, err := p.GatewaysByUUIDs(t.Context(), uuids(rows))
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range rows {
		if !found[g.UUID].Same(g, GatewayColumns...) {
			t.Errorf("got %+v, want %+v", found[g.UUID], g)
		}
	}
}

// A row that was sealed before an upgrade lacks a column, which stays as it is.
func TestManyGatewaysLeaveAColumnThatTheyLack(t *testing.T) {
	t.Parallel()
	p := open(t, sample.V56)
	rows := make([]Gateway, bulkFrom)
	for i := range rows {
		rows[i] = NewGateway(uuid.NewString(), "", fmt.Sprintf("line-%d", i))
		rows[i].Set("description", "kept")
		if err := p.InsertGateway(t.Context(), rows[i], ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := pgx.BeginFunc(t.Context(), p.conn, func(tx pgx.Tx) error {
		w := p.In(tx).Writes()
		for _, g := range rows {
			change := Gateway{UUID: g.UUID}
			change.Set("password", "changed")
			w.Update(change, "")
		}
		return w.Send(t.Context())
	}); err != nil {
		t.Fatal(err)
	}
	if n := p.number(t, "select count(*) from v_gateways where password = 'changed' and description = 'kept'"); n != bulkFrom {
		t.Errorf("%d rows are as they should be, want %d", n, bulkFrom)
	}
}

// A journal that an earlier version sealed is read as it was written, and what is not known any more is left out.
func TestGatewayOfAnEarlierVersionsJournal(t *testing.T) {
	t.Parallel()
	const sealed = `{"uuid":"0a0b0c0d-0000-4000-8000-000000000001","domain_uuid":"d","values":{"gateway":"a \"b\" <c> & d","hostname":null,"register":"true","gone_since":"x"},` +
		`"update_date":"2026-01-02 03:04:05+00"}`
	var g Gateway
	if err := g.UnmarshalJSON([]byte(sealed)); err != nil {
		t.Fatal(err)
	}
	if g.Label() != `a "b" <c> & d` || g.Get("register") != "true" || !g.Has("hostname") || g.Get("hostname") != "" || g.Has("password") ||
		g.DomainUUID != "d" || *g.UpdateDate != "2026-01-02 03:04:05+00" || g.UpdateUser != nil {
		t.Errorf("got %+v", g)
	}
}

// Whatever is set and set again, the other columns stay.
func FuzzGatewaySet(f *testing.F) {
	f.Add("a", "", "ccc", 0, 3)
	f.Add("", "long value", "", 31, 0)
	f.Fuzz(func(t *testing.T, a, b, c string, first, second int) {
		n := len(columnNames)
		at := func(i int) string { return columnNames[((i%n)+n)%n] }
		var g Gateway
		want := map[string]string{}
		for _, set := range []struct{ column, value string }{{at(first), a}, {at(second), b}, {at(first), c}, {at(second + 1), a + b}} {
			g.Set(set.column, set.value)
			want[set.column] = set.value
		}
		text, err := g.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		var read Gateway
		if err := read.UnmarshalJSON(text); err != nil {
			t.Fatal(err)
		}
		for _, column := range columnNames {
			value, has := want[column]
			if g.Get(column) != value || g.Has(column) != has {
				t.Errorf("%s: got %q, %t; want %q, %t", column, g.Get(column), g.Has(column), value, has)
			}
			if got, want := read.Get(column), strings.ToValidUTF8(value, "\uFFFD"); read.Has(column) != has || got != want && !strings.Contains(got, "\uFFFD") {
				t.Errorf("%s as JSON: got %q, want %q", column, got, want)
			}
		}
	})
}

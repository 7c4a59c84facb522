package export

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
)

// calls is a source of the rows of a table calls (id, at, text, n), through any number of connections.
type calls struct{ pool *pgxpool.Pool }

const callsFrom = " from calls where at >= $1 and at < $2 "

func (c calls) Connect(ctx context.Context, first bool) (*pgx.Conn, func(), error) {
	conn, err := c.pool.Acquire(ctx)
	if err != nil {
		return nil, nil, err
	}
	return conn.Conn(), conn.Release, nil
}

func (c calls) Rows(s Span) (string, []any, error) {
	return "select at, text, n, id" + callsFrom + "order by at, id", []any{s.From, s.To}, nil
}

func (c calls) Nth(s Span, n int64) (string, []any, error) {
	return "select at" + callsFrom + fmt.Sprintf("order by at limit 1 offset %d", n-1), []any{s.From, s.To}, nil
}

func (c calls) Compare(ctx context.Context, tx pgx.Tx, slices []Slice) (found []Compared, err error) {
	for _, s := range slices {
		var compared Compared
		err := tx.QueryRow(ctx, "select count(*), coalesce(bool_or(age(xmin) <= age(($3::bigint % 4294967296)::text::xid)), false)"+callsFrom,
			s.From, s.To, s.Seen.Before).Scan(&compared.Rows, &compared.Newer)
		if err != nil {
			return nil, err
		}
		found = append(found, compared)
	}
	return found, nil
}

// callsSpan is a span that holds all rows of newCalls.
var callsSpan = Span{From: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)}

// callsColumns are those of the files, to which id does not belong.
var callsColumns = []Column{{Name: "at"}, {Name: "text"}, {Name: "n"}}

// newCalls makes the table: rows of which many have the same time, as those of one second do.
func newCalls(t testing.TB, rows int) calls {
	t.Helper()
	c := openCalls(t, pbxtest.Database(t, sample.V55))
	c.exec(t, "create table calls (id uuid not null, at timestamptz not null, text text, n numeric)")
	c.exec(t, `insert into calls select md5(i::text)::uuid, timestamptz '2026-01-01 00:00+00' + (i / 7) * interval '1 second' + (i % 3) * interval '1 microsecond',
		case i % 5 when 0 then null when 1 then '' when 2 then E'a "b", <c>\n&' when 3 then E'\u2028 é ' || repeat('x', i % 900) else md5(i::text) end, i::numeric / 4
		from generate_series(1, $1::integer) i`, rows)
	c.exec(t, "create index on calls (at, id)")
	c.settle(t)
	return c
}

// settle waits until no transaction is open that is older than the rows: a snapshot surely sees them then, whatever other
// tests do on the server.
func (c calls) settle(t testing.TB) {
	t.Helper()
	var last int64
	if err := c.pool.QueryRow(t.Context(), "select txid_snapshot_xmax(txid_current_snapshot())").Scan(&last); err != nil {
		t.Fatal(err)
	}
	pbxtest.Eventually(t, "all rows are older than any transaction", func() bool {
		var oldest int64
		err := c.pool.QueryRow(t.Context(), "select txid_snapshot_xmin(txid_current_snapshot())").Scan(&oldest)
		return err == nil && oldest >= last
	})
}

// openCalls opens a database that has the table, or will.
func openCalls(t testing.TB, url string) calls {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return calls{pool}
}

func (c calls) exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	if _, err := c.pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

// attempts is a file that one attempt after the other is made at.
type attempts struct {
	source Source
	o      Options
	parts  []*cutOff
	slices []Slice
}

// cutOff is an Out that fails after so many bytes; 0: never.
type cutOff struct {
	memory
	after int
}

var errCutOff = errors.New("cut off")

func (c *cutOff) Write(p []byte) (int, error) {
	if c.after > 0 && c.Len()+len(p) > c.after {
		return 0, errCutOff
	}
	return c.memory.Write(p)
}

// part reads what an attempt wrote.
type part struct{ *bytes.Reader }

func (part) Close() error { return nil }

// try makes an attempt that is cut off after so many bytes.
func (a *attempts) try(t testing.TB, after int) (Manifest, error) {
	t.Helper()
	out := &cutOff{after: after}
	a.parts = append(a.parts, out)
	o := a.o
	o.Name, o.KeyColumns, o.SumColumn = "calls", []string{"at", "id"}, "n"
	if o.Columns == nil {
		o.Columns = callsColumns
	}
	if o.Span == (Span{}) {
		o.Span = callsSpan
	}
	o.Part, o.Earlier = len(a.parts), slices.Clone(a.slices)
	o.OpenPart = func(number int) (EarlierPart, error) { return part{bytes.NewReader(a.parts[number-1].Bytes())}, nil }
	o.Finished = func(_ context.Context, first int, finished []Slice) error {
		kept, err := json.Marshal(finished) // as whoever calls Write keeps them
		if err != nil {
			return err
		}
		if err := json.Unmarshal(kept, &finished); err != nil {
			return err
		}
		a.slices = append(a.slices[:first:first], append(finished, a.slices[min(first+len(finished), len(a.slices)):]...)...)
		return nil
	}
	o.finishedInterval = 1 // each slice at once
	return Write(t.Context(), a.source, out, o)
}

// whole makes the file at one go.
func whole(t testing.TB, source Source, o Options) ([]byte, Manifest) {
	t.Helper()
	a := attempts{source: source, o: o}
	m, err := a.try(t, 0)
	if err != nil {
		t.Fatal(err)
	}
	if o.SliceRows > 0 && int64(len(a.slices)) < m.Rows/(2*o.SliceRows) {
		t.Fatalf("%d rows make %d slices", m.Rows, len(a.slices))
	}
	return a.parts[0].Bytes(), m
}

// forms are all ways in which a file is written.
func allForms() (all []Options) {
	for _, format := range Formats() {
		all = append(all, Options{Format: format, SliceRows: 500})
		if format != Parquet {
			all = append(all, Options{Format: format, SliceRows: 500, Compression: Gzip}, Options{Format: format, SliceRows: 500, Compression: Zstd})
		}
	}
	return all
}

// TestConnectionsDoNotShow has more connections, and no slices at all where that is not seen, make the same file.
func TestConnectionsDoNotShow(t *testing.T) {
	t.Parallel()
	source := newCalls(t, 20000)
	for _, o := range allForms() {
		want, m := whole(t, source, o)
		if m.Rows != 20000 || *m.Sum != 20000*20001/2/4.0 {
			t.Errorf("%s: %d rows with the sum %v", o.Format, m.Rows, *m.Sum)
		}
		o.Connections = 3
		got, _ := whole(t, source, o)
		if !bytes.Equal(got, want) {
			t.Errorf("%s %s: three connections write another file", o.Format, o.Compression)
		}
		if o.Connections, o.SliceRows = 1, 0; o.Compression == None && o.Format != Parquet {
			if got, _ := whole(t, source, o); !bytes.Equal(got, want) {
				t.Errorf("%s: slices show in the file", o.Format)
			}
		}
	}
}

// TestAnAttemptGoesOn cuts attempts off at random, after which the file is what an undisturbed one writes, and slices that
// were finished are not written again.
func TestAnAttemptGoesOn(t *testing.T) {
	t.Parallel()
	source := newCalls(t, 20000)
	random := rand.New(rand.NewPCG(1, 2))
	for _, o := range allForms() {
		o.Connections = 1 + random.IntN(3)
		want, _ := whole(t, source, o)
		a := attempts{source: source, o: o}
		for range 4 {
			known := len(a.slices)
			if _, err := a.try(t, 1+random.IntN(len(want))); !errors.Is(err, errCutOff) {
				t.Fatalf("%s %s: error %v, want the cut", o.Format, o.Compression, err)
			}
			if len(a.slices) < known {
				t.Fatalf("%d of %d slices are left", len(a.slices), known)
			}
		}
		if _, err := a.try(t, 0); err != nil {
			t.Fatal(err)
		}
		if got := a.parts[len(a.parts)-1].Bytes(); !bytes.Equal(got, want) {
			t.Errorf("%s %s: after four attempts that were cut off the file is another one", o.Format, o.Compression)
		}
	}
}

// TestKeptSlicesAreNotRead has a query that fails where slices are finished.
func TestKeptSlicesAreNotRead(t *testing.T) {
	t.Parallel()
	source := newCalls(t, 5000)
	for _, connections := range []int{1, 3} {
		a := attempts{source: source, o: Options{Format: CSV, SliceRows: 500, Connections: connections}}
		want, _ := whole(t, source, a.o)
		if _, err := a.try(t, len(want)/2); !errors.Is(err, errCutOff) {
			t.Fatal(err)
		}
		watched := &watchedSource{calls: source}
		o := a.o
		o.Name, o.Span, o.KeyColumns, o.Columns = "calls", callsSpan, []string{"at", "id"}, callsColumns
		o.Part, o.Earlier = 2, a.slices
		o.OpenPart = func(int) (EarlierPart, error) { return part{bytes.NewReader(a.parts[0].Bytes())}, nil }
		var out memory
		if _, err := Write(t.Context(), watched, &out, o); err != nil {
			t.Fatal(err)
		}
		kept := a.slices[len(a.slices)-1].To
		if len(a.slices) < 3 || watched.earliest.Before(kept) || !bytes.Equal(out.Bytes(), want) {
			t.Errorf("rows from %s on were read again, though %d slices up to %s were finished", watched.earliest, len(a.slices), kept)
		}
	}
}

// TestChangedSlicesAreReadTogether has all rows change, which one statement reads again: without an index each reads the
// whole table. With a slice in between that is kept it is two.
func TestChangedSlicesAreReadTogether(t *testing.T) {
	t.Parallel()
	for change, want := range map[string]int{
		"update calls set n = n": 1,
		"update calls set n = n where at < timestamptz '2026-01-01 00:02+00' or at > timestamptz '2026-01-01 00:05+00'": 2,
	} {
		source := newCalls(t, 5000)
		a := attempts{source: source, o: Options{Format: CSV, SliceRows: 500}}
		wanted, _ := whole(t, source, a.o)
		if _, err := a.try(t, len(wanted)*4/5); !errors.Is(err, errCutOff) {
			t.Fatal(err)
		}
		source.exec(t, change)
		watched := &watchedSource{calls: source}
		a.source = watched
		if _, err := a.try(t, 0); err != nil {
			t.Fatal(err)
		}
		if got := watched.asked - 1; got != want || !bytes.Equal(a.parts[1].Bytes(), wanted) { // one describes the columns
			t.Errorf("%s: %d statements read %d slices, want %d; the file is the same: %v", change, got, len(a.slices), want, bytes.Equal(a.parts[1].Bytes(), wanted))
		}
	}
}

// watchedSource remembers the earliest time that rows are read from, but for the description of the query, which is that of
// all rows.
type watchedSource struct {
	calls
	mu       sync.Mutex
	asked    int
	earliest time.Time
}

func (w *watchedSource) Rows(s Span) (string, []any, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.asked++; w.asked > 1 && (w.earliest.IsZero() || s.From.Before(w.earliest)) {
		w.earliest = s.From
	}
	return w.calls.Rows(s)
}

// TestChangedSlicesAreWrittenAgain has rows change, go and come between two attempts.
func TestChangedSlicesAreWrittenAgain(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"a row changes":            "update calls set text = 'changed' where id = md5('700')::uuid",
		"a row is as it was":       "update calls set n = n where id = md5('700')::uuid",
		"a row goes":               "delete from calls where id = md5('700')::uuid",
		"a row comes":              "insert into calls values (gen_random_uuid(), timestamptz '2026-01-01 00:01:40+00', 'new', 7)",
		"a slice is empty":         "delete from calls where at < timestamptz '2026-01-01 00:02+00'",
		"a slice of many":          "insert into calls select gen_random_uuid(), timestamptz '2026-01-01 00:01:40+00', 'new', 7 from generate_series(1, 2000)",
		"one comes before all":     "insert into calls values (gen_random_uuid(), timestamptz '2026-01-01 00:00+00', 'new', 7)",
		"one goes and one comes":   "with gone as (delete from calls where id = md5('700')::uuid returning *) insert into calls select gen_random_uuid(), at, text, n from gone",
		"all rows are gone by now": "delete from calls",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := newCalls(t, 3000)
			for _, o := range allForms() {
				if o.Compression != None && o.Format != JSON {
					continue
				}
				source.exec(t, "truncate calls")
				source.exec(t, "insert into calls select md5(i::text)::uuid, timestamptz '2026-01-01 00:00+00' + (i / 7) * interval '1 second', md5(i::text), i from generate_series(1, 3000) i")
				a := attempts{source: source, o: o}
				rows, _ := whole(t, source, o)
				if _, err := a.try(t, len(rows)*9/10); !errors.Is(err, errCutOff) {
					t.Fatal(err)
				}
				source.exec(t, change)
				m, err := a.try(t, 0)
				if err != nil {
					t.Fatal(err)
				}
				want, afresh := whole(t, source, Options{Format: o.Format, Compression: o.Compression, SliceRows: 1 << 40})
				got := a.parts[1].Bytes()
				if m.Rows != afresh.Rows || *m.Sum != *afresh.Sum || fmt.Sprint(deref(m.FirstKey), deref(m.LastKey)) != fmt.Sprint(deref(afresh.FirstKey), deref(afresh.LastKey)) {
					t.Errorf("%s: %+v, want %+v", o.Format, m, afresh)
				}
				if o.Format != Parquet && !bytes.Equal(content(t, o, got), content(t, o, want)) {
					t.Errorf("%s %s: the file has not what is there now", o.Format, o.Compression)
				}
			}
		})
	}
}

// TestWhatWasOpenMeanwhileIsSeen has a row change in a transaction that an attempt finds open, within a savepoint, whose
// number no snapshot tells of.
func TestWhatWasOpenMeanwhileIsSeen(t *testing.T) {
	t.Parallel()
	source := newCalls(t, 3000)
	open, err := source.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = open.Rollback(context.WithoutCancel(t.Context())) }()
	_, err = open.Exec(t.Context(), "select txid_current(); savepoint s; update calls set text = 'changed' where id = md5('70')::uuid; release s")
	if err != nil {
		t.Fatal(err)
	}
	source.exec(t, "update calls set text = 'changed, too' where id = md5('1400')::uuid") // the snapshot lies behind the savepoint
	a := attempts{source: source, o: Options{Format: CSV, SliceRows: 500}}
	before, _ := whole(t, source, a.o)
	if _, err := a.try(t, len(before)*4/5); !errors.Is(err, errCutOff) || len(a.slices) < 3 {
		t.Fatalf("%d slices were finished: %v", len(a.slices), err)
	}
	if err := open.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := a.try(t, 0); err != nil {
		t.Fatal(err)
	}
	if want, _ := whole(t, source, a.o); !bytes.Equal(a.parts[1].Bytes(), want) || bytes.Equal(want, before) {
		t.Error("a row is as it was before the transaction ended that changed it")
	}
}

// TestSlicesFromAnotherServerAreSaid has an attempt go on from what was read from another server, and so long ago that
// transactions have the numbers again that they had then.
func TestSlicesFromAnotherServerAreSaid(t *testing.T) {
	t.Parallel()
	source := newCalls(t, 2000)
	for name, change := range map[string]func(*Slice){
		"another server":      func(s *Slice) { s.Seen.Server += "0" },
		"too long ago":        func(s *Slice) { s.Seen.Before -= 1 << 31 },
		"as an older build's": func(s *Slice) { s.Seen = Seen{} },
	} {
		a := attempts{source: source, o: Options{Format: CSV, SliceRows: 500}}
		want, _ := whole(t, source, a.o)
		if _, err := a.try(t, len(want)*3/4); !errors.Is(err, errCutOff) {
			t.Fatal(err)
		}
		change(&a.slices[1])
		if _, err := a.try(t, 0); !errors.Is(err, ErrOutdated) {
			t.Errorf("%s: error %v, want ErrOutdated", name, err)
		}
	}
}

// TestSlicesOfAnotherFormAreSaid has a setting, or a column's type, change between two attempts.
func TestSlicesOfAnotherFormAreSaid(t *testing.T) {
	t.Parallel()
	source := newCalls(t, 3000)
	source.exec(t, "update calls set text = '=1+1' where text = ''")
	for name, tt := range map[string]struct {
		format Format
		change func(*Options)
	}{
		"the guard":  {CSV, func(o *Options) { o.FormulaGuard = true }},
		"the zone":   {JSON, func(o *Options) { o.Location = location(t, "Europe/Berlin") }},
		"the layout": {CSV, func(o *Options) { o.Layout.QuoteAll = true }},
		"durations": {CSV, func(o *Options) {
			o.Layout.Durations, o.Columns = DurationsMinutes, []Column{{Name: "at"}, {Name: "text"}, {Name: "n", Seconds: true}}
		}},
		"the packing":       {NDJSON, func(o *Options) { o.Compression = Gzip }},
		"the columns' name": {XML, func(o *Options) { o.Columns = []Column{{Name: "a", From: "at"}, {Name: "text"}, {Name: "n"}} }},
		"a column's type":   {Parquet, func(*Options) {}},
	} {
		o := Options{Format: tt.format, SliceRows: 500}
		before, _ := whole(t, source, o)
		a := attempts{source: source, o: o}
		if _, err := a.try(t, len(before)/2); !errors.Is(err, errCutOff) || len(a.slices) == 0 {
			t.Fatalf("%d slices, %v", len(a.slices), err)
		}
		tt.change(&a.o)
		if tt.format == Parquet {
			a.source = textual{source}
		}
		if _, err := a.try(t, 0); !errors.Is(err, ErrOutdated) {
			t.Errorf("%s is another now: error %v, want ErrOutdated", name, err)
		}
	}
}

// textual is calls with n as a text.
type textual struct{ calls }

func (c textual) Rows(s Span) (string, []any, error) {
	return "select at, text, n::text as n, id" + callsFrom + "order by at, id", []any{s.From, s.To}, nil
}

func deref(key []*string) (texts []string) {
	for _, text := range key {
		texts = append(texts, *text)
	}
	return texts
}

// TestDamagedPartsAreSaid has what an attempt wrote lost in part.
func TestDamagedPartsAreSaid(t *testing.T) {
	t.Parallel()
	source := newCalls(t, 5000)
	for _, o := range allForms() {
		for name, damage := range map[string]func(*cutOff){
			"a byte":   func(c *cutOff) { c.Bytes()[c.Len()/3]++ },
			"the rest": func(c *cutOff) { c.Truncate(c.Len() / 3) },
		} {
			a := attempts{source: source, o: o}
			want, _ := whole(t, source, o)
			if _, err := a.try(t, len(want)*2/3); !errors.Is(err, errCutOff) {
				t.Fatal(err)
			}
			damage(a.parts[0])
			if _, err := a.try(t, 0); !errors.Is(err, ErrDamaged) {
				t.Errorf("%s %s: %s is damaged: error %v", o.Format, o.Compression, name, err)
			}
		}
	}
}

// content is the file's content.
func content(t testing.TB, o Options, file []byte) []byte {
	t.Helper()
	content, err := io.ReadAll(unpack(t, o.Compression, bytes.NewReader(file)))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

package export

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestAnyHistory has rows change at random between attempts that are cut off at random, now through one connection and now
// through several: the file that comes of it holds what is there at the last.
func TestAnyHistory(t *testing.T) {
	t.Parallel()
	first := *seed
	if first == 0 {
		first = rand.Uint64N(1 << 32)
	}
	const histories = 25 // from the seed on
	source := newCalls(t, 0)
	for at := first; at < first+histories; at++ {
		random := rand.New(rand.NewPCG(at, 1))
		forms := allForms()
		o := forms[random.IntN(len(forms))]
		o.SliceRows = int64(1 + random.IntN(60))
		source.exec(t, "truncate calls")
		insertCalls(t, source, random, random.IntN(900))
		size := 0
		a := attempts{source: source, o: o}
		var said []string
		for range 1 + random.IntN(4) {
			a.o.Connections = 1 + 2*random.IntN(2)
			written, _ := freshly(t, source, o)
			size = len(written)
			if _, err := a.try(t, 1+random.IntN(size+size/4+1)); err != nil && !errors.Is(err, errCutOff) {
				t.Fatalf("seed %d, after %q: %v", at, said, err)
			}
			for range random.IntN(3) {
				said = append(said, changeCalls(t, source, random))
			}
		}
		m, err := a.try(t, 0)
		if err != nil {
			t.Fatalf("seed %d, after %q: %v", at, said, err)
		}
		got := a.parts[len(a.parts)-1].Bytes()
		want, afresh := freshly(t, source, o)
		same := o.Format == Parquet || bytes.Equal(unpackByProgram(t, o.Compression, got), unpackByProgram(t, o.Compression, want))
		if o.Format == Parquet {
			types, rows := readParquet(t, got)
			wantTypes, wantRows := readParquet(t, want)
			sameRows(t, fmt.Sprintf("seed %d: the columns", at), types, wantTypes)
			sameRows(t, fmt.Sprintf("seed %d, after %q", at, said), rows, wantRows)
		}
		if !same || m.Rows != afresh.Rows || *m.Sum != *afresh.Sum || fmt.Sprint(deref(m.FirstKey), deref(m.LastKey)) != fmt.Sprint(deref(afresh.FirstKey), deref(afresh.LastKey)) {
			t.Errorf("seed %d, %s %s, after %q: the file has not what is there now: %+v, want %+v", at, o.Format, o.Compression, said, m, afresh)
		}
	}
}

// freshly makes the file at one go.
func freshly(t testing.TB, source Source, o Options) ([]byte, Manifest) {
	t.Helper()
	a := attempts{source: source, o: o}
	m, err := a.try(t, 0)
	if err != nil {
		t.Fatal(err)
	}
	return a.parts[0].Bytes(), m
}

// insertCalls inserts calls, of which many have the same time.
func insertCalls(t testing.TB, source calls, random *rand.Rand, rows int) {
	t.Helper()
	source.exec(t, `insert into calls select md5(i || ' ' || $4::bigint)::uuid, timestamptz '2026-01-01 00:00+00' + $3::int * interval '1 second' + (i * $1::int / 1000) * interval '1 microsecond',
		case i % 4 when 0 then null when 1 then '' when 2 then repeat('é', i % 300) else md5((i + $1)::text) end, (i % 100) / 4.0 from generate_series(1, $2::int) i`,
		1+random.IntN(2000), rows, random.IntN(4), random.Int64())
}

// changeCalls changes something, and says what.
func changeCalls(t testing.TB, source calls, random *rand.Rand) string {
	t.Helper()
	some := fmt.Sprintf("at >= (select min(at) + (max(at) - min(at)) * %f from calls) and abs(hashtext(id::text)) %% 100 < %d", random.Float64(), random.IntN(100))
	switch random.IntN(6) {
	case 0:
		rows := 1 + random.IntN(300)
		insertCalls(t, source, random, rows)
		return fmt.Sprint("insert ", rows)
	case 1:
		insertCalls(t, source, random, 1)
		return "insert 1"
	case 2:
		source.exec(t, "delete from calls where "+some)
		return "delete where " + some
	case 3:
		source.exec(t, "delete from calls where at < (select min(at) + (max(at) - min(at)) / 2 from calls)")
		return "delete the first half"
	case 4:
		source.exec(t, "delete from calls")
		return "delete all"
	}
	source.exec(t, "update calls set text = coalesce(text, '') || 'x' where "+some)
	return "update where " + some
}

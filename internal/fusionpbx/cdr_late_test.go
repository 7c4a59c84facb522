package fusionpbx

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"trunkline/internal/pbxtest"
)

// CDRs from before a window are read with it, before its own, each once and marked; those that others have taken are not.
func TestLateCDRs(t *testing.T) {
	each(t, func(t *testing.T, p pbx) {
		domain := p.domain(t, "one.example", "true")
		begin := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		call := func(i int) string { return fmt.Sprintf("00000000-0000-4000-8000-0000000000%02d", i) }
		add := func(i int) {
			p.insert(t, "v_xml_cdr", row{"xml_cdr_uuid": call(i), "domain_uuid": domain, "start_stamp": begin.Add(time.Duration(i) * time.Hour).Format(time.RFC3339)})
		}
		for i := range 20 {
			add(i)
		}
		f := CDRFilter{
			DomainUUID: domain, Start: begin, End: begin.Add(14 * time.Hour), Columns: []string{"start_stamp", "xml_cdr_uuid", LateColumn, "call_disposition"},
			Late:   LateCDRs{UUIDs: []string{call(7), call(2), call(11)}, Before: begin.Add(10 * time.Hour)}, // 11 is of the window
			Except: []string{call(12)},
		}
		sql, args, err := p.CDRQuery(f)
		pbxtest.Must(t, err)
		rows, err := p.conn.Query(t.Context(), sql, args...)
		pbxtest.Must(t, err)
		var got []string
		for rows.Next() {
			values, err := rows.Values()
			pbxtest.Must(t, err)
			got = append(got, fmt.Sprint(uuid.UUID(values[1].([16]byte)), " ", values[2]))
		}
		pbxtest.Must(t, rows.Err())
		if want := []string{call(2) + " true", call(7) + " true", call(10) + " false", call(11) + " false", call(13) + " false"}; !slices.Equal(got, want) {
			t.Errorf("read %v, want %v", got, want)
		}
		for n, want := range map[int64]int{1: 2, 2: 7, 3: 10, 5: 13} {
			sql, args, err := p.NthCDRQuery(f, n)
			pbxtest.Must(t, err)
			var at time.Time
			if err := p.conn.QueryRow(t.Context(), sql, args...).Scan(&at); err != nil || !at.Equal(begin.Add(time.Duration(want)*time.Hour)) {
				t.Errorf("number %d is of %v, %v; want that of hour %d", n, at, err, want)
			}
		}
		for n, want := range map[int64]bool{4: true, 5: false} {
			if more, err := p.MoreCDRsThan(t.Context(), f, n); err != nil || more != want {
				t.Errorf("more than %d: %v, %v", n, more, err)
			}
		}
		spans, err := p.CompareCDRs(t.Context(), f, []CDRSpan{{Start: begin}, {Start: begin.Add(5 * time.Hour)}, {Start: begin.Add(11 * time.Hour)}})
		pbxtest.Must(t, err)
		if len(spans) != 3 || spans[0].CDRs != 1 || spans[1].CDRs != 2 || spans[2].CDRs != 2 {
			t.Errorf("the spans hold %v", spans)
		}
	})
}

// Newer CDRs are those that were written since, also in a transaction that was open then, and when they are marked as old.
func TestNewerCDRs(t *testing.T) {
	each(t, func(t *testing.T, p pbx) {
		domain, other := p.domain(t, "one.example", "true"), p.domain(t, "two.example", "true")
		begin := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		call := func(i int) string { return fmt.Sprintf("00000000-0000-4000-8000-0000000000%02d", i) }
		add := func(i int, domain string) {
			p.insert(t, "v_xml_cdr", row{"xml_cdr_uuid": call(i), "domain_uuid": domain, "start_stamp": begin.Add(time.Duration(i) * time.Hour).Format(time.RFC3339)})
		}
		for i := range 5 {
			add(i, domain)
		}
		txid := func(of string) (number int64) {
			pbxtest.Must(t, p.conn.QueryRow(t.Context(), "select txid_snapshot_"+of+"(txid_current_snapshot())").Scan(&number))
			return number
		}
		written := txid("xmax")
		pbxtest.Eventually(t, "no older transaction is open", func() bool { return txid("xmin") >= written })
		before := txid("xmin")
		want := func(when string, f CDRFilter, all bool, want ...int) {
			t.Helper()
			found, err := p.NewerCDRs(t.Context(), f, before, all)
			pbxtest.Must(t, err)
			var got, calls []string
			for _, c := range found {
				got = append(got, uuid.UUID(c.UUID).String()+" "+c.DomainUUID)
			}
			for _, i := range want {
				of := domain
				if i == 9 {
					of = other
				}
				calls = append(calls, call(i)+" "+of)
			}
			if !slices.Equal(got, calls) {
				t.Errorf("%s: got %v, want %v", when, got, calls)
			}
		}
		f := CDRFilter{DomainUUID: domain, Start: begin, End: begin.Add(10 * time.Hour)}
		want("nothing is new", f, false)
		want("whoever wrote them", f, true, 0, 1, 2, 3, 4)
		add(6, domain)
		add(9, other)
		add(11, domain) // of another window
		p.exec(t, "begin; savepoint s; update v_xml_cdr set direction = 'outbound' where xml_cdr_uuid = '"+call(3)+"'; release s; commit")
		want("one has come and one has changed", f, false, 3, 6)
		ofAll := f
		ofAll.All, ofAll.DomainUUID = true, ""
		want("of all domains", ofAll, false, 3, 6, 9)
		p.exec(t, "vacuum freeze v_xml_cdr")
		want("rows are marked as old", f, false, 3, 6)
	})
}

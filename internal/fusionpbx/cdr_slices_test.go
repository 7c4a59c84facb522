package fusionpbx

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"trunkline/internal/pbxtest"
)

// CDRs are newer in the spans in which one was written since, also in a transaction that was open, and in no other.
func TestCompareCDRs(t *testing.T) {
	each(t, func(t *testing.T, p pbx) {
		domain := p.domain(t, "one.example", "true")
		begin := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		call := func(i int) string { return fmt.Sprintf("00000000-0000-4000-8000-0000000000%02d", i) }
		add := func(i int) {
			p.insert(t, "v_xml_cdr", row{"xml_cdr_uuid": call(i), "domain_uuid": domain, "start_stamp": begin.Add(time.Duration(i) * time.Hour).Format(time.RFC3339)})
		}
		for i := range 40 {
			add(i)
		}
		txid := func(of string) (number int64) {
			pbxtest.Must(t, p.conn.QueryRow(t.Context(), "select txid_snapshot_"+of+"(txid_current_snapshot())").Scan(&number))
			return number
		}
		written := txid("xmax")
		pbxtest.Eventually(t, "no older transaction is open", func() bool { return txid("xmin") >= written })
		spans := make([]CDRSpan, 4) // of ten calls each
		for i := range spans {
			spans[i] = CDRSpan{Start: begin.Add(time.Duration(10*i) * time.Hour), Before: txid("xmin")}
		}
		want := func(when string, want ...CDRsOfSpan) {
			t.Helper()
			got, err := p.CompareCDRs(t.Context(), CDRFilter{DomainUUID: domain, Start: begin, End: begin.Add(40 * time.Hour)}, spans)
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%s: got %v, %v; want %v", when, got, err, want)
			}
		}
		want("nothing has changed", CDRsOfSpan{10, false}, CDRsOfSpan{10, false}, CDRsOfSpan{10, false}, CDRsOfSpan{10, false})
		p.exec(t, "begin; savepoint s; update v_xml_cdr set direction = 'outbound' where xml_cdr_uuid = '"+call(5)+"'; release s; commit")
		p.exec(t, "delete from v_xml_cdr where xml_cdr_uuid = '"+call(15)+"'")
		p.exec(t, "delete from v_xml_cdr where xml_cdr_uuid = '"+call(25)+"'")
		add(25)
		want("a call has changed, one has gone, and one has come anew", CDRsOfSpan{10, true}, CDRsOfSpan{9, false}, CDRsOfSpan{10, true}, CDRsOfSpan{10, false})
		p.exec(t, "delete from v_xml_cdr where start_stamp >= '"+begin.Add(30*time.Hour).Format(time.RFC3339)+"'")
		want("a span is empty", CDRsOfSpan{10, true}, CDRsOfSpan{9, false}, CDRsOfSpan{10, true}, CDRsOfSpan{})
		p.exec(t, "vacuum freeze v_xml_cdr")
		want("rows are marked as old", CDRsOfSpan{10, true}, CDRsOfSpan{9, false}, CDRsOfSpan{10, true}, CDRsOfSpan{})
	})
}

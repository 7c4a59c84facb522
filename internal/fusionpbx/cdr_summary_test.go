package fusionpbx

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/pbxtest/servers"
)

func TestSumUpCDRs(t *testing.T) {
	each(t, func(t *testing.T, p pbx) {
		start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		noon, end := start.Add(12*time.Hour), start.AddDate(0, 0, 1)
		one, two := p.domain(t, "One.example", "true"), p.domain(t, "two.example", "true")
		deleted := uuid.NewString()
		call := func(domain, direction, leg, cause, answered, billsec string, at time.Time) {
			t.Helper()
			p.insert(t, "v_xml_cdr", row{"xml_cdr_uuid": uuid.NewString(), "domain_uuid": domain, "direction": direction, "leg": leg,
				"hangup_cause": cause, "answer_epoch": answered, "billsec": billsec, "start_stamp": at.Format(time.RFC3339Nano)})
		}
		const clear, up = "NORMAL_CLEARING", "1772323200"
		call(one, "inbound", "a", clear, up, "60", start)                       // the first moment is in it
		call(one, "outbound", "a", clear, up, "30", noon.Add(-time.Nanosecond)) // which the database takes for noon
		call(one, "outbound", "NULL", "NULL", up, "5", noon)                    // a CDR without a leg and a cause
		call(one, "inbound", "a", "USER_BUSY", "0", "0", end.Add(-time.Second)) // not answered
		call(one, "NULL", "a", "USER_BUSY", "NULL", "NULL", start)              //
		call(one, "inbound", "b", clear, up, "61", start)                       // the other leg of a call
		call(one, "inbound", "b", "LOSE_RACE", "0", "0", start)                 // answered elsewhere
		call(one, "inbound", "a", "LOSE_RACE", "0", "0", start)                 //
		call(one, "inbound", "a", clear, up, "1000", end)                       // after the span
		call(one, "inbound", "a", clear, up, "1000", start.Add(-time.Second))   // before it
		call(two, "outbound", "a", clear, up, "3", start)                       // another's
		call("NULL", "outbound", "a", clear, up, "7", start)                    // nobody's
		call(deleted, "local", "a", clear, up, "9", start)                      // of a domain that was deleted

		halves := []time.Time{start, noon}
		only := CDRFilter{DomainUUID: one, Start: start, End: end}
		all := CDRFilter{All: true, Start: start, End: end}
		of := func(f CDRFilter, c CDRChoice) CDRFilter {
			f.Choice = c
			return f
		}
		for name, c := range map[string]struct {
			ask  CDRSummary
			want []CDRGroup
		}{
			"of one domain":   {CDRSummary{CDRFilter: only}, []CDRGroup{{Calls: 5, Answered: 3, Seconds: 95}}},
			"of all":          {CDRSummary{CDRFilter: all}, []CDRGroup{{Calls: 8, Answered: 6, Seconds: 114}}},
			"every row":       {CDRSummary{CDRFilter: only, EveryRow: true}, []CDRGroup{{Calls: 8, Answered: 4, Seconds: 156}}},
			"leg b":           {CDRSummary{CDRFilter: of(only, CDRChoice{Leg: "b"})}, []CDRGroup{{Calls: 1, Answered: 1, Seconds: 61}}},
			"the losers":      {CDRSummary{CDRFilter: of(only, CDRChoice{HangupCauses: []string{"LOSE_RACE", "USER_BUSY"}})}, []CDRGroup{{Calls: 4}}},
			"leg b's":         {CDRSummary{CDRFilter: of(only, CDRChoice{Leg: "b", HangupCauses: []string{"LOSE_RACE"}})}, []CDRGroup{{Calls: 1}}},
			"FusionPBX's own": {CDRSummary{CDRFilter: of(all, CDRChoice{Page: true})}, []CDRGroup{{Calls: 5, Answered: 3, Seconds: 93}}},
			"answered ones":   {CDRSummary{CDRFilter: of(only, CDRChoice{Answered: true})}, []CDRGroup{{Calls: 3, Answered: 3, Seconds: 95}}},
			"none":            {CDRSummary{CDRFilter: of(only, CDRChoice{Directions: []string{"local"}})}, nil},
			"by time": {CDRSummary{CDRFilter: only, Starts: halves}, []CDRGroup{
				{Calls: 2, Answered: 1, Seconds: 60}, {Period: 1, Calls: 3, Answered: 2, Seconds: 35}}},
			"by domain": {CDRSummary{CDRFilter: all, ByDomain: true}, []CDRGroup{
				{DomainUUID: one, Domain: "One.example", Calls: 5, Answered: 3, Seconds: 95}, {DomainUUID: two, Domain: "two.example", Calls: 1, Answered: 1, Seconds: 3},
				{DomainUUID: deleted, Calls: 1, Answered: 1, Seconds: 9}, {Calls: 1, Answered: 1, Seconds: 7}}},
			"by direction": {CDRSummary{CDRFilter: only, ByDirection: true}, []CDRGroup{
				{Calls: 1}, {Direction: "inbound", Calls: 2, Answered: 1, Seconds: 60}, {Direction: "outbound", Calls: 2, Answered: 2, Seconds: 35}}},
			"by time and cause": {CDRSummary{CDRFilter: only, Starts: halves, ByCause: true}, []CDRGroup{
				{Cause: clear, Calls: 1, Answered: 1, Seconds: 60}, {Cause: "USER_BUSY", Calls: 1},
				{Period: 1, Calls: 1, Answered: 1, Seconds: 5}, {Period: 1, Cause: clear, Calls: 1, Answered: 1, Seconds: 30}, {Period: 1, Cause: "USER_BUSY", Calls: 1}}},
			"by time, and by cause apart": {CDRSummary{CDRFilter: only, Starts: halves, ByCause: true, Apart: true}, []CDRGroup{
				{MadeBy: "period", Calls: 2, Answered: 1, Seconds: 60}, {MadeBy: "period", Period: 1, Calls: 3, Answered: 2, Seconds: 35},
				{MadeBy: "cause", Period: -1, Calls: 1, Answered: 1, Seconds: 5}, {MadeBy: "cause", Period: -1, Cause: clear, Calls: 2, Answered: 2, Seconds: 90},
				{MadeBy: "cause", Period: -1, Cause: "USER_BUSY", Calls: 2}}},
			"by domain, and by direction apart": {CDRSummary{CDRFilter: of(all, CDRChoice{Answered: true, MinBillsec: 7}), ByDomain: true, ByDirection: true, Apart: true}, []CDRGroup{
				{MadeBy: "domain_uuid", DomainUUID: one, Domain: "One.example", Calls: 2, Answered: 2, Seconds: 90},
				{MadeBy: "domain_uuid", DomainUUID: deleted, Calls: 1, Answered: 1, Seconds: 9},
				{MadeBy: "direction", Direction: "inbound", Calls: 1, Answered: 1, Seconds: 60}, {MadeBy: "direction", Direction: "local", Calls: 1, Answered: 1, Seconds: 9},
				{MadeBy: "direction", Direction: "outbound", Calls: 2, Answered: 2, Seconds: 37}, {MadeBy: "domain_uuid", Calls: 1, Answered: 1, Seconds: 7}}},
			"up to a limit": {CDRSummary{CDRFilter: only, ByDirection: true, Limit: 1}, []CDRGroup{{Calls: 1}}},
		} {
			if c.ask.Limit == 0 {
				c.ask.Limit = 100
			}
			if got, err := p.SumUpCDRs(t.Context(), c.ask); err != nil || !slices.Equal(got, c.want) {
				t.Errorf("%s: got %+v, %v\nwant %+v", name, got, err, c.want)
			}
		}
		if _, err := p.SumUpCDRs(t.Context(), CDRSummary{CDRFilter: CDRFilter{Start: start, End: end}, Limit: 1}); err == nil {
			t.Error("a filter that is neither for all domains nor for one was taken")
		}
	})
}

// Columns that an upgrade left as text are read as numbers, and those that are not there as if empty.
func TestSumUpOddColumns(t *testing.T) {
	t.Parallel()
	p := open(t, sample.V54, servers.WithTextColumn("v_xml_cdr", "billsec"), servers.WithTextColumn("v_xml_cdr", "answer_epoch"), servers.WithTextColumn("v_xml_cdr", "duration"))
	domain := p.domain(t, "one.example", "true")
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, billsec := range []string{"60", " 5 ", "", "NULL"} {
		p.insert(t, "v_xml_cdr", row{"xml_cdr_uuid": uuid.NewString(), "domain_uuid": domain, "direction": "inbound", "leg": "a",
			"answer_epoch": billsec, "billsec": billsec, "duration": billsec, "start_stamp": at.Format(time.RFC3339)})
	}
	filter := CDRFilter{All: true, Start: at, End: at.Add(time.Hour)}
	ask := CDRSummary{CDRFilter: filter, ByDirection: true, ByCause: true, Limit: 9}
	want := []CDRGroup{{Direction: "inbound", Calls: 4, Answered: 2, Seconds: 65}}
	if got, err := p.SumUpCDRs(t.Context(), ask); err != nil || !slices.Equal(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	for _, column := range []string{"answer_epoch", "leg", "hangup_cause", "direction", "end_stamp"} {
		p.exec(t, "alter table v_xml_cdr drop column "+column)
	}
	db, err := Probe(t.Context(), p.conn)
	if err != nil {
		t.Fatal(err)
	}
	want[0].Direction = ""
	if got, err := db.SumUpCDRs(t.Context(), ask); err != nil || !slices.Equal(got, want) {
		t.Errorf("without those columns: got %+v, %v; want %+v", got, err, want)
	}
	if got, err := db.CDRPeaks(t.Context(), filter, []time.Time{at}, false, 9); err != nil || len(got) != 1 || got[0].Channels != 2 {
		t.Errorf("without those columns: the peaks are %+v, %v", got, err)
	}
}

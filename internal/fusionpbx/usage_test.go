package fusionpbx

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/pbxtest/servers"
	"trunkline/internal/tenant"
)

func TestUsage(t *testing.T) {
	each(t, func(t *testing.T, p pbx) {
		start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		end := start.AddDate(0, 1, 0)
		busy, idle, other := p.domain(t, "busy.example", "true"), p.domain(t, "Idle.example", "false"), p.domain(t, "other.example", "true")
		call := func(domain, direction, leg, cause, answered, billsec string, at time.Time) {
			t.Helper()
			p.insert(t, "v_xml_cdr", row{"xml_cdr_uuid": uuid.NewString(), "domain_uuid": domain, "direction": direction, "leg": leg,
				"hangup_cause": cause, "answer_epoch": answered, "billsec": billsec, "start_stamp": at.Format(time.RFC3339Nano)})
		}
		const clear, up = "NORMAL_CLEARING", "1772323200"
		call(busy, "inbound", "a", clear, up, "60", start)                            // the first moment is in it
		call(busy, "outbound", "a", clear, up, "30", end.Add(-time.Microsecond))      // and the last
		call(busy, "outbound", "NULL", "NULL", up, "5", start.Add(time.Hour))         // a CDR without a leg and a cause
		call(busy, "local", "a", clear, up, "7", start.Add(time.Hour))                //
		call(busy, "NULL", "a", clear, up, "11", start.Add(time.Hour))                // no direction
		call(busy, "fax", "a", clear, up, "13", start.Add(time.Hour))                 // one that FusionPBX does not know
		call(busy, "inbound", "a", "NO_ANSWER", "0", "0", start.Add(time.Hour))       // not answered
		call(busy, "inbound", "a", "NO_ANSWER", "NULL", "NULL", start)                //
		call(busy, "inbound", "a", clear, up, "0", start.Add(time.Hour))              // answered, for less than a second
		call(busy, "inbound", "b", clear, up, "60", start.Add(time.Hour))             // the other leg of a call
		call(busy, "inbound", "a", "LOSE_RACE", "0", "0", start.Add(time.Hour))       // answered elsewhere
		call(busy, "inbound", "a", clear, up, "1000", end)                            // after the span
		call(busy, "inbound", "a", clear, up, "1000", start.Add(-time.Second))        // before it
		call(other, "outbound", "a", clear, up, "3", start.Add(time.Hour))            // another's
		call("NULL", "outbound", "a", clear, up, "1000", start.Add(time.Hour))        // nobody's
		call(uuid.NewString(), "local", "a", clear, up, "1000", start.Add(time.Hour)) // of a domain that was deleted
		for _, number := range []string{"1001", "1002"} {
			p.extension(t, idle, number, "", "false")
		}
		p.extension(t, busy, "1001", "", "true")
		for _, domain := range []string{busy, busy, "NULL"} {
			p.insert(t, "v_gateways", row{"gateway_uuid": uuid.NewString(), "domain_uuid": domain, "gateway": "x", "enabled": "true"})
		}

		wantBusy := DomainUsage{"busy.example", busy, 9, 7, Billed{Inbound: 60, Outbound: 35, Local: 7, Other: 24}, 1, 2}
		wantIdle := DomainUsage{"Idle.example", idle, 0, 0, Billed{}, 2, 0}
		wantOther := DomainUsage{"other.example", other, 1, 1, Billed{Outbound: 3}, 0, 0}
		for name, c := range map[string]struct {
			filter UsageFilter
			want   []DomainUsage
		}{
			"all":     {UsageFilter{Domains: tenant.All}, []DomainUsage{wantBusy, wantIdle, wantOther}},
			"some":    {UsageFilter{Domains: tenant.Only(tenant.Domain{UUID: other}, tenant.Domain{UUID: idle})}, []DomainUsage{wantIdle, wantOther}},
			"one":     {UsageFilter{Domains: tenant.Only(tenant.Domain{UUID: busy})}, []DomainUsage{wantBusy}},
			"none":    {UsageFilter{}, nil},
			"unknown": {UsageFilter{Domains: tenant.Only(tenant.Domain{UUID: uuid.NewString()})}, nil},
		} {
			c.filter.Start, c.filter.End = start, end
			got, err := p.Usage(t.Context(), c.filter)
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("%s: got %+v, %v\nwant %+v", name, got, err, c.want)
			}
		}
	})
}

// Columns that an upgrade left as text are read as numbers, and those that are not there as if empty.
func TestUsageOfOddColumns(t *testing.T) {
	t.Parallel()
	p := open(t, sample.V54, servers.WithTextColumn("v_xml_cdr", "billsec"), servers.WithTextColumn("v_xml_cdr", "answer_epoch"))
	domain := p.domain(t, "one.example", "true")
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, billsec := range []string{"60", " 5 ", "", "NULL"} {
		p.insert(t, "v_xml_cdr", row{"xml_cdr_uuid": uuid.NewString(), "domain_uuid": domain, "direction": "inbound", "leg": "a",
			"answer_epoch": billsec, "billsec": billsec, "start_stamp": at.Format(time.RFC3339)})
	}
	filter := UsageFilter{Domains: tenant.All, Start: at, End: at.Add(time.Hour)}
	want := []DomainUsage{{"one.example", domain, 4, 2, Billed{Inbound: 65}, 0, 0}}
	if got, err := p.Usage(t.Context(), filter); err != nil || !slices.Equal(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	for _, column := range []string{"answer_epoch", "leg", "hangup_cause", "direction"} {
		p.exec(t, "alter table v_xml_cdr drop column "+column)
	}
	db, err := Probe(t.Context(), p.conn)
	if err != nil {
		t.Fatal(err)
	}
	want[0].Seconds = Billed{Other: 65}
	if got, err := db.Usage(t.Context(), filter); err != nil || !slices.Equal(got, want) {
		t.Errorf("without those columns: got %+v, %v; want %+v", got, err, want)
	}
}

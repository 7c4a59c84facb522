package api_test

import (
	"net/http"
	"testing"
)

// What an export holds is counted, as far as that is little; beyond that it is estimated, and said to be.
func TestEstimate(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 120, now: newest, noWorker: true})
	const path = "/v1/cdr/estimate?date_start=2024-05-01&date_end=2024-06-30"
	estimated := func(c call) (rows float64, exact bool) {
		t.Helper()
		got := b.do(t, c).want(t, http.StatusOK, "").decode(t)
		rows, _ = got["rows"].(float64)
		exact, _ = got["exact"].(bool)
		return rows, exact
	}
	own := b.count(t, "select count(*) from v_xml_cdr where domain_uuid = $1", b.ownDomain().UUID)
	inbound := b.count(t, "select count(*) from v_xml_cdr where domain_uuid = $1 and direction = 'inbound'", b.ownDomain().UUID)
	for query, want := range map[string]int{"": own, "&direction=inbound": inbound, "&template=cgrates": own, "&caller_prefix=none": 0} {
		if rows, exact := estimated(b.asAdmin(call{path: path + query})); int(rows) != want || !exact {
			t.Errorf("%q: got %v, exact: %t, want %d", query, rows, exact, want)
		}
	}
	if rows, exact := estimated(b.asSuperadmin(call{path: path})); rows != 120 || !exact {
		t.Errorf("of all: got %v, exact: %t", rows, exact)
	}
	b.do(t, b.asAdmin(call{path: path + "&tenant_domain=" + b.foreign().Name})).want(t, http.StatusForbidden, "")
	b.do(t, b.asAdmin(call{path: path + "&columns=odd"})).want(t, http.StatusBadRequest, "").says(t, "columns")
	b.do(t, b.asAdmin(call{path: "/v1/cdr/estimate"})).want(t, http.StatusBadRequest, "missing_parameters").says(t, "date_start")
	b.exec(t, `insert into v_xml_cdr (xml_cdr_uuid, domain_uuid, start_stamp)
		select gen_random_uuid(), $1, '2024-06-01 12:00:00+00' from generate_series(1, 50000)`, b.ownDomain().UUID)
	b.exec(t, "analyze v_xml_cdr")
	if rows, exact := estimated(b.asAdmin(call{path: path})); exact || rows < 25_000 || rows > 100_000 {
		t.Errorf("of many: got %v, exact: %t", rows, exact)
	}
}

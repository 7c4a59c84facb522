package api_test

import (
	"net/http"
	"strings"
	"testing"
)

// Whatever a database says stays in the log: no answer, and no job, has its text.
func TestNoAnswerHoldsADatabasesText(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sql  string
		asks []string // which of the calls have to fail
	}{
		"a column of another type": {"alter table v_gateways alter enabled type bytea using null", []string{"provision"}},
		"a column that is gone":    {"alter table v_gateways rename realm to hidden_realm; alter table v_domains rename domain_enabled to hidden_enabled", nil},
		"tables that are gone":     {"alter table v_extensions rename to hidden_extensions; alter table v_sip_profiles rename to hidden_profiles", []string{"check", "status", "registrations"}},
		"a table of calls gone":    {"alter table v_xml_cdr rename to hidden_cdr", []string{"usage", "export"}},
		"a constraint":             {"alter table v_gateways add constraint hidden_constraint check (gateway <> 'provoked')", []string{"provision"}},
		"a trigger that refuses": {`create function hidden() returns trigger language plpgsql as $$ begin raise exception 'hidden text'; end $$;
			create trigger hidden before insert on v_gateways for each row execute function hidden()`, []string{"provision"}},
		"a value that is too long": {"alter table v_gateways alter gateway type character varying(3) using left(gateway, 3)", []string{"provision"}},
		"a table of ours gone":     {"alter table trunkline.jobs rename to hidden_jobs", []string{"provision", "jobs"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{})
			calls := map[string]call{
				"provision":     b.asSuperadmin(call{path: provisionPath, form: carrier("provoked")}),
				"list":          b.asSuperadmin(call{path: listPath}),
				"delete":        b.asSuperadmin(call{method: http.MethodDelete, path: "/v1/gateways/" + b.sample.Gateways[0].UUID}),
				"status":        b.asSuperadmin(call{path: statusPath}),
				"registrations": b.asSuperadmin(call{path: "/v1/registrations"}),
				"check":         b.check("1001", 0),
				"usage":         b.asSuperadmin(call{path: "/v1/usage?date_start=2026-01-01&date_end=2026-01-02"}),
				"export":        b.asSuperadmin(call{path: "/app/xml_cdr/export_cdr.php", form: form("date_start", "2026-01-01", "date_end", "2026-01-02", "format", "csv")}),
				"jobs":          b.asSuperadmin(call{path: "/v1/jobs"}),
				"tokens":        b.asSuperadmin(call{path: "/v1/tokens"}),
				"whitelist":     b.asSuperadmin(call{path: "/v1/whitelist"}),
				"ready":         {path: "/readyz"},
			}
			b.exec(t, c.sql)
			failed := map[string]bool{}
			for name, call := range calls {
				got := b.do(t, call)
				failed[name] = got.status >= 500 || got.status == http.StatusAccepted
				b.wantNoDatabasesText(t, name, got.body)
			}
			for _, name := range c.asks {
				if !failed[name] {
					t.Errorf("%s did not fail, so that nothing is shown by it", name)
				}
			}
			b.wantNoDatabasesText(t, "the jobs", b.do(t, calls["jobs"]).body)
		})
	}
}

func (b *bundle) wantNoDatabasesText(t *testing.T, name, body string) {
	t.Helper()
	for _, words := range []string{"hidden", "v_xml_cdr", "v_domains", "SQLSTATE", "ERROR:", "relation", "violates", "expression is of type"} {
		if strings.Contains(body, words) {
			t.Errorf("%s: the answer has %q: %s", name, words, body)
		}
	}
}

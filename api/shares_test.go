package api_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"

	"trunkline/internal/config"
	"trunkline/internal/pbxtest"
)

// However much the database has to do for a domain, that holds few of its connections: a registration is checked
// meanwhile, and another domain's requests get theirs.
func TestADomainsFloodLeavesConnections(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		table string
		call  call
		share int // of the four connections
	}{
		"usage":        {"v_xml_cdr", call{path: usagePath + "date_start=2024-06-08&date_end=2024-06-12"}, 2},
		"provisioning": {"v_gateways", call{path: provisionPath, form: carrier("flood")}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{noWorker: true, settings: func(s *config.Settings) { s.CDRReads, s.JobRequests = 4, 4 }})
			flood, stop := context.WithCancel(t.Context())
			var callers sync.WaitGroup
			defer callers.Wait() // the last: what has begun ends when the table is free
			defer stop()
			lock, err := b.pool.Begin(t.Context())
			must(t, err)
			defer func() { must(t, lock.Rollback(context.WithoutCancel(t.Context()))) }()
			_, err = lock.Exec(t.Context(), "lock table "+c.table)
			must(t, err)
			working := func() (n int) {
				must(t, lock.QueryRow(t.Context(), "select count(*) from pg_locks where not granted and relation = $1::regclass", c.table).Scan(&n))
				return n
			}
			ask := func(as func(call) call) {
				req := as(c.call).request().WithContext(flood)
				callers.Go(func() { b.server.Handler().ServeHTTP(httptest.NewRecorder(), req) })
			}
			for range 20 {
				ask(b.asAdmin)
			}
			pbxtest.Eventually(t, "the domain has its share", func() bool { return working() == c.share })
			extension := b.sample.Extensions(1)[0]
			b.do(t, b.asSuperadmin(call{path: "/app/registrations/check_registration.php", form: url.Values{
				"extension": {extension.Number}, "tenant_domain": {extension.Domain},
			}})).want(t, http.StatusOK, "")
			if n := working(); n != c.share {
				t.Errorf("one domain holds %d of 4", n)
			}
			ask(b.asSuperadmin)
			pbxtest.Eventually(t, "another has its turn too", func() bool { return working() == c.share+1 })
		})
	}
}

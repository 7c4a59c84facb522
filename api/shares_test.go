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

// However many of a domain's questions about usage the database is busy with, they hold few of its connections: a
// registration is checked meanwhile, and another domain's usage is read.
func TestReadingCDRsLeavesConnections(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true, settings: func(s *config.Settings) { s.CDRReads = 4 }})
	extension := b.sample.Extensions(1)[0]
	lock, err := b.pool.Begin(t.Context())
	must(t, err)
	defer func() { must(t, lock.Rollback(context.WithoutCancel(t.Context()))) }()
	_, err = lock.Exec(t.Context(), "lock table v_xml_cdr")
	must(t, err)
	reading := func() (n int) {
		must(t, lock.QueryRow(t.Context(), "select count(*) from pg_locks where not granted and relation = 'v_xml_cdr'::regclass").Scan(&n))
		return n
	}
	flood, stop := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	defer callers.Wait()
	defer stop()
	ask := func(as func(call) call) {
		req := as(call{path: usagePath + "date_start=2024-06-08&date_end=2024-06-12"}).request().WithContext(flood)
		callers.Go(func() { b.server.Handler().ServeHTTP(httptest.NewRecorder(), req) })
	}
	for range 20 {
		ask(b.asAdmin)
	}
	pbxtest.Eventually(t, "the domain has its share", func() bool { return reading() == 2 })
	b.do(t, b.asSuperadmin(call{path: "/app/registrations/check_registration.php", form: url.Values{
		"extension": {extension.Number}, "tenant_domain": {extension.Domain},
	}})).want(t, http.StatusOK, "")
	if n := reading(); n != 2 {
		t.Errorf("one domain has %d readings of 4", n)
	}
	ask(b.asSuperadmin)
	pbxtest.Eventually(t, "another reads too", func() bool { return reading() == 3 })
}

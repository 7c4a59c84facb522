package main

import (
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
)

// emptied is a database without a table.
func emptied(t *testing.T) (url string, conn *pgx.Conn) {
	t.Helper()
	url = pbxtest.Database(t, sample.V55)
	conn, err := pgx.Connect(t.Context(), url)
	must(t, err)
	t.Cleanup(func() { must(t, conn.Close(t.Context())) })
	_, err = conn.Exec(t.Context(), `do $$ declare t text; begin
		for t in select tablename from pg_tables where schemaname = 'public' loop execute format('drop table %I cascade', t); end loop; end $$`)
	must(t, err)
	return url, conn
}

// As docker-compose runs them: the demo PBX and what waits for it start together, and it comes again.
func TestDemoPBXBesideTheOthers(t *testing.T) {
	t.Parallel()
	url, conn := emptied(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	addr := listener.Addr().String()
	must(t, listener.Close())
	args := []string{"demo-pbx", "--database", url, "--listen", addr}
	ask := func() result { return runHere(t, nil, append(args, "--ask")...) }
	if got := ask(); got.status != 1 {
		t.Fatalf("before it runs: %s", got)
	}
	key := filepath.Join(t.TempDir(), "secret.key")
	migrated := make(chan result, 1)
	go func() {
		migrated <- runHere(t, []string{"TRUNKLINE_DATABASE_URL=" + url, "TRUNKLINE_SECRET_KEY=" + key}, "migrate", "--key", "--wait", "1m")
	}()
	startPBX := func() *process {
		proc := &process{cmd: exec.Command(program, args...), log: &pbxtest.LogBuffer{}}
		proc.cmd.Stdout, proc.cmd.Stderr = proc.log, proc.log
		must(t, proc.cmd.Start())
		t.Cleanup(proc.kill)
		pbxtest.Eventually(t, "it works", func() bool { return ask().status == 0 })
		return proc
	}
	first := startPBX()
	if got := <-migrated; got.status != 0 || !strings.Contains(got.out, "schema trunkline") {
		t.Errorf("migrate --wait: %s", got)
	}
	if got := runHere(t, []string{"TRUNKLINE_DATABASE_URL=" + url, "TRUNKLINE_SECRET_KEY=" + key}, "migrate", "--key"); got.status != 0 {
		t.Errorf("a second time: %s", got)
	}
	if got := runHere(t, []string{"TRUNKLINE_DATABASE_URL=" + url, "TRUNKLINE_SECRET_KEY=" + key + ".none"}, "migrate", "--key"); got.status == 0 || !strings.Contains(got.err, "TRUNKLINE_SECRET_KEY") {
		t.Errorf("a second key: %s", got)
	}
	count := func() (calls int) {
		must(t, conn.QueryRow(t.Context(), "select count(*) from v_xml_cdr").Scan(&calls))
		return calls
	}
	if got := count(); got != sample.Demo.CDRs {
		t.Errorf("%d CDRs are loaded", got)
	}
	first.kill()
	second := startPBX()
	if got := count(); got != sample.Demo.CDRs || strings.Contains(second.log.String(), "loaded") {
		t.Errorf("the second time: %d CDRs, %s", got, second.log)
	}
	second.kill()
	_, err = conn.Exec(t.Context(), "drop table v_gateways; comment on schema public is '"+loadingMark+"'")
	must(t, err)
	if third := startPBX(); !strings.Contains(third.log.String(), "loaded") || count() != sample.Demo.CDRs {
		t.Errorf("after one that was loaded halfway: %s", third.log)
	}
}

func TestDemoPBXTouchesNothingThatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	url := pbxtest.Database(t, sample.V55)
	got := runHere(t, nil, "demo-pbx", "--database", url)
	if got.status != 1 || !strings.Contains(got.err, "empty database") {
		t.Fatalf("got %s", got)
	}
	conn, err := pgx.Connect(t.Context(), url)
	must(t, err)
	defer conn.Close(t.Context())
	var users int
	must(t, conn.QueryRow(t.Context(), "select count(*) from v_users").Scan(&users))
	if users != 0 {
		t.Errorf("it made %d users", users)
	}
}

func TestMigrateWaitsNoLongerThanItIsTold(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"migrate"}, {"migrate", "--wait", "10ms"}} {
		got := runHere(t, []string{"TRUNKLINE_DATABASE_URL=postgres://u:Geheim77@127.0.0.1:1/x"}, args...)
		if got.status != 1 || !strings.Contains(got.err, "TRUNKLINE_DATABASE_URL") || strings.Contains(got.err, "Geheim77") {
			t.Errorf("%v: %s", args, got)
		}
	}
}

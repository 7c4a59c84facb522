package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
)

func TestMain(m *testing.M) { os.Exit(pbxtest.MainWith(m, "trunkline", "trunkline-demo")) }

// result is how a command ended that ran in this process.
type result struct {
	status   int
	out, err string
}

func runHere(t *testing.T, args ...string) result {
	t.Helper()
	var out, err bytes.Buffer
	return result{status: run(t.Context(), args, &out, &err), out: out.String(), err: err.String()}
}

// emptied is a database without a table.
func emptied(t *testing.T) (url string, conn *pgx.Conn) {
	t.Helper()
	url = pbxtest.Database(t, sample.V55)
	conn = pbxtest.Connect(t, url)
	_, err := conn.Exec(t.Context(), `do $$ declare t text; begin
		for t in select tablename from pg_tables where schemaname = 'public' loop execute format('drop table %I cascade', t); end loop; end $$`)
	if err != nil {
		t.Fatal(err)
	}
	return url, conn
}

// As docker-compose runs them: the sample PBX and what waits for it start together, and it comes again.
func TestPBXBesideTheOthers(t *testing.T) {
	t.Parallel()
	url, conn := emptied(t)
	args := []string{"pbx", "--database", url, "--listen", pbxtest.FreeAddr(t)}
	ask := func() result { return runHere(t, append(args, "--ask")...) }
	if got := ask(); got.status != 1 {
		t.Fatalf("before it runs: %+v", got)
	}
	key := filepath.Join(t.TempDir(), "secret.key")
	migrate := func(key string, args ...string) *pbxtest.Process {
		env := []string{"TRUNKLINE_DATABASE_URL=" + url, "TRUNKLINE_SECRET_KEY=" + key}
		return pbxtest.StartProgram(t, env, "trunkline", append([]string{"migrate", "--key"}, args...)...)
	}
	migrated := migrate(key, "--wait", "1m")
	startPBX := func() *pbxtest.Process {
		proc := pbxtest.StartProgram(t, nil, "trunkline-demo", args...)
		pbxtest.Eventually(t, "it works", func() bool { return ask().status == 0 })
		return proc
	}
	first := startPBX()
	if err := migrated.Wait(); err != nil || !strings.Contains(migrated.Log.String(), "schema trunkline") {
		t.Errorf("migrate --wait: %v\n%s", err, migrated.Log)
	}
	if again := migrate(key); again.Wait() != nil {
		t.Errorf("a second time: %s", again.Log)
	}
	if other := migrate(key + ".none"); other.Wait() == nil || !strings.Contains(other.Log.String(), "TRUNKLINE_SECRET_KEY") {
		t.Errorf("a second key: %s", other.Log)
	}
	count := func() int { return pbxtest.One[int](t, conn, "select count(*) from v_xml_cdr") }
	if got := count(); got != sample.Demo.CDRs {
		t.Errorf("%d CDRs are loaded", got)
	}
	first.Kill()
	second := startPBX()
	if got := count(); got != sample.Demo.CDRs || strings.Contains(second.Log.String(), "loaded") {
		t.Errorf("the second time: %d CDRs, %s", got, second.Log)
	}
	second.Kill()
	_, err := conn.Exec(t.Context(), "drop table v_gateways; comment on schema public is '"+loadingMark+"'")
	if err != nil {
		t.Fatal(err)
	}
	if third := startPBX(); !strings.Contains(third.Log.String(), "loaded") || count() != sample.Demo.CDRs {
		t.Errorf("after one that was loaded halfway: %s", third.Log)
	}
}

func TestPBXTouchesNothingThatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	url := pbxtest.Database(t, sample.V55)
	got := runHere(t, "pbx", "--database", url)
	if got.status != 1 || !strings.Contains(got.err, "empty database") {
		t.Fatalf("got %+v", got)
	}
	if users := pbxtest.One[int](t, pbxtest.Connect(t, url), "select count(*) from v_users"); users != 0 {
		t.Errorf("it made %d users", users)
	}
}

// Every command has help with an example.
func TestHelp(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"--help": "Examples:\n  trunkline-demo demo", "demo --help": "Example: trunkline-demo demo", "pbx --help": "Example: trunkline-demo pbx",
	} {
		got := runHere(t, strings.Fields(args)...)
		if got.status != 0 || !strings.Contains(got.out, want) {
			t.Errorf("trunkline-demo %s: %+v", args, got)
		}
	}
}

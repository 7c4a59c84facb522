package main

import (
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/pbxtest/servers"
)

// Before the first start there is nothing wrong about what that start makes by itself.
func TestCheckBeforeTheFirstServe(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 0)
	env := append(p.env, "TRUNKLINE_SECRET_KEY="+filepath.Join(p.dir, "made", "secret.key"), "TRUNKLINE_LISTEN="+pbxtest.FreeAddr(t))
	got := runHere(t, env, "check")
	got.wants(t, 0, "append-only file", "not running")
	if n := strings.Count(got.out, "the first `trunkline serve` makes it"); n != 3 {
		t.Errorf("%d parts are made by the first serve, want schema, key and export folder: %s", n, got)
	}
	if strings.Contains(got.out, "SQLSTATE") || strings.Contains(got.out, "ERROR") {
		t.Errorf("it shows what the database says: %s", got)
	}
	env = append(env, "TRUNKLINE_EXPORT_DIR="+filepath.Join(p.dir, "chkcon_whitelist.conf", "exports")) // where nobody can make one
	runHere(t, env, "check").wants(t, 1, "TRUNKLINE_EXPORT_DIR")
}

// A database that is not FusionPBX's is left as it is, and so is the folder of the key.
func TestServeLooksFirst(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 0)
	conn := pbxtest.Connect(t, p.database)
	_, err := conn.Exec(t.Context(), "drop table v_gateways cascade")
	must(t, err)
	key := filepath.Join(p.dir, "made", "secret.key")
	for _, command := range []string{"serve", "migrate"} {
		runHere(t, append(p.env, "TRUNKLINE_SECRET_KEY="+key), command).wants(t, 1, "not a FusionPBX database", "v_gateways")
	}
	if pbxtest.One[bool](t, conn, "select to_regnamespace('trunkline') is not null") {
		t.Error("it made its schema")
	}
	if _, err := os.Stat(filepath.Dir(key)); !os.IsNotExist(err) {
		t.Errorf("it made its key: %v", err)
	}
}

// A served PBX says in one line what it works with, check sees it, and a second one changes nothing.
func TestServeIsReadyAndAlone(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 0)
	base, proc := p.serve(t, "serve")
	ready := regexp.MustCompile(`msg=ready address=` + regexp.QuoteMeta(base) + ` version=.*127\.0\.0\.1.*fusionpbx=` + string(sample.V55) + `.*redis=.*switches=.*` + regexp.QuoteMeta(p.sw.Addr()))
	pbxtest.Eventually(t, "it says that it is ready", func() bool { return ready.MatchString(proc.Log.String()) })
	if n := strings.Count(proc.Log.String(), "msg=ready"); n != 1 {
		t.Errorf("it says so %d times", n)
	}
	listen := "TRUNKLINE_LISTEN=" + strings.TrimPrefix(base, "http://")
	runHere(t, append(p.env, listen), "check").wants(t, 0, "a front end runs and is ready")
	second := runHere(t, append(p.env, listen), "serve")
	second.wants(t, 1, "TRUNKLINE_LISTEN", "address already in use")
	if strings.Contains(second.err, "worker started") {
		t.Errorf("its worker started: %s", second)
	}
	// A closed terminal ends it as a supervisor would, unless these tests were started so that none ends them (nohup).
	ends := syscall.SIGHUP
	if signal.Ignored(ends) {
		ends = syscall.SIGTERM
	}
	must(t, proc.Process.Signal(ends))
	if err := proc.Wait(); err != nil {
		t.Errorf("got %v\n%s", err, proc.Log)
	}
}

// A Redis that refuses is told of with its reason, and not by each part that needs it.
func TestLogWhileRedisIsAway(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 0)
	denying, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer denying.Close()
	go func() {
		for {
			conn, err := denying.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = conn.Write([]byte("-DENIED Redis is running in protected mode because protected mode is enabled.\r\n"))
				_ = conn.(*net.TCPConn).CloseWrite()
				_, _ = io.Copy(io.Discard, conn)
			}()
		}
	}()
	addr := pbxtest.FreeAddr(t)
	proc := p.start(t, "serve", "TRUNKLINE_REDIS_URL=redis://"+denying.Addr().String(), "TRUNKLINE_LISTEN="+addr, "TRUNKLINE_LOG_LEVEL=debug")
	pbxtest.Eventually(t, "asynq has said a lot", func() bool { return strings.Count(proc.Log.String(), "from=asynq") > 30 })
	reasons, others := 0, 0
	for line := range strings.Lines(proc.Log.String()) {
		switch {
		case strings.Contains(line, "level=DEBUG"), strings.Contains(line, "level=INFO"):
		case strings.Contains(line, "no Redis to carry tasks") && strings.Contains(line, "protected mode"):
			reasons++
		case strings.Contains(line, "from=asynq"):
			others++
		}
	}
	if reasons != 1 || others != 0 {
		t.Errorf("the reason is told %d times, and asynq speaks %d times\n%s", reasons, others, proc.Log)
	}
}

func TestCheckWarnsOfOpenFiles(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 0)
	must(t, p.open(t).Keys().CheckDatabase(t.Context(), p.pool))
	must(t, os.MkdirAll(p.exports(), 0o750))
	cert, key, settings := filepath.Join(p.dir, "cert.pem"), filepath.Join(p.dir, "key.pem"), filepath.Join(p.dir, "trunkline.env")
	certPEM, keyPEM, err := servers.SelfSigned("pbx.example")
	must(t, err)
	must(t, os.WriteFile(cert, certPEM, 0o600))
	must(t, os.WriteFile(key, keyPEM, 0o600))
	must(t, os.WriteFile(settings, []byte("TRUNKLINE_TLS_CERT="+cert+"\nTRUNKLINE_TLS_KEY="+key+"\n"), 0o600))
	whitelist := filepath.Join(p.dir, "chkcon_whitelist.conf")
	check := func() result { return runHere(t, p.env, "--config", settings, "check") }
	must(t, os.Chmod(whitelist, 0o644)) // its addresses are no secret
	if got := check(); got.status != 0 || strings.Contains(got.out, "WARNING") {
		t.Fatalf("with all closed: %s", got)
	}
	for path, mode := range map[string]os.FileMode{settings: 0o604, key: 0o644, whitelist: 0o666} {
		must(t, os.Chmod(path, mode))
	}
	got := check()
	got.wants(t, 0, "everybody may read "+settings, "everybody may read "+key, "everybody may write "+whitelist)
	must(t, os.Chmod(settings, 0o602))
	must(t, os.Chmod(p.dir, 0o777))
	check().wants(t, 0, "everybody may write "+settings, "everybody may replace what is in "+p.dir)
}

// Before a change of the gateway mode it is known which gateways it would alter.
func TestCheckWarnsOfGatewaysThatAModeCannotCarry(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 0)
	p.open(t)
	_, err := p.pool.Exec(t.Context(), `update v_gateways set password = 'pa$$word' where gateway_uuid = (select gateway_uuid from v_gateways order by gateway limit 1)`)
	must(t, err)
	var label string
	must(t, p.pool.QueryRow(t.Context(), "select gateway from v_gateways order by gateway limit 1").Scan(&label))
	files := []string{"TRUNKLINE_GATEWAY_MODE=file", "TRUNKLINE_SIP_PROFILES_DIR=" + p.dir}
	for env, want := range map[string]string{
		"":                        "WARNING: these do not arrive at FreeSWITCH as their rows are: " + label + " (password: ",
		strings.Join(files, "\n"): "WARNING: before a change to gateway mode database, which these would not survive as they are: " + label + " (password: ",
	} {
		got := runHere(t, append(p.env[:len(p.env):len(p.env)], strings.Fields(env)...), "check")
		if !strings.Contains(got.out, want) || strings.Contains(got.out, "pa$$word") {
			t.Errorf("want %q, got %s", want, got)
		}
	}
}

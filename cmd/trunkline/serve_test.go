package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/tour"
	"trunkline/internal/sealing"
)

// serve runs a front end on a free port and returns its address once it is ready.
func (p *samplePBX) serve(t *testing.T, command string, env ...string) (base string, proc *pbxtest.Process) {
	t.Helper()
	addr := pbxtest.FreeAddr(t)
	proc = p.start(t, command, append(env, "TRUNKLINE_LISTEN="+addr)...)
	waitReady(t, command, addr)
	return "http://" + addr, proc
}

// waitReady waits until the front end at the address is ready.
func waitReady(t *testing.T, command, addr string) {
	t.Helper()
	client := &http.Client{Timeout: 10 * time.Second}
	pbxtest.Eventually(t, command+" is ready", func() bool {
		resp, err := client.Get("http://" + addr + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// newOutside is where a tour of the test's own has files brought.
func newOutside(t *testing.T) *tour.Outside {
	t.Helper()
	outside, err := tour.StartOutside(t.TempDir())
	must(t, err)
	t.Cleanup(func() { must(t, outside.Close()) })
	return outside
}

// The demo's tour on a served PBX; then every secret is looked for wherever it could have leaked.
func TestServeDoesTheMainJob(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 8000)
	outside := newOutside(t)
	base, proc := p.serve(t, "serve", append(outside.Settings(), "TRUNKLINE_LOG_LEVEL=debug")...)
	var printed bytes.Buffer
	tour := &tour.Tour{Out: &printed, Base: base, Sample: p.sample, Registered: sampleRegistered, Verbose: true, Console: p.sw.Console, Outside: outside}
	if err := tour.Run(t.Context()); err != nil {
		t.Fatalf("%v\n%s\n%s", err, &printed, proc.Log)
	}
	must(t, proc.Process.Signal(syscall.SIGTERM))
	if err := proc.Wait(); err != nil {
		t.Fatalf("it did not end well: %v\n%s", err, proc.Log)
	}

	p.open(t)
	var rows string
	must(t, p.pool.QueryRow(t.Context(), "select string_agg(j::text, '') from trunkline.jobs j").Scan(&rows))
	places := map[string]string{"the log": proc.Log.String(), "the job rows": rows, "Redis": redisContents(t, p.redis), "the answers": answers(printed.String())}
	secrets := map[string]string{
		"the superadmin's password": p.sample.SuperadminPassword,
		"the gateway's password":    "a-demo-password",
		"the switch's password":     "ClueCon",
		"the secret key":            strings.TrimSpace(testSecretKey),
	}
	for place, content := range places {
		if content == "" && place != "Redis" {
			t.Errorf("%s: nothing to search in", place)
		}
		for name, secret := range secrets {
			if strings.Contains(content, secret) {
				t.Errorf("%s holds %s", place, name)
			}
		}
	}
	for _, secret := range tour.WebhookSecrets() {
		for _, place := range []string{"the log", "the job rows", "Redis"} { // it is answered, this once
			if secret == "" || strings.Contains(places[place], strings.TrimPrefix(secret, "whsec_")) {
				t.Errorf("%s holds what messages are signed with", place)
			}
		}
	}
	if known, err := sealing.DatabaseHasKey(t.Context(), p.pool); err != nil || !known {
		t.Errorf("the database has no key: %v", err)
	}
}

// answers are the tour's lines without its curl lines, which show the demo's password on purpose.
func answers(printed string) string {
	var kept []string
	for line := range strings.Lines(printed) {
		if !strings.HasPrefix(line, "$ curl") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

// redisContents is everything that Redis holds, keys and values.
func redisContents(t *testing.T, url string) string {
	t.Helper()
	client := pbxtest.RedisClient(t, url)
	ctx := context.Background()
	keys, err := client.Keys(ctx, "*").Result()
	must(t, err)
	var all strings.Builder
	for _, key := range keys {
		kind, err := client.Type(ctx, key).Result()
		must(t, err)
		var value any
		switch kind {
		case "string":
			value, err = client.Get(ctx, key).Result()
		case "hash":
			value, err = client.HGetAll(ctx, key).Result()
		case "list":
			value, err = client.LRange(ctx, key, 0, -1).Result()
		case "set":
			value, err = client.SMembers(ctx, key).Result()
		case "zset":
			value, err = client.ZRange(ctx, key, 0, -1).Result()
		default:
			t.Fatalf("key %s is a %s, which is not searched", key, kind)
		}
		must(t, err)
		fmt.Fprintln(&all, key, value)
	}
	return all.String()
}

func TestRoomsApart(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 100)
	migrated := runHere(t, p.env, "migrate")
	if migrated.status != 0 {
		t.Fatalf("migrate: %s", migrated)
	}
	p.start(t, "worker")
	p.start(t, "scheduler")
	base, _ := p.serve(t, "api")
	tour := &tour.Tour{Out: io.Discard, Base: base, Sample: p.sample}
	must(t, tour.MakeToken(t.Context()))
	must(t, tour.Provision(t.Context()))
	checked := runHere(t, p.env, "check")
	if checked.status != 0 || !strings.Contains(checked.out, "what the worker wrote is read here") {
		t.Fatalf("check: %s", checked)
	}
}

func TestCheckSaysWhatToDo(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 0)
	must(t, p.open(t).Keys().CheckDatabase(t.Context(), p.pool)) // as the first start does
	elsewhere := t.TempDir()
	for _, tc := range []struct {
		name string
		env  string
		says []string
	}{
		{"the database", "TRUNKLINE_DATABASE_URL=postgres://nobody:Geheim77@127.0.0.1:1/none", []string{"database", "NOT RIGHT", "TRUNKLINE_DATABASE_URL"}},
		{"what exports read", "TRUNKLINE_EXPORT_DATABASE_URL=postgres://nobody:Geheim77@127.0.0.1:1/none", []string{"export standby", "NOT RIGHT", "TRUNKLINE_EXPORT_DATABASE_URL", "does not answer"}},
		{"a standby that is none", "TRUNKLINE_EXPORT_DATABASE_URL=" + p.database, []string{"export standby", "NOT RIGHT", "is no standby"}},
		{"Redis", "TRUNKLINE_REDIS_URL=redis://:Geheim77@127.0.0.1:1", []string{"redis", "NOT RIGHT", "TRUNKLINE_REDIS_URL"}},
		{"the switch", "TRUNKLINE_SWITCHES=127.0.0.1:1", []string{"switch 127.0.0.1:1", "NOT RIGHT"}},
		{"its password", "TRUNKLINE_SWITCH_PASSWORD=Geheim77", []string{"switch", "NOT RIGHT", "TRUNKLINE_SWITCH_PASSWORD"}},
		{"the whitelist", "TRUNKLINE_WHITELIST=" + filepath.Join(elsewhere, "none.conf"), []string{"whitelist", "NOT RIGHT"}},
		{"the export folder", "TRUNKLINE_EXPORT_DIR=" + filepath.Join(elsewhere, "none"), []string{"export folder", "NOT RIGHT", "TRUNKLINE_EXPORT_DIR"}},
		{"the free space", "TRUNKLINE_EXPORT_MIN_FREE_BYTES=8000000GiB", []string{"export folder", "NOT RIGHT", "TRUNKLINE_EXPORT_MIN_FREE_BYTES"}},
		{"the secret key", "TRUNKLINE_SECRET_KEY=" + strings.Repeat("ab", 32), []string{"secret key", "NOT RIGHT", "TRUNKLINE_SECRET_KEY"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			must(t, os.MkdirAll(p.exports(), 0o750))
			if got := runHere(t, p.env, "check"); got.status != 0 {
				t.Fatalf("with all right: %s", got)
			}
			got := runHere(t, append(p.env, tc.env), "check")
			if got.status != 1 {
				t.Errorf("got status %d, want 1", got.status)
			}
			for _, words := range tc.says {
				if !strings.Contains(got.out, words) {
					t.Errorf("it does not say %q: %s", words, got)
				}
			}
			if strings.Contains(got.out+got.err, "Geheim77") {
				t.Errorf("it tells a password: %s", got)
			}
		})
	}
}

func TestStartIsRefused(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 0)
	noKey := "TRUNKLINE_SECRET_KEY=" + filepath.Join(t.TempDir(), "none.key")
	for _, tc := range []struct {
		name    string
		command string
		env     string
		says    []string
	}{
		{"unknown setting", "serve", "TRUNKLINE_LISTN=127.0.0.1:1", []string{"TRUNKLINE_LISTN", "TRUNKLINE_LISTEN"}},
		{"invalid value", "serve", "TRUNKLINE_WAIT_MAX=soon", []string{"TRUNKLINE_WAIT_MAX"}},
		{"api without the key", "api", noKey, []string{"TRUNKLINE_SECRET_KEY"}},
		{"worker without the key", "worker", noKey, []string{"TRUNKLINE_SECRET_KEY"}},
		{"scheduler without the key", "scheduler", noKey, []string{"TRUNKLINE_SECRET_KEY"}},
		{"api before migrate", "api", "", []string{"trunkline migrate"}},
		{"no such command", "sevre", "", []string{"--help"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := runHere(t, append(p.env, tc.env), tc.command)
			if got.status == 0 {
				t.Errorf("it started: %s", got)
			}
			for _, words := range tc.says {
				if !strings.Contains(got.err, words) {
					t.Errorf("it does not say %q: %s", words, got)
				}
			}
		})
	}
}

func TestServeMakesItsKey(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 0)
	key := filepath.Join(t.TempDir(), "made", "secret.key")
	p.serve(t, "serve", "TRUNKLINE_SECRET_KEY="+key)
	info, err := os.Stat(key)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Fatalf("the key's mode is %v, want 0600", info.Mode().Perm())
	}
	other := runHere(t, append(p.env, "TRUNKLINE_SECRET_KEY="+strings.Repeat("cd", 32)), "api")
	if other.status == 0 || !strings.Contains(other.err, "TRUNKLINE_SECRET_KEY") {
		t.Fatalf("another key: %s", other)
	}
}

// A key of its own would only hide that the right one is missing.
func TestServeMakesNoSecondKey(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 0)
	client := p.open(t)
	if checked := runHere(t, p.env, "check"); !strings.Contains(checked.out, "has seen none yet") {
		t.Errorf("before the first start: %s", checked)
	}
	must(t, client.Keys().CheckDatabase(t.Context(), p.pool))
	key := filepath.Join(t.TempDir(), "absent.key")
	got := runHere(t, append(p.env, "TRUNKLINE_SECRET_KEY="+key), "serve")
	if got.status == 0 || !strings.Contains(got.err, "TRUNKLINE_SECRET_KEY") {
		t.Fatalf("got %s", got)
	}
	if _, err := os.Stat(key); !os.IsNotExist(err) {
		t.Fatalf("a key was made all the same: %v", err)
	}
}

func TestConfigListsSettingsWhateverIsWrong(t *testing.T) {
	t.Parallel()
	got := runHere(t, []string{"TRUNKLINE_WAIT_MAX=soon"}, "config")
	if got.status != 1 || !strings.Contains(got.out, "TRUNKLINE_LISTEN") || !strings.Contains(got.err, "TRUNKLINE_WAIT_MAX") {
		t.Fatalf("got %s", got)
	}
}

func TestEveryCommandHasAnExample(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"serve", "api", "worker", "scheduler", "health", "check", "config", "migrate"} {
		got := runHere(t, nil, command, "--help")
		if got.status != 0 || !strings.Contains(got.out, "Example: ") || !strings.Contains(got.out, "trunkline") {
			t.Errorf("%s --help: %s", command, got)
		}
	}
	if got := runHere(t, nil, "--help"); got.status != 0 || !strings.Contains(got.out, "serve") {
		t.Errorf("--help: %s", got)
	}
}

func TestHelpIsACommandToo(t *testing.T) {
	t.Parallel()
	for args, like := range map[string]string{"help": "--help", "help serve": "serve --help", "help token create": "token create --help"} {
		got, want := runHere(t, nil, strings.Fields(args)...), runHere(t, nil, strings.Fields(like)...)
		if got.status != 0 || got.out != want.out {
			t.Errorf("%s: got %s, want %s", args, got, want)
		}
	}
}

// What cannot be read of a command names the flag and that command's own help.
func TestMissingFlagsNameTheHelp(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 0)
	p.open(t)
	for args, words := range map[string][]string{
		"token create --name x":                              {"--scope", "trunkline token create --help"},
		"token create --name x --scope read":                 {"--domain", "--all-domains", "trunkline token create --help"},
		"token create --name x --scope read --domain a --no": {"--no", "trunkline token create --help"},
		"serve --no": {"--no", "trunkline serve --help"},
		"nonsense":   {"nonsense", "trunkline --help"},
	} {
		got := runHere(t, p.env, strings.Fields(args)...)
		for _, word := range words {
			if got.status == 0 || !strings.Contains(got.err, word) {
				t.Errorf("%s: it does not say %q: %s", args, word, got)
			}
		}
	}
}

// A key in place of its file's path is no path, even if it looks like one.
func TestConfigHidesAKey(t *testing.T) {
	t.Parallel()
	key := "/" + strings.Repeat("Ab+9", 10) + "AA="
	if got := runHere(t, []string{"TRUNKLINE_DATABASE_URL=postgres://u@127.0.0.1/x", "TRUNKLINE_SECRET_KEY=" + key}, "config"); got.status != 0 || strings.Contains(got.out, key) {
		t.Errorf("got %s", got)
	}
}

// What FusionPBX's configuration says is not blamed on a setting that nobody has set.
func TestAWrongPasswordIsSoughtWhereItStands(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 0)
	conf := filepath.Join(p.dir, "config.conf")
	must(t, os.WriteFile(conf, []byte("database.0.host = 127.0.0.1\ndatabase.0.port = 1\ndatabase.0.name = x\ndatabase.0.username = x\ndatabase.0.password = wrong\n"+
		"switch.event_socket.host = 127.0.0.1\nswitch.event_socket.port = "+p.sw.Addr()[strings.LastIndex(p.sw.Addr(), ":")+1:]+"\nswitch.event_socket.password = wrong\n"), 0o600))
	env := slices.DeleteFunc(slices.Clone(p.env), func(set string) bool {
		return strings.HasPrefix(set, "TRUNKLINE_DATABASE_URL") || strings.HasPrefix(set, "TRUNKLINE_SWITCH")
	})
	got := runHere(t, append(env, "TRUNKLINE_FUSIONPBX_CONFIG="+conf), "check")
	if !strings.Contains(got.out, "database.0 in "+conf) || !strings.Contains(got.out, "switch.event_socket in "+conf) ||
		strings.Contains(got.out, "TRUNKLINE_DATABASE_URL") || strings.Contains(got.out, "TRUNKLINE_SWITCH") {
		t.Errorf("got %s", got)
	}
}

func TestConfigHidesSecrets(t *testing.T) {
	t.Parallel()
	got := runHere(t, []string{
		"TRUNKLINE_DATABASE_URL=postgres://u:Geheim77@127.0.0.1/x?sslmode=disable&sslpassword=Geheim77", "TRUNKLINE_SWITCH_PASSWORD=/Geheim77",
		"TRUNKLINE_REDIS_URL=redis-sentinel://:Geheim77@10.0.0.1:26379,10.0.0.2:26379/0?master=m&sentinel_password=Geheim77",
	}, "config")
	if got.status != 0 || strings.Contains(got.out, "Geheim77") {
		t.Fatalf("got %s", got)
	}
	for _, want := range []string{
		"TRUNKLINE_DATABASE_URL=postgres://u:[hidden]@127.0.0.1/x?sslmode=disable&sslpassword=[hidden]\n", "TRUNKLINE_SWITCH_PASSWORD=[hidden]\n",
		"TRUNKLINE_REDIS_URL=redis-sentinel://:[hidden]@10.0.0.1:26379,10.0.0.2:26379/0?master=m&sentinel_password=[hidden]\n",
		"TRUNKLINE_SECRET_KEY=/var/lib/trunkline/secret.key\n", "TRUNKLINE_LISTEN=127.0.0.1:8090", "environment",
	} {
		if !strings.Contains(got.out, want) {
			t.Errorf("it does not show %q", want)
		}
	}
}

// result is how a command ended that ran in this process.
type result struct {
	status   int
	out, err string
}

func (r result) String() string {
	return fmt.Sprintf("status %d\nstdout: %s\nstderr: %s", r.status, r.out, r.err)
}

func runHere(t *testing.T, env []string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var out, err bytes.Buffer
	status := run(ctx, args, env, strings.NewReader(""), &out, &err)
	return result{status, out.String(), err.String()}
}

package redis_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/servers"
	"trunkline/internal/redis"
)

func TestMain(m *testing.M) { os.Exit(pbxtest.Main(m)) }

// check opens the Redis at the URL and checks it.
func check(t *testing.T, url, caFile string) (redis.Info, error) {
	t.Helper()
	client, err := redis.Open(redis.Options{URL: url, CAFile: caFile, Timeout: 5 * time.Second, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	return redis.Check(t.Context(), client)
}

// refused fails the test unless the error is one that asks for a change, says all of the words and
// holds no password.
func refused(t *testing.T, err error, words ...string) {
	t.Helper()
	if !errors.Is(err, redis.ErrMisconfigured) {
		t.Fatalf("got %v, want an error that asks for a change", err)
	}
	says(t, err, words...)
}

func says(t *testing.T, err error, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("it does not say %q: %v", word, err)
		}
	}
	if strings.Contains(err.Error(), "Geheim") || strings.Contains(err.Error(), "password-of-") {
		t.Errorf("it holds a password: %v", err)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	info, err := check(t, pbxtest.RedisURL(t), "")
	if err != nil || info.Policy != "noeviction" || info.Role != "master" || info.Version == "" || info.Warning() != "" {
		t.Errorf("got %+v, %v, warning %q", info, err, info.Warning())
	}
	evicting := pbxtest.NewRedis(t, servers.WithPolicy("allkeys-lru"))
	info, err = check(t, evicting.URL(), "")
	if err != nil || !strings.Contains(info.Warning(), "allkeys-lru") || !strings.Contains(info.Warning(), "noeviction") {
		t.Errorf("got %v, warning %q", err, info.Warning())
	}
}

func TestCheckOverTLS(t *testing.T) {
	t.Parallel()
	authority, err := servers.NewAuthority(t.TempDir())
	must(t, err)
	other, err := servers.NewAuthority(t.TempDir())
	must(t, err)
	right := pbxtest.NewRedis(t, servers.WithTLS(authority))
	if info, err := check(t, right.URL(), authority.CAFile()); err != nil || info.Warning() != "" {
		t.Errorf("got %v, warning %q", err, info.Warning())
	}
	localhost := strings.Replace(right.URL(), "127.0.0.1", "localhost", 1)
	if _, err := check(t, localhost, authority.CAFile()); err != nil {
		t.Errorf("by its other name: %v", err)
	}
	misnamed := pbxtest.NewRedis(t, servers.WithTLS(authority, "elsewhere.example"))
	plain := pbxtest.NewRedis(t)
	for _, tc := range []struct {
		name, url, ca string
		says          []string
	}{
		{"another authority", right.URL(), other.CAFile(), []string{"certificate", "TRUNKLINE_REDIS_CA"}},
		{"the system's authorities", right.URL(), "", []string{"certificate", "TRUNKLINE_REDIS_CA"}},
		{"another name", misnamed.URL(), authority.CAFile(), []string{"certificate", "127.0.0.1", "TRUNKLINE_REDIS_URL"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := check(t, tc.url, tc.ca)
			refused(t, err, tc.says...)
		})
	}
	if _, err := check(t, strings.Replace(plain.URL(), "redis:", "rediss:", 1), authority.CAFile()); err == nil {
		t.Error("TLS with a server that has none")
	}
	if _, err := check(t, strings.Replace(right.URL(), "rediss:", "redis:", 1), ""); err == nil {
		t.Error("no TLS with a server that has nothing else")
	}
}

func TestCheckWithSentinels(t *testing.T) {
	t.Parallel()
	set := pbxtest.NewSentinels(t)
	if info, err := check(t, set.URL(), ""); err != nil || info.Role != "master" {
		t.Errorf("got %+v, %v", info, err)
	}
	for _, tc := range []struct {
		name, old, new string
		says           []string
	}{
		{"Redis's password", servers.SentinelsRedisPassword, "Geheim77", []string{"password", "TRUNKLINE_REDIS_URL"}},
		{"no password of Redis", ":" + servers.SentinelsRedisPassword + "@", "", []string{"password", "TRUNKLINE_REDIS_URL"}},
		{"the Sentinels' password", servers.SentinelsPassword, "Geheim77", []string{"password", "sentinel_password"}},
		{"no password of the Sentinels", "&sentinel_password=" + servers.SentinelsPassword, "", []string{"password", "sentinel_password"}},
		{"the primary's name", "master=" + servers.SentinelMaster, "master=nobody", []string{"primary", "master="}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := check(t, strings.Replace(set.URL(), tc.old, tc.new, 1), "")
			refused(t, err, tc.says...)
		})
	}
	primary, err := set.Primary(t.Context())
	must(t, err)
	for _, server := range set.Servers {
		if server == primary {
			continue
		}
		if _, err := check(t, server.URL(), ""); err == nil || errors.Is(err, redis.ErrMisconfigured) {
			t.Errorf("a replica: got %v", err)
		} else {
			says(t, err, "replica", "redis-sentinel://")
		}
	}
}

func TestCheckWithSentinelsOverTLS(t *testing.T) {
	t.Parallel()
	authority, err := servers.NewAuthority(t.TempDir())
	must(t, err)
	other, err := servers.NewAuthority(t.TempDir())
	must(t, err)
	set := pbxtest.NewSentinels(t, servers.WithTLS(authority))
	if info, err := check(t, set.URL(), authority.CAFile()); err != nil || info.Role != "master" {
		t.Errorf("got %+v, %v", info, err)
	}
	_, err = check(t, set.URL(), other.CAFile())
	refused(t, err, "certificate", "TRUNKLINE_REDIS_CA")
}

func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	locked := pbxtest.NewRedis(t, servers.WithPassword("Geheim77"))
	for _, tc := range []struct {
		name, url string
		says      []string
	}{
		{"a wrong password", strings.Replace(locked.URL(), "Geheim77", "Geheim78", 1), []string{"password", "TRUNKLINE_REDIS_URL"}},
		{"no password", strings.Replace(locked.URL(), ":Geheim77@", "", 1), []string{"password", "TRUNKLINE_REDIS_URL"}},
		{"an unknown user", strings.Replace(locked.URL(), ":Geheim77", "nobody:Geheim77", 1), []string{"password", "TRUNKLINE_REDIS_URL"}},
		{"a database that is none", strings.Replace(locked.URL(), "/0", fmt.Sprintf("/%d", servers.RedisDatabases), 1), []string{"database", "TRUNKLINE_REDIS_URL"}},
		{"an old version", "redis://" + oldRedis(t, "6.2.14"), []string{"6.2.14", "7 or later"}},
		{"a version that is none", "redis://" + oldRedis(t, "unstable"), []string{"unstable", "7 or later"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := check(t, tc.url, "")
			refused(t, err, tc.says...)
		})
	}
}

// A user that may not run INFO is as good as any other, but nobody can check.
func TestCheckWithoutINFO(t *testing.T) {
	t.Parallel()
	r := pbxtest.NewRedis(t)
	client, err := redis.Open(redis.Options{URL: r.URL(), Timeout: 5 * time.Second, Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	defer client.Close()
	must(t, client.Do(t.Context(), "ACL", "SETUSER", "limited", "on", ">Geheim77", "~*", "&*", "+@all", "-info").Err())
	info, err := check(t, "redis://limited:Geheim77@"+r.Addr(), "")
	if err != nil || !strings.Contains(info.Warning(), "ACL SETUSER") {
		t.Errorf("got %+v, %v, warning %q", info, err, info.Warning())
	}
	must(t, client.Do(t.Context(), "ACL", "SETUSER", "nothing", "on", ">Geheim77").Err())
	_, err = check(t, "redis://nothing:Geheim77@"+r.Addr(), "")
	refused(t, err, "ACL SETUSER")
}

// A Redis that is away, or that hangs, may come back: that asks for no change.
func TestCheckOfOneThatIsAway(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer silent.Close()
	for name, url := range map[string]string{
		"away":               "redis://:Geheim77@127.0.0.1:1",
		"away over TLS":      "rediss://:Geheim77@127.0.0.1:1",
		"silent":             "redis://:Geheim77@" + silent.Addr().String(),
		"the Sentinels away": "redis-sentinel://:Geheim77@127.0.0.1:1,127.0.0.1:2?master=m&sentinel_password=Geheim78",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, err := redis.Open(redis.Options{URL: url, Timeout: 50 * time.Millisecond, Log: slog.New(slog.DiscardHandler)})
			must(t, err)
			defer client.Close()
			_, err = redis.Check(t.Context(), client)
			if err == nil || errors.Is(err, redis.ErrMisconfigured) {
				t.Fatalf("got %v", err)
			}
			says(t, err, "TRUNKLINE_REDIS_URL")
		})
	}
}

// Whoever asks is let go when its context ends, whatever the time-out of the client.
func TestContextBoundsAQuestion(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer silent.Close()
	client, err := redis.Open(redis.Options{URL: "redis://" + silent.Addr().String(), Timeout: 10 * time.Minute, Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := redis.Ping(ctx, client); err == nil {
		t.Error("nobody answered, and it says that somebody did")
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	noPEM := filepath.Join(t.TempDir(), "ca.pem")
	must(t, os.WriteFile(noPEM, []byte("not a certificate"), 0o600))
	for _, tc := range []struct {
		name string
		o    redis.Options
		says []string
	}{
		{"a URL that is none", redis.Options{URL: "http://:Geheim77@host"}, []string{"TRUNKLINE_REDIS_URL", "redis://"}},
		{"an authority without TLS", redis.Options{URL: "redis://:Geheim77@host", CAFile: noPEM}, []string{"TRUNKLINE_REDIS_CA", "rediss://"}},
		{"no such file", redis.Options{URL: "rediss://:Geheim77@host", CAFile: noPEM + ".none"}, []string{"TRUNKLINE_REDIS_CA", "none"}},
		{"no certificate", redis.Options{URL: "rediss://:Geheim77@host", CAFile: noPEM}, []string{"TRUNKLINE_REDIS_CA", "certificate"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := redis.Open(tc.o)
			if err == nil {
				t.Fatal("it was opened")
			}
			says(t, err, tc.says...)
		})
	}
}

// oldRedis answers as a Redis of that version does that knows neither HELLO nor INFO of several
// sections, and returns its address.
func oldRedis(t *testing.T, version string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go answerAsOld(conn, version)
		}
	}()
	return listener.Addr().String()
}

func answerAsOld(conn net.Conn, version string) {
	defer conn.Close()
	reader := bufio.NewReader(conn)
	for {
		command, err := readCommand(reader)
		if err != nil {
			return
		}
		switch {
		case strings.EqualFold(command[0], "info") && len(command) <= 2:
			info := "# Server\r\nredis_version:" + version + "\r\n# Memory\r\nmaxmemory_policy:noeviction\r\n# Replication\r\nrole:master\r\n"
			fmt.Fprintf(conn, "$%d\r\n%s\r\n", len(info), info)
		case strings.EqualFold(command[0], "ping"):
			io.WriteString(conn, "+PONG\r\n")
		default:
			io.WriteString(conn, "-ERR unknown command or wrong number of arguments\r\n")
		}
	}
}

// readCommand reads an array of strings.
func readCommand(r *bufio.Reader) ([]string, error) {
	var count int
	if _, err := fmt.Fscanf(r, "*%d\r\n", &count); err != nil {
		return nil, err
	}
	command := make([]string, count)
	for i := range command {
		var length int
		if _, err := fmt.Fscanf(r, "$%d\r\n", &length); err != nil {
			return nil, err
		}
		value := make([]byte, length+len("\r\n"))
		if _, err := io.ReadFull(r, value); err != nil {
			return nil, err
		}
		command[i] = string(value[:length])
	}
	return command, nil
}

var must = pbxtest.Must

package servers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"trunkline/internal/pbxtest/sample"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
)

// enterable returns a folder that the account which runs Postgres can enter, whatever the umask.
func enterable(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pbxtest-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

// processesIn returns the processes whose working folder is dir or in it, one that is gone included.
func processesIn(t *testing.T, dir string) []string {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		t.Error(err) // and not Fatal: it is called off the test's goroutine too
	}
	var found []string
	for _, link := range links {
		if cwd, err := os.Readlink(link); err == nil && strings.HasPrefix(cwd, dir) {
			found = append(found, link+" "+cwd)
		}
	}
	return found
}

// waitUntil waits until the condition holds, and fails the test when it does not come to.
func waitUntil(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	deadline := time.After(readyTimeout)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("still not so: %s", what)
		}
	}
}

func checkEmpty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) > 0 {
		t.Errorf("left behind: %v", entries)
	}
	if left := processesIn(t, dir); len(left) > 0 {
		t.Errorf("left running: %v", left)
	}
}

// Two pairs of servers run side by side and answer; closed, they leave no process and no file, even
// with connections open.
func TestServersLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	dir := enterable(t)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			s, err := Start(t.Context(), Options{Dir: dir, Durable: true})
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := s.NewRedis(t.Context()); err != nil {
				t.Error(err)
			}
			url, err := s.CreateDatabase(t.Context(), "held", sample.V55)
			if err != nil {
				t.Error(err)
			}
			conn, err := pgx.Connect(t.Context(), url)
			if err != nil {
				t.Error(err)
				return
			}
			client := redis.NewClient(&redis.Options{Addr: s.RedisAddr()})
			defer client.Close()
			if err := client.Ping(t.Context()).Err(); err != nil {
				t.Error(err)
			}
			// Two Redis, the postmaster, the connection's backend and the server's own helpers.
			if n := len(processesIn(t, s.Dir())); n < 4 {
				t.Errorf("got %d processes in the folder, want 4 or more", n)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if err := conn.Ping(t.Context()); err == nil {
				t.Error("the connection outlived its server")
			}
			if err := s.Close(); err != nil {
				t.Errorf("second Close: %v", err)
			}
			if _, err := s.NewRedis(t.Context()); err == nil {
				t.Error("a closed pair started a Redis")
			}
		})
	}
	wg.Wait()
	checkEmpty(t, dir)
}

// A start that is given up leaves nothing either.
func TestStartGivenUp(t *testing.T) {
	t.Parallel()
	dir := enterable(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	started := make(chan error, 1)
	go func() {
		s, err := Start(ctx, Options{Dir: dir})
		if err == nil {
			_ = s.Close()
		}
		started <- err
	}()
	// Given up while initdb works.
	waitUntil(t, "initdb is at work", func() bool {
		made, err := filepath.Glob(filepath.Join(dir, "*", "postgres", "data", "*"))
		return err != nil || len(made) > 0
	})
	cancel()
	if err := <-started; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	waitUntil(t, "initdb's helpers are gone", func() bool { return len(processesIn(t, dir)) == 0 })
	checkEmpty(t, dir)
}

// A folder that the account which runs Postgres cannot enter is an error that says so, and for an
// ordinary user, whose own account runs it, no error.
func TestClosedFolder(t *testing.T) {
	t.Parallel()
	dir := enterable(t)
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := Start(t.Context(), Options{Dir: dir})
	if err == nil {
		err = s.Close()
	}
	if os.Geteuid() != 0 && err != nil {
		t.Error(err)
	}
	if os.Geteuid() == 0 && (err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "every account can enter")) {
		t.Errorf("got %v, want an error that names %s and says what it must be", err, dir)
	}
	checkEmpty(t, dir)
}

// childDir in the environment makes this test binary the program that TestKilledParent kills.
const childDir = "PBXTEST_CHILD_DIR"

// runChild starts servers, says so and waits to be killed.
func runChild(dir string) int {
	s, err := Start(context.Background(), Options{Dir: dir})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(s.Dir())
	select {}
}

// The servers of a program that was killed end by themselves, and the next start removes their files.
func TestKilledParent(t *testing.T) {
	t.Parallel()
	dir := enterable(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	child := strings.TrimSpace(line)
	if err != nil || !strings.HasPrefix(child, dir) {
		t.Errorf("the child says %q, %v", line, err)
	}
	if n := len(processesIn(t, child)); n < 2 {
		t.Errorf("got %d processes in %s, want 2 or more", n, child)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // "signal: killed"
	waitUntil(t, "the servers of the killed program are gone", func() bool { return len(processesIn(t, dir)) == 0 })

	f, err := NewFolder(dir, folderPrefix)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(child); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the killed program's folder is still there: %v", err)
	}
	removeAbandoned(dir, folderPrefix)
	if _, err := os.Stat(f.Path); err != nil {
		t.Errorf("a folder that is in use was removed: %v", err)
	}
	if err := f.Remove(); err != nil {
		t.Error(err)
	}
	checkEmpty(t, dir)
}

// A server whose port somebody else took says so, which makes the start try another.
func TestPortTaken(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	p, err := findPrograms()
	if err != nil {
		t.Fatal(err)
	}
	dir := enterable(t)

	r := &Redis{program: p.redis, dir: dir, port: port}
	if err := r.run(t.Context()); !errors.Is(err, errPortTaken) {
		t.Errorf("Redis: got %v, want %v", err, errPortTaken)
	}
	s, err := newPostgres(p, dir, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.initdb(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.port = port
	if err := s.run(t.Context()); !errors.Is(err, errPortTaken) {
		t.Errorf("Postgres: got %v, want %v", err, errPortTaken)
	}
}

// program writes an executable that prints a version.
func program(t *testing.T, dir, name, version string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\necho '" + version + "'\n"
	if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
}

// What is missing or too old is named, with what to do about it; the newest packaged Postgres is
// found off PATH.
func TestFindPrograms(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	at := func(name string) string { return filepath.Join(root, name) }
	for dir, version := range map[string]string{"pg14": "14.9", "pg15": "15.2", "packaged/9": "9.6.1", "packaged/16": "16.1", "packaged/17": "17beta1"} {
		program(t, at(dir), "postgres", "postgres (PostgreSQL) "+version)
		program(t, at(dir), "initdb", "")
	}
	program(t, at("half"), "postgres", "postgres (PostgreSQL) 18.0") // a client package, without initdb
	program(t, at("redis6"), "redis-server", "Redis server v=6.0.16 sha=00000000:0")
	program(t, at("redis7"), "redis-server", "Redis server v=7.2.4 sha=00000000:0")

	for _, c := range []struct {
		name    string
		path    []string
		pattern string
		want    programs
		err     []string // what the error says
	}{
		{name: "in PATH", path: []string{"half", "pg14", "pg15", "redis6", "redis7"}, pattern: "packaged/*",
			want: programs{at("pg15/initdb"), at("pg15/postgres"), at("redis7/redis-server")}},
		{name: "packaged off PATH", path: []string{"pg14", "redis7"}, pattern: "packaged/*",
			want: programs{at("packaged/17/initdb"), at("packaged/17/postgres"), at("redis7/redis-server")}},
		{name: "nothing", path: []string{"half"}, pattern: "none/*", err: []string{
			"the Postgres server is not installed (version 15 or later)", "the Redis server is not installed (version 7 or later)",
			"make test", "make demo", "apt-get install postgresql", "apt-get install redis-server"}},
		{name: "too old", path: []string{"redis6"}, pattern: "pg14", err: []string{
			"Postgres 14 is installed, and version 15 or later is needed", "Redis 6 is installed, and version 7 or later is needed"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := []string{"", "relative"}
			for _, dir := range c.path {
				path = append(path, at(dir))
			}
			got, err := findProgramsIn(strings.Join(path, string(filepath.ListSeparator)), at(c.pattern))
			if got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
			if (err != nil) != (len(c.err) > 0) {
				t.Fatalf("got error %v, want one that says %q", err, c.err)
			}
			for _, part := range c.err {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the error does not say %q: %v", part, err)
				}
			}
		})
	}
}

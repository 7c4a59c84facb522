package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// RedisDatabases is how many numbered databases each private Redis has.
	RedisDatabases = 512

	redisPatience = 10 * time.Second       // for a killed Redis to be gone
	redisAnswer   = 500 * time.Millisecond // for one that starts to answer, before it is asked again
)

// Redis is a private Redis server, or a Sentinel. Its methods may be called from several
// goroutines.
type Redis struct {
	program string
	dir     string
	options redisOptions
	port    int

	mu      sync.Mutex
	process *process
}

// startRedis starts a server on a free port, with its files in dir, which it makes.
func startRedis(ctx context.Context, p programs, dir string, o redisOptions) (*Redis, error) {
	r := &Redis{program: p.redis, dir: dir, options: o}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of Redis: %w", err)
	}
	var err error
	for range portAttempts {
		if r.port, err = freePort(); err != nil {
			break
		}
		if err = r.run(ctx); !errors.Is(err, errPortTaken) {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("starting a private Redis: %w", err)
	}
	return r, nil
}

// Addr is the server's host:port; it stays the same over restarts.
func (r *Redis) Addr() string { return "127.0.0.1:" + strconv.Itoa(r.port) }

// URL is the URL of the server's database 0.
func (r *Redis) URL() string { return r.url(0) }

func (r *Redis) url(database int) string {
	scheme, user := "redis", ""
	if r.options.tls != nil {
		scheme = "rediss"
	}
	if r.options.password != "" {
		user = ":" + r.options.password + "@"
	}
	return fmt.Sprintf("%s://%s%s/%d", scheme, user, r.Addr(), database)
}

// client returns a client that asks once and does not wait long.
func (r *Redis) client() *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr: r.Addr(), Password: r.options.password, TLSConfig: r.options.tls.client(),
		MaxRetries: -1, DialerRetries: 1, ReadTimeout: redisAnswer,
	})
}

// Kill ends the server as a crash would (SIGKILL) and waits until it is gone. Killing a dead server
// does nothing.
func (r *Redis) Kill() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.kill()
}

// Hang has the server keep its connections and answer nothing, as if its host were cut off, until
// Resume or Restart.
func (r *Redis) Hang() error { return r.signal(syscall.SIGSTOP) }

// Resume ends a Hang.
func (r *Redis) Resume() error { return r.signal(syscall.SIGCONT) }

func (r *Redis) signal(s syscall.Signal) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.process == nil || !r.process.running() {
		return errors.New("the private Redis does not run")
	}
	return syscall.Kill(r.process.pid, s)
}

// Restart kills the server if it runs and starts it again on the same port, with its data where it
// came from NewRedis.
func (r *Redis) Restart(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.kill(); err != nil {
		return err
	}
	return r.again(ctx)
}

// RestartEmpty is Restart with all data lost, as on a host whose disk was replaced.
func (r *Redis) RestartEmpty(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.kill(); err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(r.dir), os.Mkdir(r.dir, 0o700)); err != nil {
		return fmt.Errorf("removing the data of Redis: %w", err)
	}
	return r.again(ctx)
}

// FlushAll empties all databases of the running server.
func (r *Redis) FlushAll(ctx context.Context) error {
	client := r.client()
	defer client.Close()
	if err := client.FlushAll(ctx).Err(); err != nil {
		return fmt.Errorf("emptying Redis: %w", err)
	}
	return nil
}

// Close kills the server and removes its files.
func (r *Redis) Close() error {
	return errors.Join(r.Kill(), os.RemoveAll(r.dir))
}

func (r *Redis) running() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.process != nil && r.process.running()
}

func (r *Redis) kill() error {
	if r.process == nil {
		return nil
	}
	if err := r.process.stop(redisPatience, syscall.SIGKILL); err != nil {
		return fmt.Errorf("killing the private Redis: %w", err)
	}
	return nil
}

// again starts the server on the port that it had. An outgoing connection of some other program may
// hold that port for a moment.
func (r *Redis) again(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := r.run(ctx)
		if err == nil {
			return nil
		}
		if !errors.Is(err, errPortTaken) {
			return fmt.Errorf("restarting the private Redis: %w", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("restarting the private Redis on %s: %w", r.Addr(), err)
		case <-tick.C:
		}
	}
}

// run starts the server on its port and waits until it answers.
func (r *Redis) run(ctx context.Context) error {
	logName := filepath.Join(r.dir, "redis.log")
	log, err := newLog(logName)
	if err != nil {
		return err
	}
	defer log.Close()
	arguments, err := r.options.arguments(r.dir, r.port)
	if err != nil {
		return err
	}
	cmd := exec.Command(r.program, arguments...)
	cmd.Dir = r.dir
	cmd.Stdout, cmd.Stderr = log, log
	if r.process, err = startProcess(cmd, syscall.SIGKILL); err != nil {
		return err
	}
	if err := r.process.awaitReady(ctx, logName, "Address already in use", r.answers); err != nil {
		return errors.Join(err, r.kill())
	}
	return nil
}

// answers says whether this very server answers: another one may have come by the same port. It asks
// without the client's pool, which would report each refusal on standard error.
func (r *Redis) answers(ctx context.Context) bool {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", r.Addr())
	if err != nil {
		return false
	}
	_ = conn.Close()
	// The client heeds a context's deadline but not that it was cancelled: so it must not wait long.
	client := r.client()
	defer client.Close()
	info, err := client.Info(ctx, "server").Result()
	// While it loads its data it answers INFO but not PING.
	return err == nil && strings.Contains(info, "process_id:"+strconv.Itoa(r.process.pid)+"\r\n") &&
		client.Ping(ctx).Err() == nil
}

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gin-gonic/gin"
)

const (
	// loadConnections is how many callers ask at once.
	loadConnections = 16
	// loadSpan is for how long each side of a pair is loaded.
	loadSpan = 3 * time.Second
	// steadyRate is the requests a second at which the time of an answer is measured, and steadySpan for
	// how long.
	steadyRate = 200
	steadySpan = 10 * time.Second
	// registered is how many of the sample's extensions are registered.
	registered = 200
)

const statusPath = "/app/status/index.php"

// bareAnswer is what the bare handler sends: a status answer.
var bareAnswer = gin.H{
	"status": "success", "message": "System operational", "timestamp": "2024-01-15T10:30:00Z", "version": "5.3.8",
	"uptime": "7 days, 3 hours", "active_calls": 5, "total_extensions": 150, "registered_extensions": 142,
}

// serveBare is what status is compared with: a Gin handler that does nothing but answer.
func serveBare(addr string) error {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.GET(statusPath, func(c *gin.Context) { c.JSON(http.StatusOK, bareAnswer) })
	return e.Run(addr)
}

// status measures the status endpoint with token, whitelist and limit script on, beside a bare handler,
// and the time of its answers at a steady rate.
func (b *bench) status(ctx context.Context) error {
	if err := b.Switch.RegisterExtensions(ctx, b.Database, registered); err != nil {
		return err
	}
	p, err := b.start(ctx, "api")
	if err != nil {
		return err
	}
	defer p.stop()
	secret, err := b.newToken(ctx, "read")
	if err != nil {
		return err
	}
	bare, err := b.startBare(ctx)
	if err != nil {
		return err
	}
	defer bare.stop()
	ours := statusRequest(p.base, "Authorization: Bearer "+secret+"\r\n")
	theirs := statusRequest(bare.base, "")
	var ratios []float64
	for range pairs {
		status, err := load(ctx, ours)
		if err != nil {
			return err
		}
		plain, err := load(ctx, theirs)
		if err != nil {
			return err
		}
		fmt.Printf("# status %.0f/s, bare Gin handler %.0f/s\n", status, plain)
		ratios = append(ratios, status/plain)
	}
	figure("status_vs_bare_gin", median(ratios), "ratio")
	times, err := steady(ctx, ours)
	if err != nil {
		return err
	}
	figure("status_p99_ms_at_200_per_s", quantile(times, 0.99), "ms")
	return nil
}

// newToken makes a token of a scope by the command, as an owner would.
func (b *bench) newToken(ctx context.Context, scope string) (string, error) {
	cmd := exec.CommandContext(ctx, b.program, "token", "create", "--name", fmt.Sprintf("bench-%d", time.Now().UnixNano()), "--scope", scope, "--all-domains")
	cmd.Env = append(os.Environ(), b.env("127.0.0.1:1")...)
	output, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("making a token: %w", err)
	}
	return strings.TrimSpace(string(output)), nil
}

// startBare runs this program as the bare handler.
func (b *bench) startBare(ctx context.Context) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	addr, err := freeAddress()
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.CommandContext(ctx, self, "-bare", addr), base: "http://" + addr, ends: syscall.SIGKILL} // it has nothing to finish
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	ready := func(ctx context.Context) bool {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	}
	if err := waitUntil(ctx, ready); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return p, nil
}

// plainRequest is a request as bytes, and where it goes: a client that costs little, since it shares
// the processors with what it measures.
type plainRequest struct {
	addr  string
	bytes []byte
}

func statusRequest(base, headers string) plainRequest {
	addr := strings.TrimPrefix(base, "http://")
	return plainRequest{addr, []byte("GET " + statusPath + " HTTP/1.1\r\nHost: " + addr + "\r\n" + headers + "\r\n")}
}

// load asks on all connections as fast as answers come, and returns how many answers of 200 came a
// second. Any other answer is an error: a refusal is cheap.
func load(ctx context.Context, req plainRequest) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, loadSpan)
	defer cancel()
	var answered atomic.Int64
	errs := make([]error, loadConnections)
	var wg sync.WaitGroup
	began := time.Now()
	for i := range loadConnections {
		wg.Go(func() {
			errs[i] = req.connected(func(ask func() error) error {
				for ctx.Err() == nil {
					if err := ask(); err != nil {
						return err
					}
					answered.Add(1)
				}
				return nil
			})
		})
	}
	wg.Wait()
	return float64(answered.Load()) / time.Since(began).Seconds(), errors.Join(errs...)
}

// steady asks at steadyRate, each request at its time whether or not the ones before are answered, and
// returns the times from then to the answers, in milliseconds.
func steady(ctx context.Context, req plainRequest) ([]float64, error) {
	due := make(chan time.Time, steadyRate*int(steadySpan/time.Second))
	times := make([][]float64, loadConnections)
	errs := make([]error, loadConnections)
	var wg sync.WaitGroup
	for i := range loadConnections {
		wg.Go(func() {
			errs[i] = req.connected(func(ask func() error) error {
				for at := range due {
					if err := ask(); err != nil {
						return err
					}
					times[i] = append(times[i], milliseconds(time.Since(at)))
				}
				return nil
			})
		})
	}
	began := time.Now()
	var err error
	for n := range cap(due) {
		at := began.Add(time.Duration(n) * time.Second / steadyRate)
		if err = wait(ctx, time.Until(at)); err != nil {
			break
		}
		due <- at
	}
	close(due)
	wg.Wait()
	var all []float64
	for _, some := range times {
		all = append(all, some...)
	}
	return all, errors.Join(append(errs, err)...)
}

// connected gives f a way to ask on one kept connection.
func (req plainRequest) connected(f func(ask func() error) error) error {
	conn, err := net.Dial("tcp", req.addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	reader := bufio.NewReader(conn)
	return f(func() error {
		if _, err := conn.Write(req.bytes); err != nil {
			return err
		}
		return readOK(reader)
	})
}

// readOK reads one answer, which must be 200 and have a Content-Length.
func readOK(r *bufio.Reader) error {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return err
	}
	if status := string(line); !strings.HasPrefix(status, "HTTP/1.1 200 ") {
		return fmt.Errorf("the answer is %s", strings.TrimSpace(status))
	}
	length := 0
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		name, value, found := strings.Cut(strings.TrimSpace(string(line)), ":")
		if !found {
			break
		}
		if strings.EqualFold(name, "Content-Length") {
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				return err
			}
		}
	}
	_, err = io.CopyN(io.Discard, r, int64(length))
	return err
}

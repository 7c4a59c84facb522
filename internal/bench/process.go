package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// noLimit is a rate limit that no load here reaches: the limit script runs all the same.
	noLimit = "1000000000"
	// noBound is more bytes than all exports here have together.
	noBound = "1000GiB"
	// startPatience bounds the wait for a process to be ready.
	startPatience = 20 * time.Second
	// readyPoll is how often it is asked.
	readyPoll = 20 * time.Millisecond
)

// process is a trunkline process under measurement.
type process struct {
	cmd  *exec.Cmd
	base string
	ends syscall.Signal // what ends it
}

// start runs a trunkline command on the sample PBX, with settings besides the usual ones, and waits until
// it is ready.
func (b *bench) start(ctx context.Context, command string, settings ...string) (*process, error) {
	listen, err := freeAddress()
	if err != nil {
		return nil, err
	}
	logFile, err := os.CreateTemp(b.Dir, command+"-*.log")
	if err != nil {
		return nil, err
	}
	defer logFile.Close()
	p := &process{cmd: exec.CommandContext(ctx, b.program, command), base: "http://" + listen, ends: syscall.SIGTERM}
	p.cmd.Env = append(append(os.Environ(), b.env(listen)...), settings...)
	p.cmd.Stdout, p.cmd.Stderr = logFile, logFile
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s %s: %w; run make build first", b.program, command, err)
	}
	ready := p.answers
	if command == "worker" {
		ready = func(context.Context) bool {
			output, err := os.ReadFile(logFile.Name())
			return err == nil && strings.Contains(string(output), "worker started")
		}
	}
	if err := waitUntil(ctx, ready); err != nil {
		output, _ := os.ReadFile(logFile.Name())
		return nil, errors.Join(fmt.Errorf("%s %s is not ready: %w\n%s", b.program, command, err, output), p.stop())
	}
	return p, nil
}

// env are the settings of a trunkline on the sample PBX.
func (b *bench) env(listen string) []string {
	return append(b.Settings(listen),
		// The figures are of the work, not of the limits.
		"TRUNKLINE_RATE_LIMIT="+noLimit, "TRUNKLINE_RATE_LIMIT_GATEWAY="+noLimit, "TRUNKLINE_RATE_LIMIT_EXPORT="+noLimit,
		"TRUNKLINE_RATE_LIMIT_JOB="+noLimit, "TRUNKLINE_EXPORT_DOMAIN_BYTES="+noBound)
}

// freeAddress is a loopback address that nothing listens at.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// answers reports whether the front end is ready.
func (p *process) answers(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.base+"/readyz", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// waitUntil asks until a process is ready.
func waitUntil(ctx context.Context, ready func(context.Context) bool) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for !ready(ctx) {
		if err := wait(ctx, readyPoll); err != nil {
			return err
		}
	}
	return nil
}

func (p *process) stop() error {
	if err := p.cmd.Process.Signal(p.ends); err != nil {
		return err
	}
	err := p.cmd.Wait()
	if p.ends == syscall.SIGKILL {
		return nil // what a killed process answers is that it was killed
	}
	return err
}

// peakMemory is the most that the process ever had resident (VmHWM), in MB of 1,000,000 bytes.
func (p *process) peakMemory() (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, found := strings.CutPrefix(line, "VmHWM:"); found {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib * 1024 / 1e6, err
		}
	}
	return 0, errors.New("no VmHWM in the process's status")
}

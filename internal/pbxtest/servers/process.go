package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const (
	// portAttempts is how often a server is started on another port when the one chosen was taken by
	// somebody else between the choice and the start.
	portAttempts = 10
	// readyTimeout bounds a server's start.
	readyTimeout = time.Minute
	// pollEvery is how often a server that starts is asked whether it answers.
	pollEvery = 10 * time.Millisecond
)

// errPortTaken says that somebody else took the port that was free a moment ago.
var errPortTaken = errors.New("the port is taken")

// process is a running server.
type process struct {
	pid  int
	gone chan struct{} // closed once the process has ended and was waited for
	err  error         // how it ended; to be read after gone
}

// startProcess starts cmd in a process group of its own, so that a Ctrl-C in the terminal reaches
// this program alone, which then stops the server in its own time. If this program dies, the kernel
// sends the server deathSignal.
func startProcess(cmd *exec.Cmd, deathSignal syscall.Signal) (*process, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	signalOnDeath(cmd.SysProcAttr, deathSignal)

	p := &process{gone: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel means the death of the thread that started the process, not of the program: so
		// this thread must live as long as the process.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		p.pid = cmd.Process.Pid
		started <- nil
		p.err = cmd.Wait()
		close(p.gone)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

func (p *process) running() bool {
	select {
	case <-p.gone:
		return false
	default:
		return true
	}
}

// stop sends the signals one after the other, each after the time that the one before was given,
// until the process is gone.
func (p *process) stop(patience time.Duration, signals ...syscall.Signal) error {
	for _, signal := range signals {
		if !p.running() {
			return nil
		}
		if err := syscall.Kill(p.pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stopping process %d: %w", p.pid, err)
		}
		select {
		case <-p.gone:
			return nil
		case <-time.After(patience):
		}
	}
	return fmt.Errorf("process %d does not stop", p.pid)
}

// awaitReady asks the server until it answers. Where the server ends first and its log holds the words
// portTaken, the error is errPortTaken.
func (p *process) awaitReady(ctx context.Context, log, portTaken string, answers func(context.Context) bool) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	// Whoever holds the port in the server's place may keep a question waiting for ever.
	asking, giveUp := context.WithCancel(ctx)
	defer giveUp()
	go func() {
		defer giveUp()
		select {
		case <-p.gone:
		case <-asking.Done():
		}
	}()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for !answers(asking) {
		select {
		case <-p.gone:
			said := tail(log)
			if strings.Contains(said, portTaken) {
				return errPortTaken
			}
			return fmt.Errorf("the server ended: %s", said)
		case <-ctx.Done():
			return fmt.Errorf("the server does not answer: %w: %s", ctx.Err(), tail(log))
		case <-tick.C:
		}
	}
	return nil
}

// killGroup ends the process and those that it started, and waits for it.
func (p *process) killGroup() {
	_ = syscall.Kill(-p.pid, syscall.SIGKILL)
	<-p.gone
}

// freePort returns a port of 127.0.0.1 that nobody listens on at this moment.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("looking for a free port: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

// newLog opens an empty log for a server's standard output and error, so that what one start wrote is
// not taken for the next one's.
func newLog(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening a server's log: %w", err)
	}
	return f, nil
}

// tail returns the end of a server's log, for an error message.
func tail(path string) string {
	const most = 1500 // bytes: some fifteen lines
	b, err := os.ReadFile(path)
	if err != nil {
		return "(no log)"
	}
	if len(b) > most {
		b = b[len(b)-most:]
	}
	return string(b)
}

package pbxtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// programs is the folder of the programs that MainWith built.
var programs string

// MainWith is Main for tests that run programs of ours, since what is killed has to be a real process. It
// builds them first: trunkline for cmd/trunkline.
func MainWith(m *testing.M, names ...string) int {
	dir, err := os.MkdirTemp("", "trunkline-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	programs = dir
	args := []string{"build", "-o", dir + "/"}
	for _, name := range names {
		args = append(args, "trunkline/cmd/"+name)
	}
	build := exec.Command("go", args...)
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "building the programs under test:", err)
		return 1
	}
	return Main(m)
}

// Program is the path of a program that MainWith built.
func Program(name string) string { return filepath.Join(programs, name) }

// Process is a program that MainWith built, at work.
type Process struct {
	*exec.Cmd
	Log  *LogBuffer // what it wrote on both of its outputs
	once sync.Once
}

// StartProgram starts a program that MainWith built, which runs until the test ends, or it is killed. env is its whole
// environment; nil stands for that of the tests.
func StartProgram(t testing.TB, env []string, name string, args ...string) *Process {
	t.Helper()
	return startCommand(t, env, exec.Command(Program(name), args...))
}

// Tool is the path of a program that this machine has to have, which is in that package of Debian's.
func Tool(t testing.TB, name, debianPackage string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is not installed: `make test` installs it on Debian and Ubuntu; by hand: apt-get install %s; elsewhere install %[1]s so that it is in PATH", name, debianPackage)
	}
	return path
}

// StartTraced is StartProgram with strace writing the program's calls of one kind, such as sendfile, into a file at the
// path, a line each.
func StartTraced(t testing.TB, calls, path string, env []string, name string, args ...string) *Process {
	t.Helper()
	strace := Tool(t, "strace", "strace")
	// With -D the process that is started is the program itself, and ends as the others do.
	traced := append([]string{"-D", "-f", "-qq", "-e", "trace=" + calls, "-e", "signal=none", "-o", path, Program(name)}, args...)
	return startCommand(t, env, exec.Command(strace, traced...))
}

func startCommand(t testing.TB, env []string, command *exec.Cmd) *Process {
	t.Helper()
	p := &Process{Cmd: command, Log: &LogBuffer{}}
	p.Env = env
	p.Stdout, p.Stderr = p.Log, p.Log
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

// endPatience is how long a process may take to end that was asked to.
const endPatience = 2 * time.Minute

// Wait waits until the process has ended. One that does not end writes into its log where it stands, and fails.
func (p *Process) Wait() error {
	stuck := time.AfterFunc(endPatience, func() { _ = p.Process.Signal(syscall.SIGQUIT) })
	defer stuck.Stop()
	return p.Cmd.Wait()
}

// Kill is kill -9. What the process answers is what a killed one does.
func (p *Process) Kill() {
	p.once.Do(func() {
		_ = p.Process.Kill()
		_ = p.Wait()
	})
}

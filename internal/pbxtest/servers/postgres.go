package servers

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	superuser = "postgres"
	// owner owns every database made by CreateDatabase. It is no superuser, so that nothing under
	// test comes to need one.
	owner = "fusionpbx"

	postgresPatience = 10 * time.Second // for each way of asking Postgres to stop
)

// postgresServer is a private Postgres.
type postgresServer struct {
	programs programs
	account  *syscall.Credential // that it runs under; nil is this program's own
	home     string              // the account's folder; the data folder is in it
	durable  bool
	password string // of both roles

	process *process
	port    int
}

// startPostgres makes a data folder in dir and starts a server on it.
func startPostgres(ctx context.Context, p programs, dir string, durable bool) (*postgresServer, error) {
	s, err := newPostgres(p, dir, durable)
	if err != nil {
		return nil, err
	}
	if err := s.initdb(ctx); err != nil {
		return nil, err
	}
	for range portAttempts {
		if s.port, err = freePort(); err != nil {
			break
		}
		if err = s.run(ctx); !errors.Is(err, errPortTaken) {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("starting a private Postgres: %w", err)
	}
	err = execIn(ctx, s.url("postgres", superuser), "creating the role that owns the databases",
		"create role "+owner+" login password "+quoteLiteral(s.password))
	if err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

// newPostgres prepares the folder for a server that is to run under an account of its own.
func newPostgres(p programs, dir string, durable bool) (*postgresServer, error) {
	account, err := unprivileged()
	if err != nil {
		return nil, err
	}
	s := &postgresServer{programs: p, account: account, home: filepath.Join(dir, "postgres"), durable: durable, password: rand.Text()}
	if err := os.Mkdir(s.home, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of Postgres: %w", err)
	}
	if account == nil {
		return s, nil
	}
	// The account needs to pass through the folder above, not to list it.
	if err := errors.Join(os.Chmod(dir, 0o711), s.give(s.home)); err != nil {
		return nil, fmt.Errorf("giving the folder of Postgres to the account that runs it: %w", err)
	}
	return s, nil
}

// unprivileged returns the account under which Postgres runs, nil for this program's own. Postgres
// refuses to run as root.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		account, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.ParseUint(account.Uid, 10, 32)
		gid, errGID := strconv.ParseUint(account.Gid, 10, 32)
		if err := errors.Join(errUID, errGID); err != nil {
			return nil, fmt.Errorf("reading the account %s: %w", name, err)
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("root may not run Postgres, and there is no account postgres or nobody to run it: run as another user")
}

// give makes the server's account the owner of a file.
func (s *postgresServer) give(path string) error {
	if s.account == nil {
		return nil
	}
	return os.Chown(path, int(s.account.Uid), int(s.account.Gid))
}

// start starts a program of Postgres under the server's account. What it prints goes to the log.
func (s *postgresServer) start(deathSignal syscall.Signal, program string, args ...string) (*process, error) {
	log, err := newLog(s.log())
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(program, args...)
	cmd.Dir = s.home // this program's own folder may be closed to the account
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.home, "LC_ALL=C.UTF-8", "TZ=UTC"}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.account}
	return startProcess(cmd, deathSignal)
}

func (s *postgresServer) log() string  { return filepath.Join(filepath.Dir(s.home), "postgres.log") }
func (s *postgresServer) data() string { return filepath.Join(s.home, "data") }

func (s *postgresServer) initdb(ctx context.Context) error {
	passwordFile := filepath.Join(s.home, "password")
	err := errors.Join(os.WriteFile(passwordFile, []byte(s.password+"\n"), 0o600), s.give(passwordFile))
	if err != nil {
		return fmt.Errorf("writing the password for initdb: %w", err)
	}
	defer os.Remove(passwordFile)
	p, err := s.start(syscall.SIGKILL, s.programs.initdb,
		"--pgdata="+s.data(), "--username="+superuser, "--pwfile="+passwordFile, "--auth=scram-sha-256",
		"--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("running initdb as another account, since root may not: %w: the folder above %s (TMPDIR where none was chosen) must be one that every account can enter", err, filepath.Dir(s.home))
	}
	if err != nil {
		return fmt.Errorf("running initdb: %w", err)
	}
	select {
	case <-p.gone:
	case <-ctx.Done():
		p.killGroup()
		return fmt.Errorf("making a private Postgres: %w", ctx.Err())
	}
	if p.err != nil {
		return fmt.Errorf("making a private Postgres with initdb: %w: %s", p.err, tail(s.log()))
	}
	return nil
}

// run starts the server on its port and waits until it answers.
func (s *postgresServer) run(ctx context.Context) error {
	p, err := s.start(syscall.SIGQUIT, s.programs.postgres, s.settings()...)
	if err != nil {
		return err
	}
	s.process = p
	if err := p.awaitReady(ctx, s.log(), "could not bind", s.answers); err != nil {
		return errors.Join(err, s.stop())
	}
	return nil
}

// settings are the server's arguments.
func (s *postgresServer) settings() []string {
	set := []string{
		"listen_addresses=127.0.0.1", "port=" + strconv.Itoa(s.port),
		"unix_socket_directories=", // a path in a temporary folder can be too long for a socket
		"max_connections=200", "timezone=UTC", "log_timezone=UTC", "logging_collector=off",
	}
	if !s.durable {
		set = append(set, "fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off",
			"shared_buffers=64MB", "max_wal_size=4GB")
	}
	args := []string{"-D", s.data()}
	for _, setting := range set {
		args = append(args, "-c", setting)
	}
	return args
}

// answers says whether the server lets the superuser in. Another server on the same port would refuse
// the password.
func (s *postgresServer) answers(ctx context.Context) bool {
	conn, err := pgx.Connect(ctx, s.url("postgres", superuser))
	if err != nil {
		return false
	}
	return conn.Close(ctx) == nil
}

// url is the URL of a database for one of the two roles.
func (s *postgresServer) url(database, role string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(role, s.password),
		Host: "127.0.0.1:" + strconv.Itoa(s.port), Path: "/" + database, RawQuery: "sslmode=disable",
	}
	return u.String()
}

// stop shuts the server down, breaking off its connections: first in order, then at once.
func (s *postgresServer) stop() error {
	if s.process == nil {
		return nil
	}
	if err := s.process.stop(postgresPatience, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL); err != nil {
		return fmt.Errorf("stopping the private Postgres: %w", err)
	}
	return nil
}

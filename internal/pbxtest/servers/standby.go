package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Standby is a physical standby of a Pair's Postgres, which streams from it and answers questions.
type Standby struct{ server *postgresServer }

// NewStandby copies the Postgres, with all of its databases, and starts the copy as a standby of it. Close stops it too.
func (s *Pair) NewStandby(ctx context.Context) (*Standby, error) {
	dir := s.newDir("standby")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of a standby: %w", err)
	}
	server, err := newPostgres(s.programs, dir, s.postgres.durable)
	if err != nil {
		return nil, err
	}
	server.password = s.postgres.password
	if err := server.copyOf(ctx, s.postgres); err != nil {
		return nil, err
	}
	for range portAttempts {
		if server.port, err = freePort(); err != nil {
			break
		}
		if err = server.run(ctx); !errors.Is(err, errPortTaken) {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("starting a standby: %w", err)
	}
	standby := &Standby{server}
	return standby, s.own(standby)
}

// copyOf fills the data folder with a copy of the primary's, which is set up to stream from it.
func (s *postgresServer) copyOf(ctx context.Context, primary *postgresServer) error {
	// It stands beside the server itself, to which a link may lead.
	real, err := filepath.EvalSymlinks(s.programs.postgres)
	if err != nil {
		return fmt.Errorf("looking for pg_basebackup: %w", err)
	}
	p, err := s.start(syscall.SIGKILL, filepath.Join(filepath.Dir(real), "pg_basebackup"), "--dbname="+primary.url("postgres", superuser),
		"--pgdata="+s.data(), "--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync")
	if err != nil {
		return fmt.Errorf("running pg_basebackup: %w", err)
	}
	select {
	case <-p.gone:
	case <-ctx.Done():
		p.killGroup()
		return fmt.Errorf("copying Postgres: %w", ctx.Err())
	}
	if p.err != nil {
		return fmt.Errorf("copying Postgres with pg_basebackup: %w: %s", p.err, tail(s.log()))
	}
	return nil
}

// URL is the URL of a database, whose user is that of the primary's.
func (s *Standby) URL(database string) string { return s.server.url(database, owner) }

// AdminURL is the URL of the maintenance database, as the superuser.
func (s *Standby) AdminURL() string { return s.server.url("postgres", superuser) }

// Stop stops the standby, breaking off its connections; Restart starts it again.
func (s *Standby) Stop() error { return s.server.stop() }

// Restart starts a standby that was stopped on its port again.
func (s *Standby) Restart(ctx context.Context) error { return s.server.run(ctx) }

// Close stops the standby.
func (s *Standby) Close() error { return s.server.stop() }

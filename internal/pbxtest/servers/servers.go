// Package servers runs servers of our own on free loopback ports of this machine, gone when they are
// closed or their program dies: Postgres with FusionPBX's tables, Redis, Redis with Sentinels, nginx, S3; and
// makes the certificates that go with them. It is for the demo, measurements and tests, and imports no
// package testing: what a test asks for is in pbxtest.
package servers

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
)

// Options says where and how the private servers run. The zero value is what tests want.
type Options struct {
	// Dir is the folder in which the servers' own folder is made; empty means the system's temporary
	// folder. Where this program runs as root, Postgres runs as another account, which must be able to
	// enter Dir: what os.MkdirTemp makes is closed to it.
	Dir string
	// Durable runs Postgres with the settings that it ships with (fsync, autovacuum), as a
	// production server does. Without it a crash of the machine may lose data, and everything is
	// faster. For the demo and for measurements.
	Durable bool
}

// Pair is a private Postgres and a private Redis, each on a free port of 127.0.0.1, with all their
// files in one folder.
type Pair struct {
	folder   *Folder
	programs programs
	postgres *postgresServer
	redis    *Redis

	mu        sync.Mutex
	templates map[template]string // names of the template databases made so far
	extra     []io.Closer         // made by NewRedis, NewSentinels and NewStandby
	closed    bool
}

// Start starts both servers and waits until they answer. It takes a second or two, most of it
// initdb's.
//
// The context bounds the start only: when it ends before the servers answer, they are stopped and
// their folder is removed. Afterwards they run until Close; if this process dies without calling it,
// the kernel stops them, and the folder is removed by the next Start.
//
// The error says what to install if a server is missing or too old.
func Start(ctx context.Context, o Options) (*Pair, error) {
	programs, err := findPrograms()
	if err != nil {
		return nil, err
	}
	folder, err := NewFolder(o.Dir, folderPrefix)
	if err != nil {
		return nil, err
	}
	s := &Pair{folder: folder, programs: programs, templates: make(map[template]string)}
	if err := s.start(ctx, o); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// start starts Redis while initdb works, since Postgres takes the longer.
func (s *Pair) start(ctx context.Context, o Options) error {
	redisDone := make(chan error, 1)
	go func() {
		var err error
		s.redis, err = startRedis(ctx, s.programs, filepath.Join(s.folder.Path, "redis"), redisOptions{})
		redisDone <- err
	}()
	var err error
	s.postgres, err = startPostgres(ctx, s.programs, s.folder.Path, o.Durable)
	return errors.Join(err, <-redisDone)
}

// AdminURL is the URL of the maintenance database, as the superuser. What is under test uses the URL
// of its own database instead, whose user owns that database and is no superuser.
func (s *Pair) AdminURL() string { return s.postgres.url("postgres", superuser) }

// RedisAddr is the host:port of the shared Redis. Its databases are numbered from 0 to
// RedisDatabases-1, and it never evicts keys.
func (s *Pair) RedisAddr() string { return s.redis.Addr() }

// RedisURL is the URL of one of the databases of the shared Redis.
func (s *Pair) RedisURL(database int) string { return s.redis.url(database) }

// NewRedis starts another private Redis, to be killed, restarted or emptied. Close stops it too.
func (s *Pair) NewRedis(ctx context.Context, opts ...RedisOption) (*Redis, error) {
	o := redisOptions{persistent: true}
	for _, opt := range opts {
		opt(&o)
	}
	r, err := startRedis(ctx, s.programs, s.newDir("redis"), o)
	if err != nil {
		return nil, err
	}
	return r, s.own(r)
}

// RestartPostgres stops Postgres, breaking off its connections, and starts it again.
func (s *Pair) RestartPostgres(ctx context.Context) error {
	return errors.Join(s.postgres.stop(), s.postgres.run(ctx))
}

// newDir names a folder of its own for another server.
func (s *Pair) newDir(kind string) string {
	return filepath.Join(s.folder.Path, kind+"-"+rand.Text())
}

// own has Close stop another server too. Where the servers are closed it stops at once.
func (s *Pair) own(server io.Closer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errors.Join(errors.New("starting another server: the servers are closed"), server.Close())
	}
	s.extra = append(s.extra, server)
	return nil
}

// Close stops the servers, waits until they are gone and removes their folder. Open connections are
// broken off. A second call does nothing.
func (s *Pair) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	extra := s.extra
	s.mu.Unlock()

	var errs []error
	for _, server := range extra {
		errs = append(errs, server.Close())
	}
	if s.redis != nil {
		errs = append(errs, s.redis.Close())
	}
	if s.postgres != nil {
		errs = append(errs, s.postgres.stop())
	}
	if err := s.folder.Remove(); err != nil {
		errs = append(errs, fmt.Errorf("removing the folder of the private servers: %w", err))
	}
	return errors.Join(errs...)
}

// Dir is the folder that holds all files of the servers; Close removes it.
func (s *Pair) Dir() string { return s.folder.Path }

package servers

import (
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// RedisOption changes how NewRedis runs a Redis.
type RedisOption func(*redisOptions)

type redisOptions struct {
	// persistent has on disk what was acknowledged, so that a restart after a kill finds it again.
	persistent bool
	password   string
	policy     string // maxmemory-policy; noeviction if empty
	tls        *redisTLS
	replicaOf  int    // the port of the primary
	sentinel   string // what a Sentinel's configuration holds; it is a Redis if empty
}

// WithPassword has the Redis ask for a password.
func WithPassword(password string) RedisOption {
	return func(o *redisOptions) { o.password = password }
}

// WithPolicy runs the Redis with another maxmemory-policy than noeviction.
func WithPolicy(policy string) RedisOption {
	return func(o *redisOptions) { o.policy = policy }
}

// WithTLS has the Redis speak nothing but TLS, with a certificate that the authority signs for these
// names and addresses: if there are none, for 127.0.0.1 and localhost.
func WithTLS(a *Authority, names ...string) RedisOption {
	if len(names) == 0 {
		names = []string{"127.0.0.1", "localhost"}
	}
	return func(o *redisOptions) { o.tls = &redisTLS{a, names} }
}

// redisTLS is what a server shows to its clients.
type redisTLS struct {
	authority *Authority
	names     []string
}

// client is the TLS of the server's clients, nil without TLS.
func (s *redisTLS) client() *tls.Config {
	if s == nil {
		return nil
	}
	return &tls.Config{RootCAs: s.authority.pool, ServerName: s.names[0], MinVersion: tls.VersionTLS12}
}

// arguments are those of redis-server for its port.
func (s *redisTLS) arguments(dir string, port int) ([]string, error) {
	if s == nil {
		return []string{"--port", strconv.Itoa(port)}, nil
	}
	certificate, key, err := s.authority.Issue(dir, s.names...)
	if err != nil {
		return nil, err
	}
	return []string{"--port", "0", "--tls-port", strconv.Itoa(port), "--tls-auth-clients", "no", "--tls-replication", "yes",
		"--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", s.authority.CAFile()}, nil
}

// arguments are those of redis-server. What they name in dir is made.
func (o redisOptions) arguments(dir string, port int) ([]string, error) {
	arguments, err := o.tls.arguments(dir, port)
	if err != nil {
		return nil, err
	}
	arguments = append(arguments, "--bind", "127.0.0.1", "--dir", dir, "--daemonize", "no")
	if o.sentinel != "" {
		config, err := o.sentinelFile(dir)
		return append([]string{config, "--sentinel"}, arguments...), err
	}
	policy, appendOnly := o.policy, "no"
	if policy == "" {
		policy = "noeviction"
	}
	if o.persistent {
		appendOnly = "yes"
	}
	arguments = append(arguments, "--databases", strconv.Itoa(RedisDatabases), "--save", "",
		"--appendonly", appendOnly, "--maxmemory-policy", policy,
		// A replica is there at once, and its primary notices that it is.
		"--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")
	if o.password != "" {
		arguments = append(arguments, "--requirepass", o.password, "--masterauth", o.password)
	}
	if o.replicaOf != 0 {
		arguments = append(arguments, "--replicaof", "127.0.0.1 "+strconv.Itoa(o.replicaOf))
	}
	return arguments, nil
}

// sentinelFile writes the configuration once: a Sentinel keeps what it knows in that file.
func (o redisOptions) sentinelFile(dir string) (string, error) {
	config := filepath.Join(dir, "sentinel.conf")
	if _, err := os.Stat(config); err == nil {
		return config, nil
	}
	if err := os.WriteFile(config, []byte(o.sentinel), 0o600); err != nil {
		return "", fmt.Errorf("configuring a Sentinel: %w", err)
	}
	return config, nil
}

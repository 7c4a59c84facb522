package pbxtest

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
	policy     string // maxmemory-policy; noeviction where empty
	tls        *Authority
	replicaOf  int    // the port of the primary
	sentinel   string // what a Sentinel's configuration holds; it is a Redis where empty
}

// WithPassword has the Redis ask for a password.
func WithPassword(password string) RedisOption {
	return func(o *redisOptions) { o.password = password }
}

// WithPolicy runs the Redis with another maxmemory-policy than noeviction.
func WithPolicy(policy string) RedisOption {
	return func(o *redisOptions) { o.policy = policy }
}

// WithTLS has the Redis speak nothing but TLS, with a certificate that the authority signs for
// 127.0.0.1 and localhost.
func WithTLS(a *Authority) RedisOption {
	return func(o *redisOptions) { o.tls = a }
}

// arguments are those of redis-server. What they name in dir is made.
func (o redisOptions) arguments(dir string, port int) ([]string, error) {
	if o.sentinel != "" {
		return o.sentinelArguments(dir, port)
	}
	policy, appendOnly, plain := o.policy, "no", port
	if policy == "" {
		policy = "noeviction"
	}
	if o.persistent {
		appendOnly = "yes"
	}
	if o.tls != nil {
		plain = 0
	}
	arguments := []string{"--bind", "127.0.0.1", "--port", strconv.Itoa(plain),
		"--dir", dir, "--databases", strconv.Itoa(RedisDatabases), "--save", "",
		"--appendonly", appendOnly, "--maxmemory-policy", policy, "--daemonize", "no",
		// A replica is there at once, and its primary notices that it is.
		"--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"}
	if o.password != "" {
		arguments = append(arguments, "--requirepass", o.password, "--masterauth", o.password)
	}
	if o.replicaOf != 0 {
		arguments = append(arguments, "--replicaof", "127.0.0.1 "+strconv.Itoa(o.replicaOf))
	}
	if o.tls != nil {
		certificate, key, err := o.tls.Issue(dir, "127.0.0.1", "localhost")
		if err != nil {
			return nil, err
		}
		arguments = append(arguments, "--tls-port", strconv.Itoa(port), "--tls-auth-clients", "no",
			"--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", o.tls.CAFile())
	}
	return arguments, nil
}

// sentinelArguments writes the configuration once: a Sentinel keeps what it knows in that file.
func (o redisOptions) sentinelArguments(dir string, port int) ([]string, error) {
	config := filepath.Join(dir, "sentinel.conf")
	if _, err := os.Stat(config); err != nil {
		if err := os.WriteFile(config, []byte(o.sentinel), 0o600); err != nil {
			return nil, fmt.Errorf("configuring a Sentinel: %w", err)
		}
	}
	return []string{config, "--sentinel", "--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--dir", dir, "--daemonize", "no"}, nil
}

// client is the TLS of the server's clients, nil without TLS.
func (a *Authority) client() *tls.Config {
	if a == nil {
		return nil
	}
	return &tls.Config{RootCAs: a.pool, MinVersion: tls.VersionTLS12}
}

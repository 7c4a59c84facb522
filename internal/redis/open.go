// Package redis opens the Redis that carries tasks (at its address, over TLS, or through Sentinels) and
// checks whether it can. It knows the server and its URL, and nothing of what the packages that use the
// client keep there.
package redis

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// Options says which Redis, and how long to wait for it.
type Options struct {
	// URL is one that CheckURL takes.
	URL string
	// CAFile holds the certificates, PEM, by one of which the servers' must be signed; "": the system's.
	CAFile string
	// Timeout bounds dialling, reading and writing, each: a Redis that hangs must not hang a caller.
	Timeout time.Duration
	// Log gets the client's own messages. They have one place in a process: the Log of the last Open.
	Log *slog.Logger
}

// Open returns a client; it connects when it is first used. A command ends with its context at the latest.
//
// Through Sentinels, each new connection goes to the one that they say is the primary by then, and a
// command that meets the old one (gone, or a replica by now) is tried again on a new connection.
func Open(o Options) (goredis.UniversalClient, error) {
	options, err := parse(o.URL)
	if err != nil {
		return nil, fmt.Errorf("TRUNKLINE_REDIS_URL: %w", err)
	}
	if o.CAFile != "" {
		if err := trust(options.TLSConfig, o.CAFile); err != nil {
			return nil, fmt.Errorf("TRUNKLINE_REDIS_CA: %w", err)
		}
	}
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout = o.Timeout, o.Timeout, o.Timeout
	options.DialerRetries = 1 // a command is tried several times, and each try asks again where the primary is
	options.ContextTimeoutEnabled = true
	// Nothing here needs what version 3 adds, and with it the client looks for pushed messages before each reply.
	options.Protocol = 2
	goredis.SetLogger(logger{o.Log})
	client := goredis.NewUniversalClient(options)
	client.AddHook(denials{})
	return client, nil
}

// trust makes the file's certificates those that sign the servers'; c is nil without TLS.
func trust(c *tls.Config, caFile string) error {
	if c == nil {
		return errors.New("it is set, and TRUNKLINE_REDIS_URL asks for no TLS; write rediss:// or rediss-sentinel:// there, or remove this setting")
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return fmt.Errorf("%w; name a file of certificates (PEM) that can be read", err)
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		return fmt.Errorf("%s holds no certificate; it must be a file of certificates (PEM)", caFile)
	}
	return nil
}

// logger sends the client's own messages to our log.
type logger struct{ log *slog.Logger }

func (l logger) Printf(_ context.Context, format string, args ...any) {
	l.log.Debug(fmt.Sprintf(format, args...), "from", "redis")
}

package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strconv"
	"strings"

	goredis "github.com/redis/go-redis/v9"
)

const (
	// minVersion is the oldest major version of Redis that is supported.
	minVersion = 7
	// noEviction is the only policy under which Redis drops no task.
	noEviction = "noeviction"
)

// ErrMisconfigured is in the errors of a Redis that answers, and that cannot be used before its settings
// or ours are changed. Other errors may pass by themselves.
var ErrMisconfigured = errors.New("this Redis, or what is set about it, has to be changed")

type misconfigured struct{ error }

func (m misconfigured) Is(target error) bool { return target == ErrMisconfigured }
func (m misconfigured) Unwrap() error        { return m.error }

// Info is what Redis says of itself.
type Info struct {
	Version string // such as 7.0.15; "" if its user may not run INFO
	Policy  string // its maxmemory-policy; "" if it does not say
	Role    string // master or slave
	Appends bool   // it keeps an append-only file
}

// Warning is what an operator must be told of a Redis that can be used, "" if there is nothing.
func (i Info) Warning() string {
	switch {
	case i.Version == "":
		return fmt.Sprintf("its user may not run INFO, so that neither its version (%d or later is needed) nor its maxmemory-policy (%s) can be checked; allow it: ACL SETUSER name +info", minVersion, noEviction)
	case i.Policy == "":
		return "it does not say which maxmemory-policy it has; see to it that it is " + noEviction + ", or Redis may drop queued tasks"
	case i.Policy != noEviction:
		return fmt.Sprintf("maxmemory-policy is %s, so that Redis may drop queued tasks; set it to %s in redis.conf", i.Policy, noEviction)
	}
	return ""
}

// Check asks Redis what it is. The error is ErrMisconfigured if it is too old, refuses the user or the
// password, or shows a certificate that is not accepted, but not if it is away or a replica. Errors say
// what to do and hold no password.
func Check(ctx context.Context, client goredis.UniversalClient) (Info, error) {
	// All of it: an old Redis takes no list of sections.
	text, err := client.Info(ctx).Result()
	if goredis.HasErrorPrefix(err, "NOPERM") {
		return Info{}, Ping(ctx, client)
	}
	if err != nil {
		return Info{}, explain(err)
	}
	info := readInfo(text)
	major, _, _ := strings.Cut(info.Version, ".")
	if number, err := strconv.Atoi(major); err != nil || number < minVersion {
		return info, misconfigured{fmt.Errorf("the Redis there has version %q, and %d or later is needed; update it", info.Version, minVersion)}
	}
	if info.Role == "slave" {
		return info, errors.New("the Redis there is a replica, which takes no tasks; put the primary's address into TRUNKLINE_REDIS_URL, or have Sentinels tell it: redis-sentinel://host:port,host:port/number?master=NAME")
	}
	return info, nil
}

// readInfo reads the answer to INFO, lines of name:value.
func readInfo(text string) Info {
	said := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		said[name] = value
	}
	return Info{Version: said["redis_version"], Policy: said["maxmemory_policy"], Role: said["role"], Appends: said["aof_enabled"] == "1"}
}

// Ping asks Redis for an answer. Its errors are those of Check.
func Ping(ctx context.Context, client goredis.UniversalClient) error {
	return explain(client.Ping(ctx).Err())
}

// explain adds what to do.
func explain(err error) error {
	certificate, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	_, plain := errors.AsType[tls.RecordHeaderError](err)
	switch {
	case err == nil:
		return nil
	case untrusted:
		return misconfigured{fmt.Errorf("its certificate is not accepted: %w; put the authority that signed it into TRUNKLINE_REDIS_CA, and name the host in TRUNKLINE_REDIS_URL as the certificate does", certificate.Err)}
	case plain:
		return misconfigured{errors.New("what answers there does not speak TLS; give the tls-port in TRUNKLINE_REDIS_URL, or write redis:// or redis-sentinel:// for a connection without TLS")}
	case strings.Contains(err.Error(), "remote error: tls:"):
		return misconfigured{fmt.Errorf("it broke off the TLS handshake: %w; see that it takes TLS 1.2 or later and asks for no certificate of ours (tls-auth-clients no)", err)}
	case goredis.HasErrorPrefix(err, "WRONGPASS"), goredis.HasErrorPrefix(err, "NOAUTH"), goredis.HasErrorPrefix(err, "invalid password"):
		return misconfigured{fmt.Errorf("user or password are refused: %w; correct them in TRUNKLINE_REDIS_URL, those of Sentinels as sentinel_username and sentinel_password", err)}
	case goredis.HasErrorPrefix(err, "NOPERM"):
		return misconfigured{fmt.Errorf("its user may not do what is needed: %w; allow it with ACL SETUSER", err)}
	case errors.Is(err, errDenied):
		return errDenied
	case goredis.HasErrorPrefix(err, "DB index is out of range"):
		return misconfigured{errors.New("it has no database of that number; give a lower one in TRUNKLINE_REDIS_URL, or raise databases in redis.conf")}
	case errors.Is(err, goredis.Nil):
		return misconfigured{errors.New("no Sentinel knows a primary of that name; give the one of their sentinel monitor line as master= in TRUNKLINE_REDIS_URL")}
	}
	return fmt.Errorf("it does not answer: %w; check TRUNKLINE_REDIS_URL and that Redis runs", err)
}

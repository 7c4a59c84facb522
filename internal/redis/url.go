package redis

import (
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	goredis "github.com/redis/go-redis/v9"
)

// The ports of a Redis and of a Sentinel if the URL has none.
const (
	redisPort    = "6379"
	sentinelPort = "26379"
)

// What can be wrong with a URL. None of them quotes the URL: what it quoted could be a part of the
// password.
var (
	errScheme     = errors.New("its scheme is unknown; write redis://user:password@host:port/number, or rediss://, redis-sentinel:// or rediss-sentinel:// (docs/redis.md)")
	errCharacters = errors.New("it holds a space, a control character or a #; write such a character of a password as %XX")
	errEscape     = errors.New("it holds a % that is not the beginning of %XX; write a % of a password as %25")
	errNoPassword = errors.New("there is no password before the @; write user:password@, or :password@ if there is no user")
	errNoHost     = errors.New("there is no host in it, or an empty one in its list; write host:port, and special characters of a password as %XX")
	errHost       = errors.New("its host is neither a name nor an address; write an IPv6 address in [], and special characters of a password as %XX")
	errPort       = errors.New("its port is not a number from 1 to 65535; write host:port, an IPv6 address in [], and special characters of a password as %XX")
	errOneHost    = errors.New("it has several hosts, which only Sentinels may be; write redis-sentinel://host:port,host:port/number?master=NAME for those")
	errDatabase   = errors.New("what follows the host is not the number of a database; write /0, or leave it out, and write special characters of a password as %XX")
	errParameters = errors.New("there are parameters behind a ?, of which redis:// and rediss:// have none; take them out, and write a ? of a password as %3F")
	errParameter  = errors.New("it has an unknown parameter; the parameters of Sentinels are master, sentinel_username and sentinel_password")
	errTwice      = errors.New("it has a parameter twice; write each once")
	errEmpty      = errors.New("it has a parameter without a value; write one, or take the parameter out")
	errMaster     = errors.New("it does not say which primary the Sentinels watch; add ?master=NAME, the name in their sentinel monitor line")
	errSentinel   = errors.New("it has a sentinel_username and no sentinel_password; add that, or take the user out")
)

// CheckURL returns what is wrong with the URL of a Redis, and how to write it; the error holds nothing of it.
// It is redis://user:password@host:port/number, rediss:// for TLS, or
// redis-sentinel://user:password@host:port,host:port/number?master=NAME with the addresses of the
// Sentinels, rediss-sentinel:// for TLS to them and to Redis. User and password are Redis's;
// sentinel_username and sentinel_password are the Sentinels'.
func CheckURL(raw string) error {
	_, err := parse(raw)
	return err
}

// parse reads a URL by hand: package net/url takes no list of hosts, as Sentinels have.
func parse(raw string) (*goredis.UniversalOptions, error) {
	o := &goredis.UniversalOptions{}
	scheme, rest, _ := strings.Cut(raw, "://")
	scheme, sentinel := strings.CutSuffix(strings.ToLower(scheme), "-sentinel")
	switch scheme {
	case "redis":
	case "rediss":
		// It names no server: the client checks the name that it dials, and of those that Sentinels give it
		// there may be several.
		o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	default:
		return nil, errScheme
	}
	if strings.ContainsFunc(rest, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) || r == '#' }) {
		return nil, errCharacters
	}
	rest, query, hasQuery := strings.Cut(rest, "?")
	authority, path, _ := strings.Cut(rest, "/")
	port := redisPort
	if sentinel {
		port = sentinelPort
	}
	if err := readAuthority(o, authority, port); err != nil {
		return nil, err
	}
	if len(o.Addrs) > 1 && !sentinel {
		return nil, errOneHost
	}
	if path != "" {
		number, err := strconv.ParseUint(path, 10, 31)
		if err != nil {
			return nil, errDatabase
		}
		o.DB = int(number)
	}
	if sentinel {
		if err := readParameters(o, query); err != nil {
			return nil, err
		}
	} else if hasQuery {
		return nil, errParameters
	}
	return o, nil
}

// readAuthority reads user:password@host:port,host:port.
func readAuthority(o *goredis.UniversalOptions, authority, defaultPort string) error {
	hosts := authority
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		hosts = authority[at+1:]
		username, password, _ := strings.Cut(authority[:at], ":")
		if password == "" {
			return errNoPassword
		}
		var err error
		if o.Username, err = unescape(username); err != nil {
			return err
		}
		if o.Password, err = unescape(password); err != nil {
			return err
		}
	}
	for host := range strings.SplitSeq(hosts, ",") {
		addr, err := address(host, defaultPort)
		if err != nil {
			return err
		}
		o.Addrs = append(o.Addrs, addr)
	}
	return nil
}

// readParameters reads name=value&name=value. A plus is a plus here, as it is in the rest of the URL.
func readParameters(o *goredis.UniversalOptions, query string) error {
	known := map[string]*string{
		"master":            &o.MasterName,
		"sentinel_username": &o.SentinelUsername,
		"sentinel_password": &o.SentinelPassword,
	}
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		name, escaped, _ := strings.Cut(pair, "=")
		value, ok := known[name]
		if !ok {
			return errParameter
		}
		if *value != "" {
			return errTwice
		}
		var err error
		if *value, err = unescape(escaped); err != nil {
			return err
		}
		if *value == "" {
			return errEmpty
		}
	}
	if o.MasterName == "" {
		return errMaster
	}
	if o.SentinelUsername != "" && o.SentinelPassword == "" {
		return errSentinel
	}
	return nil
}

func unescape(s string) (string, error) {
	plain, err := url.PathUnescape(s)
	if err != nil {
		return "", errEscape // the parser's own quotes what it stopped at
	}
	return plain, nil
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// address reads host, host:port, [IPv6] or [IPv6]:port.
func address(s, defaultPort string) (string, error) {
	var host, rest string
	if inside, found := strings.CutPrefix(s, "["); found {
		host, rest, found = strings.Cut(inside, "]")
		if addr, err := netip.ParseAddr(host); !found || err != nil || !addr.Is6() {
			return "", errHost
		}
	} else {
		host, _, _ = strings.Cut(s, ":")
		rest = s[len(host):]
		if host == "" {
			return "", errNoHost
		}
		if !hostName.MatchString(host) {
			return "", errHost
		}
	}
	if rest == "" {
		return net.JoinHostPort(host, defaultPort), nil
	}
	port, found := strings.CutPrefix(rest, ":")
	if n, err := strconv.ParseUint(port, 10, 16); !found || err != nil || n == 0 {
		return "", errPort
	}
	return net.JoinHostPort(host, port), nil
}

package config

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/bucket"
	"trunkline/internal/redis"
)

// check returns what is out of bounds, for each setting that set reports to be there and readable. It
// also fills in the public URL.
func (s *Settings) check(set func(name string) bool) []error {
	c := checker{set: set}
	c.numbers(s)
	c.setting("DATABASE_URL", checkDatabaseURL(s.DatabaseURL.Reveal()))
	if s.ExportDatabaseURL != "" {
		c.setting("EXPORT_DATABASE_URL", checkDatabaseURL(s.ExportDatabaseURL.Reveal()))
	}
	c.setting("REDIS_URL", redis.CheckURL(s.RedisURL.Reveal()))
	c.setting("REDIS_CA", checkPath(s.RedisCA))
	c.setting("SWITCHES", checkSwitches(s.Switches))
	c.setting("SWITCH_PASSWORD", checkSwitchPassword(s.SwitchPassword.Reveal()))
	if !slices.Contains([]string{"auto", "database", "file"}, s.GatewayMode) {
		c.setting("GATEWAY_MODE", errors.New("unknown mode; write auto, database or file"))
	}
	c.setting("SIP_PROFILES_DIR", checkPath(s.SIPProfilesDir))
	if slices.Contains(strings.Split(s.SIPProfilesDir, "/"), "..") {
		c.setting("SIP_PROFILES_DIR", errors.New("it holds ..; write the folder's path without it"))
	}
	c.setting("LISTEN", checkHostPort(s.Listen))
	c.publicURL(s)
	c.setting("TLS_CERT", checkPath(s.TLSCert))
	c.setting("TLS_KEY", checkPath(s.TLSKey))
	if (s.TLSCert == "") != (s.TLSKey == "") {
		c.problems = append(c.problems, errors.New(prefix+"TLS_CERT and "+prefix+"TLS_KEY: only one of them is set; set both, or neither"))
	}
	c.setting("WHITELIST", checkPath(s.Whitelist))
	c.setting("CONSOLE_WHITELIST", checkPath(s.ConsoleWhitelist))
	if s.AuthLog != "none" {
		c.setting("AUTH_LOG", checkPath(s.AuthLog))
	}
	c.setting("EXPORT_DIR", checkPath(s.ExportDir))
	c.exportStore(s)
	if s.DeliveryDir == "" {
		s.DeliveryDir = filepath.Join(s.ExportDir, "delivered")
	}
	c.setting("DELIVERY_DIR", checkPath(s.DeliveryDir))
	c.setting("DELIVERY_CA", checkPath(s.DeliveryCA))
	if set(prefix+"DELIVER_RETRY_FIRST") && s.DeliverRetryFirst > s.DeliverRetryMost {
		c.setting("DELIVER_RETRY_MOST", fmt.Errorf("%s is shorter than TRUNKLINE_DELIVER_RETRY_FIRST (%s); raise it, or lower the other", s.DeliverRetryMost, s.DeliverRetryFirst))
	}
	c.setting("SECRET_KEY", checkSecretKey(s.SecretKey.Reveal()))
	c.setting("FUSIONPBX_CONFIG", checkPath(s.FusionPBXConfig))
	if s.LogFormat != "text" && s.LogFormat != "json" {
		c.setting("LOG_FORMAT", errors.New("unknown format; write text or json"))
	}
	if set(prefix+"HEARTBEAT_INTERVAL") && s.HeartbeatTimeout <= 2*s.HeartbeatInterval {
		c.setting("HEARTBEAT_TIMEOUT", fmt.Errorf("%s is not more than twice TRUNKLINE_HEARTBEAT_INTERVAL (%s), so that a job that is alive would be taken for dead; raise it, or lower the interval",
			s.HeartbeatTimeout, s.HeartbeatInterval))
	}
	if busy := s.CDRReads + 2*s.JobRequests + s.ExportConcurrency; set(prefix+"CDR_READS") && set(prefix+"JOB_REQUESTS") && set(prefix+"EXPORT_CONCURRENCY") && s.DatabaseConnections <= busy {
		c.setting("DATABASE_CONNECTIONS", fmt.Errorf("%d is not more than TRUNKLINE_CDR_READS, twice TRUNKLINE_JOB_REQUESTS and TRUNKLINE_EXPORT_CONCURRENCY together (%d), which could hold every connection; raise it, or lower those",
			s.DatabaseConnections, busy))
	}
	if set(prefix+"WAIT_MAX") && s.WaitDefault > s.WaitMax {
		c.setting("WAIT_DEFAULT", fmt.Errorf("%s is longer than TRUNKLINE_WAIT_MAX (%s); lower it, or raise the other", s.WaitDefault, s.WaitMax))
	}
	return c.problems
}

// checker gathers what is wrong.
type checker struct {
	set      func(name string) bool
	problems []error
}

// setting notes what is wrong with a setting; nil: nothing.
func (c *checker) setting(name string, err error) {
	if err != nil && c.set(prefix+name) {
		c.problems = append(c.problems, fmt.Errorf("%s%s: %w", prefix, name, err))
	}
}

// numbers checks that every amount lies within the bounds of its tags.
func (c *checker) numbers(s *Settings) {
	for _, f := range fields {
		value := reflect.ValueOf(s).Elem().FieldByIndex(f.Index)
		switch value.Interface().(type) {
		case time.Duration, Bytes, int:
			c.setting(strings.TrimPrefix(f.Tag.Get("env"), prefix), checkBounds(f.Tag, value))
		}
	}
}

func checkBounds(tag reflect.StructTag, value reflect.Value) error {
	least, most, bound := int64(1), Bytes(math.MaxInt64), "more than 0"
	if tag.Get("least") == "0" {
		least, bound = 0, "0 or more"
	}
	if text, bounded := tag.Lookup("most"); bounded {
		if err := most.UnmarshalText([]byte(text)); err != nil {
			return err
		}
	}
	n := value.Int()
	if n > int64(most) {
		bound = tag.Get("most") + " or less"
	}
	if n < least || n > int64(most) {
		return fmt.Errorf("%v is out of bounds; it must be %s", value.Interface(), bound)
	}
	return nil
}

// exportStore checks the bucket and what belongs to it.
func (c *checker) exportStore(s *Settings) {
	if s.ExportStore == "" {
		if s.ExportStoreRedirect {
			c.setting("EXPORT_STORE_REDIRECT", errors.New("there is no TRUNKLINE_EXPORT_STORE that could be redirected to; name the bucket, or leave this out"))
		}
		return
	}
	_, err := bucket.Parse(s.ExportStore.Reveal())
	if errors.Is(err, bucket.ErrCredentials) {
		err = errors.New("it holds credentials, which a URL shows to whoever sees it; take them out, and put them into TRUNKLINE_EXPORT_STORE_ACCESS_KEY and TRUNKLINE_EXPORT_STORE_SECRET_KEY")
	}
	c.setting("EXPORT_STORE", err)
	for name, key := range map[string]Secret{"EXPORT_STORE_ACCESS_KEY": s.ExportStoreAccessKey, "EXPORT_STORE_SECRET_KEY": s.ExportStoreSecretKey} {
		if key == "" || strings.ContainsFunc(key.Reveal(), isControl) {
			c.problems = append(c.problems, fmt.Errorf("%s%s: TRUNKLINE_EXPORT_STORE needs it; write the key for the bucket, without control characters", prefix, name))
		}
	}
	c.setting("EXPORT_STORE_CA", checkPath(s.ExportStoreCA))
}

// publicURL checks the public URL, or works it out if it is not set.
func (c *checker) publicURL(s *Settings) {
	if s.PublicURL != "" {
		c.setting("PUBLIC_URL", checkPublicURL(s))
		return
	}
	host, _, err := net.SplitHostPort(s.Listen)
	if err != nil {
		return // what is wrong with TRUNKLINE_LISTEN is said there
	}
	if addr, err := netip.ParseAddr(host); host == "" || err == nil && addr.IsUnspecified() {
		c.problems = append(c.problems, errors.New(prefix+"PUBLIC_URL: it is not set, and cannot be worked out since "+prefix+
			"LISTEN stands for all addresses of this host; set it to where callers reach the front end, such as https://pbx.example"))
		return
	}
	scheme := "http://"
	if s.TLSCert != "" {
		scheme = "https://"
	}
	s.PublicURL = scheme + s.Listen
}

// checkPublicURL also takes the slash off the end.
func checkPublicURL(s *Settings) error {
	u, err := url.Parse(s.PublicURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("not the URL of a site; write one such as https://pbx.example, without user, query or fragment")
	}
	s.PublicURL = strings.TrimRight(s.PublicURL, "/")
	return nil
}

// checkDatabaseURL says nothing of what the parser found: that could hold the password.
func checkDatabaseURL(value string) error {
	u, err := url.Parse(value)
	_, unusable := pgxpool.ParseConfig(value)
	if err == nil && unusable == nil && (u.Scheme == "postgres" || u.Scheme == "postgresql") {
		return nil
	}
	return errors.New("not the URL of a Postgres database; write postgres://user:password@host:port/database, with special characters in the password as %XX")
}

func checkSwitches(switches []string) error {
	if len(switches) == 0 {
		return errors.New("there is no switch in it; write host:port of each, separated by commas")
	}
	seen := map[string]bool{}
	for _, addr := range switches {
		if err := checkHostPort(addr); err != nil {
			return err
		}
		if host, _, _ := net.SplitHostPort(addr); host == "" {
			return fmt.Errorf("%q has no host; write host:port of each switch, separated by commas", addr)
		}
		if seen[addr] {
			return fmt.Errorf("%s is in it twice; each switch must be there once", addr)
		}
		seen[addr] = true
	}
	return nil
}

// checkSwitchPassword refuses what would end the line in the event socket's protocol.
func checkSwitchPassword(password string) error {
	if strings.ContainsFunc(password, isControl) || strings.TrimSpace(password) != password {
		return errors.New("it holds a control character, or a space at an end, which the event socket cannot take; choose another password")
	}
	return nil
}

func checkHostPort(value string) error {
	host, port, err := net.SplitHostPort(value)
	number, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil || number == 0 || strings.ContainsAny(host, " \t/@?#") {
		return fmt.Errorf("%q is not host:port; write one such as 127.0.0.1:8021 or [::1]:8021", value)
	}
	return nil
}

func checkPath(path string) error {
	if !filepath.IsAbs(path) || strings.ContainsRune(path, 0) {
		return fmt.Errorf("%q is not an absolute path; begin it with /", path)
	}
	return nil
}

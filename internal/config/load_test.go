package config

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// writeFile writes a file for one test and returns its path.
func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// complete is an environment in which nothing is missing, with more settings behind it.
func complete(more ...string) []string {
	return append([]string{
		"TRUNKLINE_DATABASE_URL=postgres://trunk:dbpass@127.0.0.1:5432/fusionpbx",
		"TRUNKLINE_SWITCHES=127.0.0.1:8021",
		"TRUNKLINE_SWITCH_PASSWORD=socketpass",
	}, more...)
}

func TestLoadDefaults(t *testing.T) {
	t.Parallel()
	s, err := Load("", complete("PATH=/bin", "OTHER_TRUNKLINE_THING=1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name      string
		got, want any
	}{
		{"Redis", s.RedisURL.Reveal(), "redis://127.0.0.1:6379/0"},
		{"listen", s.Listen, "127.0.0.1:8090"},
		{"public URL", s.PublicURL, "http://127.0.0.1:8090"},
		{"proxies", len(s.TrustedProxies), 0},
		{"whitelist", s.Whitelist, "/etc/trunkline/chkcon_whitelist.conf"},
		{"exports", s.ExportDir, "/var/lib/trunkline/exports"},
		{"key", s.SecretKey.Reveal(), "/var/lib/trunkline/secret.key"},
		{"body", s.MaxBodyBytes, Bytes(1 << 20)},
		{"free space", s.ExportMinFreeBytes, Bytes(1 << 30)},
		{"poll", s.ProvisionPoll, 10 * time.Millisecond},
		{"formula guard", s.CSVFormulaGuard, true},
		{"log level", s.LogLevel.String(), "INFO"},
		{"retention", s.JobRetention, 720 * time.Hour},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, c.got, c.want)
		}
	}
}

func TestLoadWithoutPBX(t *testing.T) {
	t.Parallel()
	none := "TRUNKLINE_FUSIONPBX_CONFIG=" + filepath.Join(t.TempDir(), "config.conf")
	if _, err := Load("", []string{none}); err == nil || !strings.Contains(err.Error(), "TRUNKLINE_DATABASE_URL") {
		t.Errorf("with it: got %v", err)
	}
	s, err := LoadWithoutPBX("", []string{none, "TRUNKLINE_WHITELIST=/srv/list"})
	if err != nil || s.Whitelist != "/srv/list" || s.DatabaseURL.Reveal() != "" {
		t.Errorf("got %q, %v", s.Whitelist, err)
	}
	if s, err := LoadWithoutPBX("", complete()); err != nil || s.DatabaseURL.Reveal() == "" {
		t.Errorf("what is there is not taken: %v", err)
	}
	for _, wrong := range []string{"TRUNKLINE_WHITELST=/srv/list", "TRUNKLINE_WHITELIST=list", "TRUNKLINE_DATABASE_URL=mysql://x"} {
		if _, err := LoadWithoutPBX("", []string{none, wrong}); err == nil {
			t.Errorf("%s is taken", wrong)
		}
	}
}

func TestLoadTakesTheEnvironmentBeforeTheFile(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "trunkline.env", "TRUNKLINE_SYNC_EXPORT_ROWS=10\nTRUNKLINE_EXPORT_CONCURRENCY=3\nTRUNKLINE_WAIT_MAX=9s\n")
	s, err := Load(file, complete("TRUNKLINE_SYNC_EXPORT_ROWS=20", "TRUNKLINE_WAIT_MAX=", "TRUNKLINE_MAX_BODY_BYTES=2 MiB",
		"TRUNKLINE_TRUSTED_PROXIES=10.0.0.1, fd00::/8 ,::ffff:10.0.0.2", "TRUNKLINE_PUBLIC_URL=https://pbx.example/",
		"TRUNKLINE_SWITCHES=a.example:8021,[::1]:8022"))
	if err != nil {
		t.Fatal(err)
	}
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.1/32"), netip.MustParsePrefix("fd00::/8"), netip.MustParsePrefix("10.0.0.2/32")}
	for _, c := range []struct {
		name      string
		got, want any
	}{
		{"the environment wins", s.SyncExportRows, 20},
		{"the file is read", s.ExportConcurrency, 3},
		{"an empty value is none", s.WaitMax, 9 * time.Second},
		{"units", s.MaxBodyBytes, Bytes(2 << 20)},
		{"proxies", s.TrustedProxies, proxies},
		{"no slash at the end", s.PublicURL, "https://pbx.example"},
		{"switches", s.Switches, []string{"a.example:8021", "[::1]:8022"}},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, c.got, c.want)
		}
	}
	sources := map[string]Source{}
	for _, d := range Describe(s) {
		sources[d.Name] = d.Source
	}
	for name, want := range map[string]Source{
		"TRUNKLINE_SYNC_EXPORT_ROWS": FromEnvironment, "TRUNKLINE_WAIT_MAX": FromFile, "TRUNKLINE_LISTEN": FromDefault,
	} {
		if sources[name] != want {
			t.Errorf("source of %s: got %s, want %s", name, sources[name], want)
		}
	}
}

// Each wrong setting is named with its remedy.
func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, setting string
		want          []string
	}{
		{"a typo", "TRUNKLINE_LISTN=127.0.0.1:1", []string{"TRUNKLINE_LISTN", "environment", "did you mean TRUNKLINE_LISTEN?"}},
		{"an unknown name", "TRUNKLINE_COLOUR_OF_THE_SKY=blue", []string{"TRUNKLINE_COLOUR_OF_THE_SKY", "trunkline config"}},
		{"no duration", "TRUNKLINE_WAIT_MAX=20", []string{"TRUNKLINE_WAIT_MAX", `"20"`, "10s"}},
		{"no number", "TRUNKLINE_EXPORT_CONCURRENCY=two", []string{"TRUNKLINE_EXPORT_CONCURRENCY", "whole number"}},
		{"no flag", "TRUNKLINE_ALWAYS_200=perhaps", []string{"TRUNKLINE_ALWAYS_200", "write one of them"}},
		{"no size", "TRUNKLINE_MAX_BODY_BYTES=1MB", []string{"TRUNKLINE_MAX_BODY_BYTES", "KiB"}},
		{"a huge size", "TRUNKLINE_EXPORT_MIN_FREE_BYTES=9999999999999GiB", []string{"TRUNKLINE_EXPORT_MIN_FREE_BYTES", "counted"}},
		{"a huge body", "TRUNKLINE_MAX_BODY_BYTES=1GiB", []string{"TRUNKLINE_MAX_BODY_BYTES", "64MiB or less"}},
		{"no level", "TRUNKLINE_LOG_LEVEL=loud", []string{"TRUNKLINE_LOG_LEVEL", "debug, info"}},
		{"no format", "TRUNKLINE_LOG_FORMAT=xml", []string{"TRUNKLINE_LOG_FORMAT", "text or json"}},
		{"zero", "TRUNKLINE_PROVISION_POLL=0s", []string{"TRUNKLINE_PROVISION_POLL", "more than 0"}},
		{"negative", "TRUNKLINE_CREDENTIAL_CACHE=-1s", []string{"TRUNKLINE_CREDENTIAL_CACHE", "0 or more"}},
		{"too few beside what is heavy", "TRUNKLINE_DATABASE_CONNECTIONS=10", []string{"TRUNKLINE_DATABASE_CONNECTIONS", "TRUNKLINE_CDR_READS"}},
		{"too many", "TRUNKLINE_DATABASE_CONNECTIONS=100000", []string{"TRUNKLINE_DATABASE_CONNECTIONS", "1000 or less"}},
		{"a hasty time-out", "TRUNKLINE_HEARTBEAT_TIMEOUT=1s", []string{"TRUNKLINE_HEARTBEAT_TIMEOUT", "twice TRUNKLINE_HEARTBEAT_INTERVAL"}},
		{"a long wait", "TRUNKLINE_WAIT_DEFAULT=30s", []string{"TRUNKLINE_WAIT_DEFAULT", "TRUNKLINE_WAIT_MAX"}},
		{"a switch without port", "TRUNKLINE_SWITCHES=pbx.example", []string{"TRUNKLINE_SWITCHES", "host:port"}},
		{"a switch without host", "TRUNKLINE_SWITCHES=:8021", []string{"TRUNKLINE_SWITCHES", "host"}},
		{"a switch twice", "TRUNKLINE_SWITCHES=a:1,a:1", []string{"TRUNKLINE_SWITCHES", "twice"}},
		{"no switch", "TRUNKLINE_SWITCHES=,", []string{"TRUNKLINE_SWITCHES", "no switch"}},
		{"a port too high", "TRUNKLINE_LISTEN=127.0.0.1:70000", []string{"TRUNKLINE_LISTEN", "host:port"}},
		{"any port", "TRUNKLINE_LISTEN=127.0.0.1:0", []string{"TRUNKLINE_LISTEN", "host:port"}},
		{"all addresses without a public URL", "TRUNKLINE_LISTEN=0.0.0.0:8090", []string{"TRUNKLINE_PUBLIC_URL", "https://pbx.example"}},
		{"no URL", "TRUNKLINE_PUBLIC_URL=pbx.example", []string{"TRUNKLINE_PUBLIC_URL", "https://pbx.example"}},
		{"a URL with a user", "TRUNKLINE_PUBLIC_URL=https://a:b@pbx.example", []string{"TRUNKLINE_PUBLIC_URL", "without user"}},
		{"no proxy", "TRUNKLINE_TRUSTED_PROXIES=10.0.0.0/33", []string{"TRUNKLINE_TRUSTED_PROXIES", "CIDR"}},
		{"a proxy's host bits", "TRUNKLINE_TRUSTED_PROXIES=10.0.0.1/8", []string{"TRUNKLINE_TRUSTED_PROXIES", "10.0.0.0/8"}},
		{"a relative path", "TRUNKLINE_EXPORT_DIR=exports", []string{"TRUNKLINE_EXPORT_DIR", "absolute"}},
		{"no bucket", "TRUNKLINE_EXPORT_STORE=/var/lib/exports", []string{"TRUNKLINE_EXPORT_STORE", "s3://bucket/prefix"}},
		{"a bucket with credentials", "TRUNKLINE_EXPORT_STORE=s3://AKIA:s3cret@calls?region=eu-central-1", []string{"TRUNKLINE_EXPORT_STORE: it holds credentials", "TRUNKLINE_EXPORT_STORE_SECRET_KEY"}},
		{"a bucket without its region", "TRUNKLINE_EXPORT_STORE=s3://calls", []string{"TRUNKLINE_EXPORT_STORE", "region=eu-central-1"}},
		{"a bucket without keys", "TRUNKLINE_EXPORT_STORE=s3://calls?region=eu-central-1", []string{"TRUNKLINE_EXPORT_STORE_ACCESS_KEY: TRUNKLINE_EXPORT_STORE needs it", "TRUNKLINE_EXPORT_STORE_SECRET_KEY: TRUNKLINE_EXPORT_STORE needs it"}},
		{"a redirect to no bucket", "TRUNKLINE_EXPORT_STORE_REDIRECT=true", []string{"TRUNKLINE_EXPORT_STORE_REDIRECT", "name the bucket"}},
		{"no Redis URL", "TRUNKLINE_REDIS_URL=127.0.0.1:6379", []string{"TRUNKLINE_REDIS_URL", "redis://"}},
		{"no database URL", "TRUNKLINE_DATABASE_URL=host=127.0.0.1", []string{"TRUNKLINE_DATABASE_URL", "postgres://"}},
		{"a line break in the password", "TRUNKLINE_SWITCH_PASSWORD=a\nb", []string{"TRUNKLINE_SWITCH_PASSWORD", "control character"}},
		{"no key", "TRUNKLINE_SECRET_KEY=short", []string{"TRUNKLINE_SECRET_KEY", "openssl rand -hex 32"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := Load("", complete(c.setting))
			if err == nil {
				t.Fatalf("%s was taken", c.setting)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error lacks %q: %v", want, err)
				}
			}
		})
	}
}

// A zero that means something is taken.
func TestLoadTakesZero(t *testing.T) {
	t.Parallel()
	if _, err := Load("", complete("TRUNKLINE_CREDENTIAL_CACHE=0s", "TRUNKLINE_WAIT_DEFAULT=0s", "TRUNKLINE_SYNC_EXPORT_ROWS=0",
		"TRUNKLINE_EXPORT_MIN_FREE_BYTES=0")); err != nil {
		t.Error(err)
	}
}

// One error tells all that is wrong, and no secret.
func TestLoadReportsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	const secret = "hunter2hunter2"
	_, err := Load("", []string{
		"TRUNKLINE_DATABASE_URL=mysql://root:" + secret + "@localhost/x",
		"TRUNKLINE_REDIS_URL=redis://:" + secret + "@host:port:port/x",
		"TRUNKLINE_SWITCH_PASSWORD=" + secret + "\r",
		"TRUNKLINE_SECRET_KEY=" + secret,
		"TRUNKLINE_SWITCHES=nowhere",
		"TRUNKLINE_WAIT_MAX=x",
		"TRUNKLINE_SECRETS=" + secret,
		"TRUNKLINE_EXPORT_STORE=s3://" + secret + ":" + secret + "@calls?secret_key=" + secret,
		"TRUNKLINE_EXPORT_STORE_ACCESS_KEY=" + secret + "\r",
		"TRUNKLINE_PASSWORD=" + secret,
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, name := range []string{"DATABASE_URL", "REDIS_URL", "SWITCH_PASSWORD", "SECRET_KEY", "SWITCHES", "WAIT_MAX", "SECRETS", "PASSWORD"} {
		if !strings.Contains(err.Error(), "\nTRUNKLINE_"+name) {
			t.Errorf("the error does not name TRUNKLINE_%s: %v", name, err)
		}
	}
	if strings.Contains(err.Error(), secret) {
		t.Errorf("the error holds a secret: %v", err)
	}
}

func TestLoadWithoutItsFile(t *testing.T) {
	t.Parallel()
	_, err := Load(filepath.Join(t.TempDir(), "none.env"), complete())
	if err == nil || !strings.Contains(err.Error(), "none.env") || !strings.Contains(err.Error(), "--config") {
		t.Errorf("got %v, want an error that names the file and the flag", err)
	}
}

func TestEverySettingIsDescribed(t *testing.T) {
	t.Parallel()
	s, err := Load("", complete())
	if err != nil {
		t.Fatal(err)
	}
	described := Describe(s)
	if got, want := len(described), reflect.TypeFor[Settings]().NumField()-1; got != want {
		t.Errorf("got %d settings, want %d", got, want)
	}
	for _, d := range described {
		if !strings.HasPrefix(d.Name, prefix) || d.Help == "" || d.Default == "" {
			t.Errorf("%s lacks its name, help or default", d.Name)
		}
		if d.Secret && d.Value != hidden && d.Value != WithoutPasswords(s.DatabaseURL) && d.Value != s.RedisURL.Reveal() && d.Value != defaultOf(d.Name) {
			t.Errorf("%s is shown as %q", d.Name, d.Value)
		}
		want := d.Default
		if length, err := time.ParseDuration(want); err == nil {
			want = shortDuration(length)
		}
		if defaultOf(d.Name) != "" && !d.Secret && d.Value != want {
			t.Errorf("%s: got value %q, want its default %q", d.Name, d.Value, want)
		}
	}
}

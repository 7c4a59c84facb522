package redis

import (
	"crypto/tls"
	"net"
	"reflect"
	"slices"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"
)

// allErrors are all that parse may return; none of them holds a part of a URL.
var allErrors = []error{
	errScheme, errCharacters, errEscape, errNoPassword, errNoHost, errHost, errPort, errOneHost,
	errDatabase, errParameters, errParameter, errTwice, errEmpty, errMaster, errSentinel,
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		url  string
		want goredis.UniversalOptions
	}{
		{"redis://127.0.0.1:6379/0", goredis.UniversalOptions{Addrs: []string{"127.0.0.1:6379"}}},
		{"redis://redis.example", goredis.UniversalOptions{Addrs: []string{"redis.example:6379"}}},
		{"REDIS://redis_1:6380/", goredis.UniversalOptions{Addrs: []string{"redis_1:6380"}}},
		{"redis://[::1]:6380/15", goredis.UniversalOptions{Addrs: []string{"[::1]:6380"}, DB: 15}},
		{"redis://[::1]", goredis.UniversalOptions{Addrs: []string{"[::1]:6379"}}},
		{"redis://:p%40ss%2Fw@rd:+%25@host:6379/3", goredis.UniversalOptions{Addrs: []string{"host:6379"}, DB: 3, Password: "p@ss/w@rd:+%"}},
		{"rediss://us%3Aer:pass@host", goredis.UniversalOptions{Addrs: []string{"host:6379"}, TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12}, Username: "us:er", Password: "pass"}},
		{"redis-sentinel://a,b:26380,[::1]?master=mymaster", goredis.UniversalOptions{Addrs: []string{"a:26379", "b:26380", "[::1]:26379"}, MasterName: "mymaster"}},
		{
			"rediss-sentinel://user:pass@a:1,b:2/4?master=m%26m&sentinel_username=su&sentinel_password=s+p%25",
			goredis.UniversalOptions{TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12}, Addrs: []string{"a:1", "b:2"}, DB: 4, Username: "user", Password: "pass", MasterName: "m&m", SentinelUsername: "su", SentinelPassword: "s+p%"},
		},
		{"redis-sentinel://:pass@a/?sentinel_password=sp&master=m", goredis.UniversalOptions{Addrs: []string{"a:26379"}, Password: "pass", MasterName: "m", SentinelPassword: "sp"}},
	} {
		if got, err := parse(tc.url); err != nil || !reflect.DeepEqual(*got, tc.want) {
			t.Errorf("%s: got %+v, %v; want %+v", tc.url, got, err, tc.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		url  string
		want error
	}{
		{"", errScheme},
		{"127.0.0.1:6379", errScheme},
		{"http://host", errScheme},
		{"unix:///run/redis.sock", errScheme},
		{"redis://host:6379/0\n", errCharacters},
		{"redis://:pass word@host", errCharacters},
		{"redis://:pass#word@host", errCharacters},
		{"redis://:100%@host", errEscape},
		{"redis://us%er:pass@host", errEscape},
		{"redis-sentinel://a?master=%zz", errEscape},
		{"redis://password@host", errNoPassword},
		{"redis://user:@host", errNoPassword},
		{"redis://@host", errNoPassword},
		{"redis://", errNoHost},
		{"redis://:pass@", errNoHost},
		{"redis://:6379", errNoHost},
		{"redis-sentinel://a,,b?master=m", errNoHost},
		{"redis://ho$t", errHost},
		{"redis://[host]:6379", errHost},
		{"redis://[127.0.0.1]:6379", errHost},
		{"redis://[::1", errHost},
		{"redis://::1", errNoHost},
		{"redis://host:port", errPort},
		{"redis://host:", errPort},
		{"redis://host:0", errPort},
		{"redis://host:65536", errPort},
		{"redis://host:1:2", errPort},
		{"redis://[::1]6379", errPort},
		{"redis://a:1,b:2", errOneHost},
		{"redis://:pa/ss@host:6379/0", errNoHost},
		{"redis://host/a", errDatabase},
		{"redis://host/-1", errDatabase},
		{"redis://host/0/1", errDatabase},
		{"redis://host/99999999999", errDatabase},
		{"redis://host/0?db=1", errParameters},
		{"rediss://host?", errParameters},
		{"redis-sentinel://a?master=m&masters=m", errParameter},
		{"redis-sentinel://a?master=m&db=1", errParameter},
		{"redis-sentinel://a?master=m&master=m", errTwice},
		{"redis-sentinel://a?master=m&sentinel_password=", errEmpty},
		{"redis-sentinel://a?master", errEmpty},
		{"redis-sentinel://a", errMaster},
		{"redis-sentinel://a?sentinel_password=p", errMaster},
		{"redis-sentinel://a?master=m&sentinel_username=u", errSentinel},
	} {
		if got, err := parse(tc.url); err != tc.want || got != nil {
			t.Errorf("%q: got %+v, %v; want %v", tc.url, got, err, tc.want)
		}
	}
}

// Whatever the URL: no panic, an error that holds nothing of it, or a target that can be dialled.
func FuzzParse(f *testing.F) {
	for _, url := range []string{
		"redis://127.0.0.1:6379/0", "redis://user:pass@host", "rediss://:p%40@[::1]:1/2", "redis://:pa/ss?@x#",
		"redis-sentinel://:pw@a:1,b,[::1]:2/3?master=m&sentinel_username=u&sentinel_password=p", "rediss-sentinel://a?master=%", "redis://[", "://",
	} {
		f.Add(url)
	}
	f.Fuzz(func(t *testing.T, url string) {
		got, err := parse(url)
		if err != nil {
			if !slices.Contains(allErrors, err) {
				t.Fatalf("an error of its own: %v", err)
			}
			return
		}
		scheme, _, _ := strings.Cut(strings.ToLower(url), "://")
		sentinel := strings.HasSuffix(scheme, "-sentinel")
		if len(got.Addrs) == 0 || sentinel != (got.MasterName != "") || got.DB < 0 ||
			got.Username != "" && got.Password == "" || got.SentinelUsername != "" && got.SentinelPassword == "" {
			t.Fatalf("got %+v", got)
		}
		for _, addr := range got.Addrs {
			if host, port, err := net.SplitHostPort(addr); err != nil || host == "" || port == "" {
				t.Fatalf("nobody can dial %q", addr)
			}
		}
	})
}

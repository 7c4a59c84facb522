package redis

import (
	"net"
	"reflect"
	"slices"
	"testing"
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
		want target
	}{
		{"redis://127.0.0.1:6379/0", target{addrs: []string{"127.0.0.1:6379"}}},
		{"redis://redis.example", target{addrs: []string{"redis.example:6379"}}},
		{"REDIS://redis_1:6380/", target{addrs: []string{"redis_1:6380"}}},
		{"redis://[::1]:6380/15", target{addrs: []string{"[::1]:6380"}, database: 15}},
		{"redis://[::1]", target{addrs: []string{"[::1]:6379"}}},
		{"redis://:p%40ss%2Fw@rd:+%25@host:6379/3", target{addrs: []string{"host:6379"}, database: 3, password: "p@ss/w@rd:+%"}},
		{"rediss://us%3Aer:pass@host", target{addrs: []string{"host:6379"}, tls: true, username: "us:er", password: "pass"}},
		{"redis-sentinel://a,b:26380,[::1]?master=mymaster", target{sentinel: true, addrs: []string{"a:26379", "b:26380", "[::1]:26379"}, master: "mymaster"}},
		{
			"rediss-sentinel://user:pass@a:1,b:2/4?master=m%26m&sentinel_username=su&sentinel_password=s+p%25",
			target{sentinel: true, tls: true, addrs: []string{"a:1", "b:2"}, database: 4, username: "user", password: "pass", master: "m&m", sentinelUsername: "su", sentinelPassword: "s+p%"},
		},
		{"redis-sentinel://:pass@a/?sentinel_password=sp&master=m", target{sentinel: true, addrs: []string{"a:26379"}, password: "pass", master: "m", sentinelPassword: "sp"}},
	} {
		if got, err := parse(tc.url); err != nil || !reflect.DeepEqual(got, tc.want) {
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
		if got, err := parse(tc.url); err != tc.want || !reflect.DeepEqual(got, target{}) {
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
		if len(got.addrs) == 0 || got.sentinel != (got.master != "") || got.database < 0 ||
			got.username != "" && got.password == "" || got.sentinelUsername != "" && got.sentinelPassword == "" {
			t.Fatalf("got %+v", got)
		}
		for _, addr := range got.addrs {
			if host, port, err := net.SplitHostPort(addr); err != nil || host == "" || port == "" {
				t.Fatalf("nobody can dial %q", addr)
			}
		}
	})
}

package bucket

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	t.Parallel()
	yes := true
	for text, want := range map[string]Location{
		"s3://calls?region=eu-central-1":                                          {Bucket: "calls", Region: "eu-central-1"},
		"s3://calls/?region=eu-central-1":                                         {Bucket: "calls", Region: "eu-central-1"},
		"s3://calls/a/b?region=eu-central-1":                                      {Bucket: "calls", Prefix: "a/b/", Region: "eu-central-1"},
		"s3://calls/a%20b/?endpoint=https%3A%2F%2Fs3.example":                     {Bucket: "calls", Prefix: "a b/", Endpoint: "https://s3.example"},
		"s3://calls/a?endpoint=http://127.0.0.1:9000/&path_style=true":            {Bucket: "calls", Prefix: "a/", Endpoint: "http://127.0.0.1:9000", PathStyle: &yes},
		"s3://calls.example.net?region=auto&endpoint=https://[2001:db8::1]":       {Bucket: "calls.example.net", Region: "auto", Endpoint: "https://[2001:db8::1]"},
		"s3://calls?region=us-east-1&endpoint=https://s3.us-east-1.amazonaws.com": {Bucket: "calls", Region: "us-east-1", Endpoint: "https://s3.us-east-1.amazonaws.com"},
	} {
		got, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got.PathStyle != nil && want.PathStyle != nil && *got.PathStyle == *want.PathStyle {
			got.PathStyle = want.PathStyle
		}
		if got != want {
			t.Errorf("%s: got %+v, want %+v", text, got, want)
		}
	}
}

// What is wrong is named with the remedy, and never shown: a URL may hold credentials by mistake.
func TestParseRefuses(t *testing.T) {
	t.Parallel()
	const secret = "AKIAs3cret"
	for text, want := range map[string]string{
		"":                             "not the URL of a bucket",
		"/var/lib/exports":             "not the URL of a bucket",
		"https://s3.example/" + secret: "not the URL of a bucket",
		"s3:calls":                     "not the URL of a bucket",
		"s3://calls#" + secret:         "not the URL of a bucket",
		"s3://calls/%zz" + secret:      "not the URL of a bucket",
		"s3://" + secret + ":" + secret + "@calls?region=eu-central-1":                             ErrCredentials.Error(),
		"s3://calls?region=eu-central-1&access_key=" + secret:                                      ErrCredentials.Error(),
		"s3://calls?region=eu-central-1&AWSSecretAccessKey=" + secret:                              ErrCredentials.Error(),
		"s3://calls?region=eu-central-1&X-Amz-Security-Token=" + secret:                            ErrCredentials.Error(),
		"s3://calls?region=eu-central-1&endpoint=https://" + secret + ":" + secret + "@s3.example": ErrCredentials.Error(),
		"s3://calls?region=eu-central-1&" + secret + "x=1":                                         "not known",
		"s3://calls?region=eu-central-1&fast=1":                                                    "not known",
		"s3://calls?region=a&region=b":                                                             "twice",
		"s3://calls?region=%":                                                                      "cannot be read",
		"s3://calls":                                                                               "region",
		"s3://calls?endpoint=https://s3.eu-west-1.amazonaws.com":                                   "region",
		"s3://calls?region=eu central":                                                             "region",
		"s3://?region=eu-central-1":                                                                "bucket",
		"s3://Calls?region=eu-central-1":                                                           "bucket",
		"s3://10.0.0.1?region=eu-central-1":                                                        "bucket",
		"s3://a..b?region=eu-central-1":                                                            "bucket",
		"s3://calls:9000?region=eu-central-1":                                                      "bucket",
		"s3://calls/../b?region=eu-central-1":                                                      "prefix",
		"s3://calls/a//b?region=eu-central-1":                                                      "prefix",
		"s3://calls/a%0Ab?region=eu-central-1":                                                     "prefix",
		"s3://calls/a%5Cb?region=eu-central-1":                                                     "prefix",
		"s3://calls/" + strings.Repeat("a", 600) + "?region=eu-central-1":                          "prefix",
		"s3://calls?endpoint=s3.example":                                                           "endpoint",
		"s3://calls?endpoint=ftp://s3.example":                                                     "endpoint",
		"s3://calls?endpoint=https://s3.example/path":                                              "endpoint",
		"s3://calls?endpoint=https://s3.example:0":                                                 "port",
		"s3://calls?endpoint=https://[::ffff:192.0.2.7]":                                           "IPv4",
		"s3://calls?endpoint=https://[fe80::1%2525lo]":                                             "zone",
		"s3://calls?endpoint=https://s3.example&path_style=maybe":                                  "path_style",
	} {
		_, err := Parse(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", text, err, want)
			continue
		}
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error shows what is in it: %v", text, err)
		}
	}
}

func TestLocationForPeople(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"s3://calls/a?region=eu-central-1":            "s3://calls/a/x.csv",
		"s3://calls?endpoint=https://s3.example:9000": "s3://calls/x.csv at s3.example:9000",
		"s3://calls?endpoint=https://[2001:db8::1]":   "s3://calls/x.csv at [2001:db8::1]:443",
		"s3://calls?region=cn-north-1":                "s3://calls/x.csv",
	} {
		l, err := Parse(text)
		if got := l.In("x.csv"); err != nil || got != want {
			t.Errorf("%s: got %s, %v, want %s", text, got, err, want)
		}
	}
	if host, secure := (Location{Region: "cn-north-1"}).server(); host != "s3.cn-north-1.amazonaws.com.cn" || !secure {
		t.Errorf("got %s, %v", host, secure)
	}
}

// Whatever is read leads into its bucket and below its prefix, and can be written as it was read.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"s3://calls/a/b?region=eu-central-1", "s3://k:s@calls", "s3://calls?endpoint=http://127.0.0.1:9000&path_style=1", "s3://calls/%2e%2e/x?region=a"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := Parse(text)
		if err != nil {
			return
		}
		if err := l.Check(); err != nil {
			t.Fatalf("%q is read as %+v, in which is wrong: %v", text, l, err)
		}
		if err := checkKey(l.Prefix + "x"); err != nil {
			t.Fatalf("%q has the prefix %q", text, l.Prefix)
		}
		if host, _ := l.server(); host == "" || strings.ContainsAny(host, "/@?# ") {
			t.Fatalf("%q has the server %q", text, host)
		}
	})
}

// Package bucket is files in a bucket of S3 or of what speaks its protocol: put whole or not at all, looked for, read, deleted.
// It serves the export store and destinations alike, and knows nothing of exports, jobs or HTTP's other side.
package bucket

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

const (
	// scheme begins the URL of a location.
	scheme = "s3"
	// defaultRegion is what servers other than Amazon's take requests to be signed for, unless they are told otherwise.
	defaultRegion = "us-east-1"
	// maxKeyBytes is how long a key may be, prefix included.
	maxKeyBytes = 1024
	// maxPrefixBytes leaves room for the names below.
	maxPrefixBytes = 512
)

// Location is where files stand: in one bucket, below a prefix. It holds no credentials and may be shown.
type Location struct {
	Bucket string
	Prefix string // "", or ends with /
	Region string
	// Endpoint is the server, as https://host:port or http://host:port; "" is Amazon's own of the region.
	Endpoint string
	// PathStyle says whether the bucket is named in the path of requests (true) or in the host (false); nil: as Amazon and its
	// likes have it for theirs, and in the path for others.
	PathStyle *bool
}

var (
	bucketPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	regionPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	// secretName matches the name of a parameter that holds credentials.
	secretName = regexp.MustCompile(`(?i)key|secret|token|passw|credential|signature|user`)
)

// ErrCredentials says that a location holds what is kept beside it.
var ErrCredentials = errors.New("it holds credentials, which a URL shows to whoever sees it; take them out: the access key and the secret key have fields of their own")

// Parse reads s3://bucket/prefix?region=...&endpoint=...&path_style=... Errors say what to write, and hold nothing of the text,
// in which there may be credentials.
func Parse(text string) (Location, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != scheme || u.Opaque != "" || u.Fragment != "":
		return Location{}, errors.New("not the URL of a bucket; write s3://bucket/prefix?region=REGION, and for a server other than Amazon's &endpoint=https://host:port, with special characters as %XX")
	case u.User != nil:
		return Location{}, ErrCredentials
	}
	l := Location{Bucket: u.Host, Prefix: strings.TrimPrefix(u.Path, "/")}
	if l.Prefix != "" && !strings.HasSuffix(l.Prefix, "/") {
		l.Prefix += "/"
	}
	if err := l.readQuery(u.RawQuery); err != nil {
		return Location{}, err
	}
	return l, l.Check()
}

func (l *Location) readQuery(text string) error {
	query, err := url.ParseQuery(text)
	if err != nil {
		return errors.New("what stands behind the ? cannot be read; write name=value with & between, and special characters as %XX")
	}
	for name, values := range query {
		switch {
		case secretName.MatchString(name):
			return ErrCredentials
		case len(values) > 1:
			return errors.New("a parameter is there twice; write each once")
		case name == "region":
			l.Region = values[0]
		case name == "endpoint":
			l.Endpoint = strings.TrimSuffix(values[0], "/")
		case name == "path_style":
			is, err := strconv.ParseBool(values[0])
			if err != nil {
				return errors.New("path_style: neither true nor false; write one of them, or leave it out")
			}
			l.PathStyle = &is
		default:
			return errors.New("there is a parameter that is not known; region, endpoint and path_style are")
		}
	}
	return nil
}

// Check says what is wrong with a location, by the names that Parse has for its parts.
func (l Location) Check() error {
	_, notAnAddress := netip.ParseAddr(l.Bucket)
	switch {
	case !bucketPattern.MatchString(l.Bucket) || notAnAddress == nil || strings.Contains(l.Bucket, ".."):
		return errors.New("bucket: that is no name of a bucket; write its name in 3 to 63 small letters, digits, dots and dashes, as in s3://calls/exports")
	case l.Region != "" && !regionPattern.MatchString(l.Region):
		return errors.New("region: that is no name of a region; write one such as eu-central-1")
	}
	if err := checkPrefix(l.Prefix); err != nil {
		return err
	}
	if err := checkEndpoint(l.Endpoint); err != nil {
		return err
	}
	if l.Region == "" && l.amazon() {
		return errors.New("region: it is not there; name the bucket's, such as region=eu-central-1")
	}
	return nil
}

func checkPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	if !strings.HasSuffix(prefix, "/") || len(prefix) > maxPrefixBytes || checkKey(strings.TrimSuffix(prefix, "/")) != nil {
		return fmt.Errorf("prefix: write folders with one / between, none of them . or .., without control characters, and %d bytes at most", maxPrefixBytes)
	}
	return nil
}

func checkEndpoint(endpoint string) error {
	if endpoint == "" {
		return nil
	}
	u, err := url.Parse(endpoint)
	if err == nil && u.User != nil {
		return ErrCredentials
	}
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.Path != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return errors.New("endpoint: that is no server; write https://host or https://host:port (http:// without TLS), and nothing behind it")
	}
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil && (addr.Is4In6() || addr.Zone() != "") {
		return errors.New("endpoint: write an address of IPv4 as such, and one of IPv6 without a zone")
	}
	if port := u.Port(); port != "" {
		if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
			return errors.New("endpoint: that is no port; write one of 1 to 65535")
		}
	}
	return nil
}

// checkKey refuses what a server, or a program that copies files from there, could take for another place.
func checkKey(key string) error {
	if key == "" || len(key) > maxKeyBytes || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' || r == '\uFFFD' }) {
		return errBadKey
	}
	for part := range strings.SplitSeq(key, "/") {
		if part == "" || part == "." || part == ".." {
			return errBadKey
		}
	}
	return nil
}

var errBadKey = fmt.Errorf("the name of a file is not allowed; write folders and a name with one / between, none of them . or .., without control characters and backslashes, and %d bytes with the prefix at most", maxKeyBytes)

// amazon reports whether the server is one of Amazon's own.
func (l Location) amazon() bool {
	if l.Endpoint == "" {
		return true
	}
	u, err := url.Parse(l.Endpoint)
	return err == nil && (strings.HasSuffix(u.Hostname(), ".amazonaws.com") || strings.HasSuffix(u.Hostname(), ".amazonaws.com.cn"))
}

// server is the endpoint's host and port, and whether it is spoken to by TLS.
func (l Location) server() (host string, secure bool) {
	if l.Endpoint == "" {
		return "s3." + l.Region + ".amazonaws.com" + chinese(l.Region), true
	}
	u, err := url.Parse(l.Endpoint)
	if err != nil {
		return l.Endpoint, true // Check has parsed it
	}
	if u.Port() == "" && strings.Contains(u.Hostname(), ":") {
		return net.JoinHostPort(u.Hostname(), map[bool]string{true: "443", false: "80"}[u.Scheme == "https"]), u.Scheme == "https"
	}
	return u.Host, u.Scheme == "https"
}

// chinese is the end of the names of Amazon's servers in China.
func chinese(region string) string {
	if strings.HasPrefix(region, "cn-") {
		return ".cn"
	}
	return ""
}

// Host is the name or address of the server, with its port if it has one of its own.
func (l Location) Host() string {
	host, _ := l.server()
	return host
}

func (l Location) region() string { return cmp.Or(l.Region, defaultRegion) }

// String is s3://bucket/prefix, and where that is if it is not Amazon's.
func (l Location) String() string {
	text := scheme + "://" + l.Bucket + "/" + l.Prefix
	if l.Endpoint == "" {
		return text
	}
	return text + " at " + l.Host()
}

// In is where a file stands, for people.
func (l Location) In(name string) string {
	l.Prefix += name
	return l.String()
}

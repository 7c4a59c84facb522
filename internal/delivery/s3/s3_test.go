package s3_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"trunkline/internal/bucket"
	"trunkline/internal/delivery"
	"trunkline/internal/delivery/dial"
	"trunkline/internal/delivery/s3"
	"trunkline/internal/fault"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/servers"
)

func TestMain(m *testing.M) { os.Exit(pbxtest.Main(m)) }

var must = pbxtest.Must

// loopback lets the tests' own servers be reached.
var loopback = dial.Guard{Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}

var owner = s3.Credentials{AccessKey: servers.S3AccessKey, SecretKey: servers.S3SecretKey}

// place is a bucket behind a proxy that speaks TLS.
type place struct {
	settings s3.Settings
	ca       string
	proxy    *pbxtest.Proxy
}

// newPlace is a bucket of its own, in which the guest has these rights.
func newPlace(t *testing.T, rights ...string) place {
	t.Helper()
	name := pbxtest.NewBucket(t, pbxtest.S3(t), rights...)
	proxy, ca := pbxtest.NewSecureProxy(t, pbxtest.S3(t).URL())
	return place{s3.Settings{Bucket: name, Folder: "billing", Region: servers.S3Region, Endpoint: proxy.URL}, ca, proxy}
}

func (p place) sender(t *testing.T, c s3.Credentials) *s3.Sender {
	t.Helper()
	must(t, p.settings.Check())
	must(t, c.Check())
	sender, err := s3.New(loopback, p.ca, p.settings, c)
	must(t, err)
	t.Cleanup(func() { must(t, sender.Close()) })
	return sender
}

// files are what is in the bucket, by name.
func (p place) files(t *testing.T) map[string]string {
	t.Helper()
	l, err := bucket.Parse(pbxtest.BucketURL(pbxtest.S3(t).URL(), p.settings.Bucket, ""))
	must(t, err)
	b, err := bucket.Open(l, bucket.Options{AccessKey: owner.AccessKey, SecretKey: owner.SecretKey})
	must(t, err)
	defer b.Close()
	all := map[string]string{}
	for object, err := range b.List(t.Context(), "") {
		must(t, err)
		file, _, err := b.Open(t.Context(), object.Name)
		must(t, err)
		content, err := io.ReadAll(file)
		must(t, errors.Join(err, file.Close()))
		all[object.Name] = string(content)
	}
	return all
}

// readable is a file in memory.
type readable struct{ *bytes.Reader }

func (readable) Close() error { return nil }

func content(name, text string) delivery.Content {
	sum := sha256.Sum256([]byte(text))
	return delivery.Content{
		Name: name, Bytes: int64(len(text)), SHA256: hex.EncodeToString(sum[:]),
		Open: func(context.Context) (io.ReadSeekCloser, error) { return readable{bytes.NewReader([]byte(text))}, nil },
	}
}

func TestDeliver(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	sender := p.sender(t, owner)
	for name, text := range map[string]string{"2026/nothing.csv": "", "2026/small.csv": "a,b\n", "large.csv": strings.Repeat("a call of many\n", 1<<20)} {
		for _, there := range []bool{false, true} {
			got, err := sender.Deliver(t.Context(), content(name, text))
			where := "s3://" + p.settings.Bucket + "/billing/" + name + " at " + strings.TrimPrefix(p.proxy.URL, "https://")
			if err != nil || got != (delivery.Receipt{Where: where, There: there}) {
				t.Errorf("%s: got %+v, %v", name, got, err)
			}
		}
		if _, err := sender.Deliver(t.Context(), content(name, text+"x")); !fault.Is(err, fault.Conflict) || fault.Passes(err) {
			t.Errorf("%s: other bytes: %v", name, err)
		}
		if got := p.files(t)["billing/"+name]; got != text {
			t.Errorf("%s has %d bytes, want %d", name, len(got), len(text))
		}
	}
	for _, name := range []string{"../x.csv", "/x.csv", ".x.csv", "a//b"} {
		if _, err := sender.Deliver(t.Context(), content(name, "x")); !fault.Is(err, fault.InvalidRequest) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	damaged := content("damaged.csv", "x")
	damaged.SHA256 = strings.Repeat("0", 64)
	if _, err := sender.Deliver(t.Context(), damaged); !fault.Is(err, fault.ServerError) || fault.Passes(err) {
		t.Errorf("a file that is not as it was written: %v", err)
	}
	away := content("away.csv", "x")
	away.Open = func(context.Context) (io.ReadSeekCloser, error) { return nil, errors.New("s3cret") }
	if _, err := sender.Deliver(t.Context(), away); !fault.Passes(err) || !strings.Contains(err.Error(), "the export's own file") || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("a file that cannot be opened: %v", err)
	}
	if n := len(p.files(t)); n != 3 {
		t.Errorf("there are %d files, want 3", n)
	}
}

func TestTest(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	report, err := p.sender(t, owner).Test(t.Context())
	if err != nil || !strings.Contains(report.Message, "removed again") || report.At.IsZero() || report.HostKey != "" {
		t.Errorf("got %+v, %v", report, err)
	}
	if files := p.files(t); len(files) != 0 {
		t.Errorf("it leaves %v", files)
	}
}

// What is wrong is told with the remedy, and whether a retry may help.
func TestWhatIsWrong(t *testing.T) {
	t.Parallel()
	guest := s3.Credentials{AccessKey: servers.S3GuestKey, SecretKey: servers.S3GuestSecret}
	for what, c := range map[string]struct {
		change func(p *place)
		keys   s3.Credentials
		guard  dial.Guard
		code   fault.Code
		passes bool
		want   string
	}{
		"no such bucket":    {func(p *place) { p.settings.Bucket = "nowhere" }, owner, loopback, fault.DeliveryRefused, false, "there is no such bucket"},
		"a wrong secret":    {nil, s3.Credentials{AccessKey: owner.AccessKey, SecretKey: "s3cret"}, loopback, fault.DeliveryRefused, false, "the secret key"},
		"a wrong region":    {func(p *place) { p.settings.Region = "us-west-2" }, owner, loopback, fault.DeliveryRefused, false, "region"},
		"no right to write": {nil, guest, loopback, fault.DeliveryRefused, false, "s3:PutObject"},
		"a private address": {nil, owner, dial.Guard{}, fault.Forbidden, false, "TRUNKLINE_DELIVERY_NETWORKS"},
		"nobody there":      {func(p *place) { p.settings.Endpoint = "https://" + pbxtest.FreeAddr(t) }, owner, loopback, fault.Unavailable, true, "takes no connections"},
		"no such host":      {func(p *place) { p.settings.Endpoint = "https://nowhere.invalid" }, owner, loopback, fault.Unavailable, true, "nowhere.invalid"},
		"a certificate":     {func(p *place) { p.ca = "" }, owner, loopback, fault.Unavailable, true, "TRUNKLINE_DELIVERY_CA"},
		"a server that fails": {func(p *place) {
			p.proxy.Meddle(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
				http.Error(w, "s3cret", http.StatusBadGateway)
			})
		}, owner, loopback, fault.Unavailable, true, "502"},
		"a server without room": {func(p *place) {
			p.proxy.Meddle(func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
				if r.Method == http.MethodPut {
					http.Error(w, "<Error><Code>QuotaExceeded</Code><Message>s3cret</Message></Error>", http.StatusForbidden)
					return
				}
				pass.ServeHTTP(w, r)
			})
		}, owner, loopback, fault.InsufficientStorage, true, "make room"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, "s3:GetObject", "s3:ListBucket")
			if c.change != nil {
				c.change(&p)
			}
			sender, err := s3.New(c.guard, p.ca, p.settings, c.keys)
			must(t, err)
			defer sender.Close()
			_, tested := sender.Test(t.Context())
			_, delivered := sender.Deliver(t.Context(), content("calls.csv", "a,b\n"))
			for _, err := range []error{tested, delivered} {
				if !fault.Is(err, c.code) || fault.Passes(err) != c.passes || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "s3cret") {
					t.Errorf("got %v", err)
				}
			}
		})
	}
	if _, err := s3.New(loopback, filepath.Join(t.TempDir(), "none.pem"), s3.Settings{Bucket: "calls", Region: "a"}, owner); !fault.Passes(err) {
		t.Errorf("authorities that are not there: %v", err)
	}
}

// A name that comes to stand for another address is judged again when it is connected to.
func TestRebinding(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	u, err := url.Parse(p.settings.Endpoint)
	must(t, err)
	elsewhere, err := net.Listen("tcp", net.JoinHostPort("127.0.0.2", u.Port()))
	must(t, err)
	t.Cleanup(func() { must(t, elsewhere.Close()) })
	reached := make(chan net.Conn, 1)
	go func() {
		if conn, err := elsewhere.Accept(); err == nil {
			reached <- conn
		}
	}()
	var rebound atomic.Bool
	p.settings.Endpoint = "https://" + net.JoinHostPort("example.com", u.Port()) // which the proxy's certificate is for
	guard := dial.Guard{Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Resolver: pbxtest.Resolver(t, func(string, int) []netip.Addr {
		if rebound.Load() {
			return []netip.Addr{netip.MustParseAddr("127.0.0.2")}
		}
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	})}
	for _, name := range []string{"before.csv", "after.csv"} {
		sender, err := s3.New(guard, p.ca, p.settings, owner)
		must(t, err)
		_, err = sender.Deliver(t.Context(), content(name, "a,b\n"))
		must(t, sender.Close())
		if is := fault.Is(err, fault.Forbidden) && !fault.Passes(err); is != rebound.Load() || err != nil && (!is || !strings.Contains(err.Error(), "TRUNKLINE_DELIVERY_NETWORKS")) {
			t.Errorf("%s: got %v", name, err)
		}
		rebound.Store(true)
	}
	select {
	case conn := <-reached:
		_ = conn.Close()
		t.Error("it was connected to")
	default:
	}
	if files := p.files(t); len(files) != 1 {
		t.Errorf("there are %v", files)
	}
}

// A server that sends somebody elsewhere is not followed, wherever that is.
func TestRedirect(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	var followed atomic.Bool
	other, ca := pbxtest.NewSecureProxy(t, pbxtest.S3(t).URL())
	other.Meddle(func(http.ResponseWriter, *http.Request, http.Handler) { followed.Store(true) })
	both, err := os.ReadFile(ca)
	must(t, err)
	own, err := os.ReadFile(p.ca)
	must(t, err)
	must(t, os.WriteFile(p.ca, append(own, both...), 0o600))
	for _, status := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		p.proxy.Meddle(func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			http.Redirect(w, r, other.URL+r.URL.RequestURI(), status)
		})
		if _, err := p.sender(t, owner).Deliver(t.Context(), content("calls.csv", "a,b\n")); err == nil || followed.Load() {
			t.Errorf("%d: got %v, and that it was followed is %v", status, err, followed.Load())
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	good := s3.Settings{Bucket: "calls", Folder: "a/b", Endpoint: "https://s3.example:9000"}
	must(t, good.Check())
	must(t, s3.Settings{Bucket: "calls", Folder: "a/b/", Region: "eu-central-1", PathStyle: true}.Check())
	for field, change := range map[string]func(*s3.Settings){
		"bucket":    func(s *s3.Settings) { s.Bucket = "" },
		"bucket:":   func(s *s3.Settings) { s.Bucket = "../x" },
		"folder":    func(s *s3.Settings) { s.Folder = "../x" },
		"folder:":   func(s *s3.Settings) { s.Folder = "a//b" },
		"region":    func(s *s3.Settings) { s.Region = "eu central" },
		"region:":   func(s *s3.Settings) { s.Endpoint = "" },
		"endpoint":  func(s *s3.Settings) { s.Endpoint = "s3.example" },
		"endpoint:": func(s *s3.Settings) { s.Endpoint = "https://a:b@s3.example" },
		"TLS":       func(s *s3.Settings) { s.Endpoint = "http://s3.example" },
	} {
		s := good
		change(&s)
		if err := s.Check(); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: got %v", field, err)
		}
	}
	for field, c := range map[string]s3.Credentials{
		"access_key": {SecretKey: "s3cret"}, "secret_key": {AccessKey: "AK"}, "secret_key:": {AccessKey: "AK", SecretKey: "s3cret\n"},
	} {
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), field) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: got %v", field, err)
		}
	}
	other := good
	other.Endpoint = "https://s3.example"
	if good.Reached() == other.Reached() || (s3.Settings{Bucket: "x", Region: "a"}).Reached() == good.Reached() {
		t.Error("where the credentials are sent does not tell servers apart")
	}
}

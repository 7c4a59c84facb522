package api_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"trunkline/api"
	"trunkline/internal/config"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/servers"
)

// pair is a certificate and its key on disk, laid out as certbot does: links into an archive.
type pair struct {
	dir, cert, key string
	roots          *x509.CertPool
}

func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{dir: t.TempDir(), roots: x509.NewCertPool()}
	p.cert, p.key = filepath.Join(p.dir, "fullchain.pem"), filepath.Join(p.dir, "privkey.pem")
	p.renew(t, "1")
	return p
}

// renew makes both links point to a new pair, one after the other, and returns its serial number.
func (p *pair) renew(t *testing.T, generation string) (serial string) {
	t.Helper()
	cert, key, err := servers.SelfSigned("127.0.0.1")
	must(t, err)
	p.roots.AppendCertsFromPEM(cert)
	for link, content := range map[string][]byte{p.cert: cert, p.key: key} {
		archived := strings.TrimSuffix(link, ".pem") + generation + ".pem"
		must(t, os.WriteFile(archived, content, 0o600))
		must(t, os.Symlink(archived, link+".new"))
		must(t, os.Rename(link+".new", link))
	}
	return serialOf(t, cert, key)
}

func serialOf(t *testing.T, cert, key []byte) string {
	t.Helper()
	loaded, err := tls.X509KeyPair(cert, key)
	must(t, err)
	return loaded.Leaf.SerialNumber.String()
}

func (p *pair) settings(s *config.Settings) { s.TLSCert, s.TLSKey = p.cert, p.key }

// greet makes a connection of its own, checks that the certificate is one of the pair's, and returns
// its serial number.
func (p *pair) greet(address string) (serial string, err error) {
	conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: p.roots, ServerName: "127.0.0.1"})
	if err != nil {
		return "", err
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.String(), nil
}

// overTLS is a front end with a certificate, and the serial number of it.
func overTLS(t *testing.T) (b *bundle, p *pair, address, first string) {
	t.Helper()
	p = newPair(t)
	b = newBundle(t, setUp{noWorker: true, settings: p.settings})
	base, _ := b.serve(t)
	address = strings.TrimPrefix(base, "http://")
	first, err := p.greet(address)
	must(t, err)
	return b, p, address, first
}

func TestRenewedCertificateIsTakenWhileCallersCome(t *testing.T) {
	t.Parallel()
	_, p, address, first := overTLS(t)

	// Callers come all the time, and none is turned away.
	stop, wg := make(chan struct{}), sync.WaitGroup{}
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
				if err != nil {
					t.Errorf("a caller was turned away: %v", err)
					return
				}
				conn.Close()
			}
		})
	}
	end := sync.OnceFunc(func() {
		close(stop)
		wg.Wait()
	})
	defer end()
	for _, generation := range []string{"2", "3"} {
		renewed := p.renew(t, generation)
		if renewed == first {
			t.Fatal("the renewed certificate is the old one")
		}
		pbxtest.Eventually(t, "new callers get certificate "+generation, func() bool {
			got, err := p.greet(address)
			return err == nil && got == renewed
		})
	}
	end()

	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.roots}, ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("https://" + address + "/chkcon.php")
	must(t, err)
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK || resp.ProtoMajor != 2 {
		t.Errorf("over TLS: got %s %d %s, %v", resp.Proto, resp.StatusCode, body, err)
	}
}

func TestBrokenRenewalLeavesTheOldCertificate(t *testing.T) {
	t.Parallel()
	other, otherKey, err := servers.SelfSigned("127.0.0.1")
	must(t, err)
	for _, tc := range []struct {
		name   string
		damage func(t *testing.T, p *pair)
		says   string
	}{
		{"of another key", func(t *testing.T, p *pair) { must(t, os.WriteFile(p.cert, other, 0o600)) }, "TRUNKLINE_TLS_KEY"},
		{"half written", func(t *testing.T, p *pair) { must(t, os.WriteFile(p.key, otherKey[:40], 0o600)) }, "TRUNKLINE_TLS_KEY"},
		{"empty", func(t *testing.T, p *pair) { must(t, os.WriteFile(p.cert, nil, 0o600)) }, "TRUNKLINE_TLS_CERT"},
		{"gone", func(t *testing.T, p *pair) { must(t, os.Remove(p.key)) }, "TRUNKLINE_TLS_KEY"},
		{"of no end", func(t *testing.T, p *pair) { must(t, os.Truncate(p.cert, 2<<20)) }, "TRUNKLINE_TLS_CERT"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b, p, address, first := overTLS(t)
			tc.damage(t, p)
			const refused = "the renewed certificate is refused"
			pbxtest.Eventually(t, "the log tells of it", func() bool { return strings.Contains(b.log.String(), refused) })
			if log := b.log.String(); !strings.Contains(log, tc.says) || strings.Contains(log, "PRIVATE KEY") {
				t.Errorf("the log says: %s", log)
			}
			if got, err := p.greet(address); err != nil || got != first {
				t.Fatalf("got certificate %s, %v; want the old one, %s", got, err, first)
			}
			renewed := p.renew(t, "9")
			pbxtest.Eventually(t, "the next good one is taken", func() bool {
				got, err := p.greet(address)
				return err == nil && got == renewed
			})
			if said := strings.Count(b.log.String(), refused); said != 1 {
				t.Errorf("the log says it %d times", said)
			}
		})
	}
}

func TestStartWithACertificateThatIsOfNoUse(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	other := newPair(t)
	b := newBundle(t, setUp{noWorker: true})
	empty := filepath.Join(t.TempDir(), "empty.pem")
	must(t, os.WriteFile(empty, nil, 0o600))
	for _, tc := range []struct {
		name, cert, key string
		says            []string
	}{
		{"no certificate", p.cert + ".none", p.key, []string{"TRUNKLINE_TLS_CERT:", "no such file", "name a file"}},
		{"no key", p.cert, p.key + ".none", []string{"TRUNKLINE_TLS_KEY:", "no such file", "name a file"}},
		{"neither", p.cert + ".none", p.key + ".none", []string{"TRUNKLINE_TLS_CERT:", "TRUNKLINE_TLS_KEY:"}},
		{"another's key", p.cert, other.key, []string{"TRUNKLINE_TLS_CERT", "TRUNKLINE_TLS_KEY", "own key"}},
		{"the two mixed up", p.key, p.cert, []string{"TRUNKLINE_TLS_CERT", "TRUNKLINE_TLS_KEY"}},
		{"a folder", filepath.Dir(p.cert), p.key, []string{"TRUNKLINE_TLS_CERT:"}},
		{"an empty file", empty, p.key, []string{"TRUNKLINE_TLS_CERT"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := api.CheckCertificate(tc.cert, tc.key); err == nil {
				t.Fatal("it was taken")
			} else {
				for _, words := range tc.says {
					if !strings.Contains(err.Error(), words) {
						t.Errorf("it does not say %q: %v", words, err)
					}
				}
			}
			b.options.Settings.TLSCert, b.options.Settings.TLSKey = tc.cert, tc.key
			if _, err := api.New(b.options); err == nil {
				t.Error("the front end started")
			}
		})
	}
	if until, err := api.CheckCertificate(p.cert, p.key); err != nil || until.IsZero() {
		t.Errorf("a good pair: got %v, %v", until, err)
	}
}

func TestTheTLSPortIsTLSOnly(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	b := newBundle(t, setUp{noWorker: true, settings: p.settings})
	base, _ := b.serve(t)
	resp, err := http.Get(base + "/chkcon.php")
	must(t, err)
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("plain HTTP: got %d, want 400", resp.StatusCode)
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	must(t, err)
	defer conn.Close()
	old := tls.Client(conn, &tls.Config{RootCAs: p.roots, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	if err := old.Handshake(); err == nil {
		t.Error("TLS 1.1 was taken")
	}
}

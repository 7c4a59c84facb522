package certificate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/servers"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

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

// serve greets callers with the pair's certificate until the test ends; first is the serial number of it.
func (p *pair) serve(t *testing.T) (address, first string, log *pbxtest.LogBuffer) {
	t.Helper()
	log = &pbxtest.LogBuffer{}
	c, err := Open(p.cert, p.key, slog.New(slog.NewTextHandler(log, nil)))
	must(t, err)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", c.Config())
	must(t, err)
	pbxtest.Start(t, func(ctx context.Context) error {
		c.Watch(ctx)
		return listener.Close()
	})
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_ = conn.(*tls.Conn).Handshake()
			}()
		}
	}()
	address = listener.Addr().String()
	first, err = p.greet(address)
	must(t, err)
	return address, first, log
}

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

// Of TLS 1.2 no cipher is spoken that chains blocks (CBC), nor one without forward secrecy.
func TestWeakCiphersAreRefused(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	address, _, _ := p.serve(t)
	taken := 0
	for _, suite := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		if !slices.Contains(suite.SupportedVersions, tls.VersionTLS12) {
			continue
		}
		conn, err := tls.Dial("tcp", address, &tls.Config{
			RootCAs: p.roots, ServerName: "127.0.0.1", MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite.ID},
		})
		if err != nil {
			continue
		}
		conn.Close()
		taken++
		if !strings.Contains(suite.Name, "ECDHE") || strings.Contains(suite.Name, "CBC") {
			t.Errorf("%s was taken", suite.Name)
		}
	}
	if taken == 0 {
		t.Error("nobody can speak TLS 1.2")
	}
}

func TestRenewedCertificateIsTakenWhileCallersCome(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	address, first, _ := p.serve(t)

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
	defer func() {
		close(stop)
		wg.Wait()
	}()
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
			p := newPair(t)
			address, first, log := p.serve(t)
			tc.damage(t, p)
			const refused = "the renewed certificate is refused"
			pbxtest.Eventually(t, "the log tells of it", func() bool { return strings.Contains(log.String(), refused) })
			if said := log.String(); !strings.Contains(said, tc.says) || strings.Contains(said, "PRIVATE KEY") {
				t.Errorf("the log says: %s", said)
			}
			if got, err := p.greet(address); err != nil || got != first {
				t.Fatalf("got certificate %s, %v; want the old one, %s", got, err, first)
			}
			renewed := p.renew(t, "9")
			pbxtest.Eventually(t, "the next good one is taken", func() bool {
				got, err := p.greet(address)
				return err == nil && got == renewed
			})
			if said := strings.Count(log.String(), refused); said != 1 {
				t.Errorf("the log says it %d times", said)
			}
		})
	}
}

func TestStartWithACertificateThatIsOfNoUse(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	other := newPair(t)
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
			if _, err := Check(tc.cert, tc.key); err == nil {
				t.Fatal("it was taken")
			} else {
				for _, words := range tc.says {
					if !strings.Contains(err.Error(), words) {
						t.Errorf("it does not say %q: %v", words, err)
					}
				}
			}
			if _, err := Open(tc.cert, tc.key, slog.New(slog.DiscardHandler)); err == nil {
				t.Error("it was opened")
			}
		})
	}
	if until, err := Check(p.cert, p.key); err != nil || until.IsZero() {
		t.Errorf("a good pair: got %v, %v", until, err)
	}
}

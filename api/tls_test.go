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
	"testing"

	"trunkline/api"
	"trunkline/internal/config"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/servers"
)

// certified writes a certificate of this host's loopback and its key into dir, in place of those that are
// there, trusts it besides those, and returns a setting of it.
func certified(t *testing.T, dir string, roots *x509.CertPool) func(*config.Settings) {
	t.Helper()
	cert, key, err := servers.SelfSigned("127.0.0.1")
	must(t, err)
	roots.AppendCertsFromPEM(cert)
	certPath, keyPath := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	must(t, os.WriteFile(certPath, cert, 0o600))
	must(t, os.WriteFile(keyPath, key, 0o600))
	return func(s *config.Settings) { s.TLSCert, s.TLSKey = certPath, keyPath }
}

func TestOverTLS(t *testing.T) {
	t.Parallel()
	dir, roots := t.TempDir(), x509.NewCertPool()
	b := newBundle(t, setUp{noWorker: true, settings: certified(t, dir, roots)})
	base, _ := b.serve(t)
	address := strings.TrimPrefix(base, "http://")
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("https://" + address + "/chkcon.php")
	must(t, err)
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK || resp.ProtoMajor != 2 {
		t.Errorf("over TLS: got %s %d %s, %v", resp.Proto, resp.StatusCode, body, err)
	}
	if got := resp.Header.Get("Strict-Transport-Security"); got != "max-age=31536000" {
		t.Errorf("Strict-Transport-Security is %q", got)
	}
	if got := b.do(t, call{path: "/chkcon.php"}).header.Get("Strict-Transport-Security"); got != "" {
		t.Errorf("without TLS it is %q", got)
	}

	renewed := x509.NewCertPool()
	certified(t, dir, renewed)
	pbxtest.Eventually(t, "new callers get the renewed certificate", func() bool {
		conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: renewed, ServerName: "127.0.0.1"})
		if err == nil {
			conn.Close()
		}
		return err == nil
	})

	must(t, os.Remove(filepath.Join(dir, "key.pem")))
	if _, err := api.New(b.options); err == nil {
		t.Error("a front end starts without its key")
	}
}

func TestTheTLSPortIsTLSOnly(t *testing.T) {
	t.Parallel()
	roots := x509.NewCertPool()
	b := newBundle(t, setUp{noWorker: true, settings: certified(t, t.TempDir(), roots)})
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
	old := tls.Client(conn, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	if err := old.Handshake(); err == nil {
		t.Error("TLS 1.1 was taken")
	}
}

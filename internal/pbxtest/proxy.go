package pbxtest

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// Proxy stands before a server and does to requests what a test wants, on their way there and back.
type Proxy struct {
	URL string

	mu     sync.Mutex
	meddle func(w http.ResponseWriter, r *http.Request, pass http.Handler)
	asked  []string
}

// NewProxy opens a proxy before the server of that URL until the test ends. Requests arrive as they were signed.
func NewProxy(t testing.TB, server string) *Proxy {
	t.Helper()
	p, listening := newProxy(t, server)
	listening.Start()
	p.URL = listening.URL
	return p
}

// NewSecureProxy is NewProxy with TLS. The file has the certificate, PEM, which nobody has signed.
func NewSecureProxy(t testing.TB, server string) (p *Proxy, certificateFile string) {
	t.Helper()
	p, listening := newProxy(t, server)
	listening.StartTLS()
	p.URL = listening.URL
	certificateFile = filepath.Join(t.TempDir(), "proxy.pem")
	Must(t, os.WriteFile(certificateFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: listening.Certificate().Raw}), 0o600))
	return p, certificateFile
}

func newProxy(t testing.TB, server string) (*Proxy, *httptest.Server) {
	t.Helper()
	target, err := url.Parse(server)
	Must(t, err)
	p := &Proxy{}
	pass := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { panic(http.ErrAbortHandler) },
	}
	listening := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.asked = append(p.asked, r.Method+" "+r.URL.RequestURI())
		meddle := p.meddle
		p.mu.Unlock()
		if meddle != nil {
			meddle(w, r, pass)
			return
		}
		pass.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		listening.CloseClientConnections()
		listening.Close()
	})
	return p, listening
}

// Meddle has further requests be done what f does; nil lets them pass.
func (p *Proxy) Meddle(f func(w http.ResponseWriter, r *http.Request, pass http.Handler)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.meddle = f
}

// Asked are the requests so far, each as "GET /path?query".
func (p *Proxy) Asked() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.asked...)
}

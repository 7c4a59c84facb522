package api_test

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/fcgi"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trunkline/internal/config"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/servers"
)

const (
	// listed and unlisted are addresses of this host, by which a test calls nginx as two callers.
	listed   = "127.0.0.2"
	unlisted = "127.0.0.3"
)

// siteBehind runs a real nginx with the files of deploy/, of which ports, certificate and PHP's socket
// alone are changed, before a Trunkline at that host:port. PHP is a stand-in that says its script's name.
func siteBehind(t *testing.T, trunkline string) (base string) {
	t.Helper()
	dir := t.TempDir()
	cert, key, err := servers.SelfSigned("127.0.0.1")
	must(t, err)
	certFile, keyFile := filepath.Join(dir, "nginx.crt"), filepath.Join(dir, "nginx.key")
	must(t, os.WriteFile(certFile, cert, 0o600))
	must(t, os.WriteFile(keyFile, key, 0o600))
	snippet := replaced(t, "../deploy/nginx-trunkline.conf", "127.0.0.1:8090", trunkline)
	listen := pbxtest.StartNginx(t, func(listen string) string {
		return replaced(t, "../deploy/nginx.conf",
			"listen 443 ssl;", "listen "+listen+" ssl;", "listen [::]:443 ssl;", "",
			"/etc/ssl/certs/nginx.crt", certFile, "/etc/ssl/private/nginx.key", keyFile,
			"unix:/run/php/php8.2-fpm.sock", startPHP(t))
	}, map[string]string{
		"snippets/trunkline.conf": snippet,
		"fastcgi_params":          "fastcgi_param SCRIPT_NAME $fastcgi_script_name;\nfastcgi_param REQUEST_METHOD $request_method;\nfastcgi_param SERVER_PROTOCOL $server_protocol;\nfastcgi_param REQUEST_URI $request_uri;\n",
	})
	return "https://" + listen
}

// replaced is a file with each of the old texts, which must be in it outside of comments, made the new one.
func replaced(t *testing.T, path string, pairs ...string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	must(t, err)
	var kept []string
	for line := range strings.Lines(string(content)) {
		if !strings.HasPrefix(strings.TrimSpace(line), "#") {
			kept = append(kept, line)
		}
	}
	text := strings.Join(kept, "")
	for i := 0; i < len(pairs); i += 2 {
		if strings.Count(text, pairs[i]) != 1 {
			t.Fatalf("%s has %q %d times", path, pairs[i], strings.Count(text, pairs[i]))
		}
		text = strings.Replace(text, pairs[i], pairs[i+1], 1)
	}
	return text
}

// startPHP answers FastCGI as FusionPBX's PHP would, and returns its host:port.
func startPHP(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = fcgi.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "PHP %s", fcgi.ProcessEnv(r)["SCRIPT_FILENAME"])
		}))
	}()
	t.Cleanup(func() {
		must(t, listener.Close())
		<-served
	})
	return listener.Addr().String()
}

// clientFrom calls from one address of this host, and believes every certificate.
func clientFrom(t *testing.T, address string) *http.Client {
	t.Helper()
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		DialContext:     (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}).DialContext,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func fetch(t *testing.T, client *http.Client, method, url string, header map[string]string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	must(t, err)
	for name, value := range header {
		req.Header[name] = []string{value} // as it is written
	}
	resp, err := client.Do(req)
	must(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// behindNginx is a Trunkline of which listed alone may call, with nginx before it.
func behindNginx(t *testing.T, settings func(*config.Settings)) (b *bundle, base string) {
	t.Helper()
	b = newBundle(t, setUp{settings: func(s *config.Settings) {
		s.TrustedProxies = prefixes("127.0.0.1/32")
		if settings != nil {
			settings(s)
		}
	}})
	must(t, os.WriteFile(b.whitelist, []byte(listed+"\n"), 0o600))
	direct, _ := b.serve(t) // reads the whitelist again
	return b, siteBehind(t, strings.TrimPrefix(direct, "http://"))
}

func TestForgedHeadersChangeNothingBehindNginx(t *testing.T) {
	t.Parallel()
	_, base := behindNginx(t, nil)
	callers := map[string]int{listed: http.StatusOK, unlisted: http.StatusForbidden}
	forge := func(claimed string) map[string]map[string]string {
		return map[string]map[string]string{
			"nothing forged":       nil,
			"X-Forwarded-For":      {"X-Forwarded-For": claimed},
			"a list of them":       {"X-Forwarded-For": "10.0.0.1, " + claimed + ", 127.0.0.1"},
			"in lower case":        {"x-forwarded-for": claimed},
			"with underscores":     {"X_Forwarded_For": claimed},
			"X-Real-IP":            {"X-Real-IP": claimed},
			"Forwarded":            {"Forwarded": "for=" + claimed},
			"all of them":          {"X-Forwarded-For": claimed, "X-Real-IP": claimed, "Forwarded": "for=" + claimed, "X-Client-IP": claimed, "True-Client-IP": claimed},
			"no address at all":    {"X-Forwarded-For": "'; drop table--", "Forwarded": "for=unknown"},
			"as IPv6":              {"X-Forwarded-For": "::ffff:" + claimed},
			"kept as a hop's name": {"Connection": "X-Forwarded-For", "X-Forwarded-For": claimed},
		}
	}
	for from, want := range callers {
		other := listed
		if from == listed {
			other = unlisted
		}
		client := clientFrom(t, from)
		for name, header := range forge(other) {
			for _, path := range []string{"/chkcon.php", "/app/xml_cdr/chkcon.php"} {
				if got := fetch(t, client, http.MethodGet, base+path, header); got.status != want {
					t.Errorf("%s from %s, %s: got %d %s, want %d", path, from, name, got.status, got.body, want)
				}
			}
		}
	}
}

func TestEachDocumentedPathReachesTrunkline(t *testing.T) {
	t.Parallel()
	b, base := behindNginx(t, nil)
	client := clientFrom(t, listed)
	for _, path := range []string{
		"/provision.php", "/provision_list.php", "/check_registration.php", "/export_cdr.php",
		"/chkcon.php", "/app/xml_cdr/chkcon.php", "/app/xml_cdr/export_cdr.php", "/app/gateways/provision.php", "/app/gateways/provision_list.php",
		"/app/registrations/check_registration.php", "/app/status/", "/app/status/index.php", "/openapi.json", "/v1/jobs", "/v1/whatever.php",
	} {
		got := fetch(t, client, http.MethodPost, base+path, map[string]string{"X-Request-Id": "through-nginx"})
		if strings.HasPrefix(got.body, "PHP") || got.header.Get("X-Request-Id") != "through-nginx" {
			t.Errorf("%s: not Trunkline's answer: %d %s", path, got.status, got.body)
		}
	}
	for _, path := range []string{"/login.php", "/app/gateways/gateways.php", "/app/xml_cdr/xml_cdr.php", "/app/provision/index.php", "/app/status/sip_status.php"} {
		if got := fetch(t, client, http.MethodGet, base+path, nil); got.body != "PHP /var/www/fusionpbx"+path {
			t.Errorf("%s: not FusionPBX's answer: %d %s", path, got.status, got.body)
		}
	}
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/.git/config"} {
		if got := fetch(t, client, http.MethodGet, base+path, nil); got.header.Get("X-Request-Id") != "" || got.status < 400 {
			t.Errorf("%s: got %d %s", path, got.status, got.body)
		}
	}
	req := b.asSuperadmin(call{path: "/app/gateways/provision.php", form: carrier("behind-nginx")}).request().WithContext(t.Context())
	req.RequestURI, req.URL.Scheme, req.URL.Host = "", "https", strings.TrimPrefix(base, "https://")
	resp, err := client.Do(req)
	must(t, err)
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), "gateway_uuid") {
		t.Errorf("a gateway through nginx: got %d %s, %v", resp.StatusCode, body, err)
	}
}

// Whatever spelling gets through to Trunkline is the path itself, or there is nothing at it.
func TestTrickyPathsBehindNginx(t *testing.T) {
	t.Parallel()
	_, base := behindNginx(t, nil)
	client := clientFrom(t, listed)
	for _, path := range []string{
		"//chkcon.php", "/./chkcon.php", "/app//xml_cdr/chkcon.php", "/app/xml_cdr/../xml_cdr/chkcon.php", "/x/..%2fchkcon.php", "/%2e/chkcon.php",
		"/chkcon.php/", "/chkcon.php/x", "/chkcon.php/x.php", "/CHKCON.PHP", "/Chkcon.php", "/chkcon.php%00", "/chkcon.php%20", "/chkcon.php.", "/chkcon.php;x", "/chkcon.php%3fx",
		"/app/gateways/chkcon.php", "/v1/../chkcon.php", "/v1/%2e%2e/chkcon.php", "/v1/..%2fchkcon.php", "/v1//../healthz", "/v1/..%2freadyz", "/v1/%2e%2e/readyz", "/v1/../metrics",
	} {
		got := rawGet(t, strings.TrimPrefix(base, "https://"), path)
		if got.status == http.StatusOK && !strings.HasPrefix(got.body, "PHP ") {
			t.Errorf("%s: got 200 %s", path, got.body)
		}
	}
	// The one other spelling that is the path itself to everybody, Go's router and PHP included.
	if got := fetch(t, client, http.MethodGet, base+"/%63hkcon.php", nil); got.status != http.StatusOK {
		t.Errorf("an escaped letter: got %d %s", got.status, got.body)
	}
}

// rawGet sends a path as it is written, as listed.
func rawGet(t *testing.T, address, path string) answer {
	t.Helper()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(listed)}}
	conn, err := tls.DialWithDialer(dialer, "tcp", address, &tls.Config{InsecureSkipVerify: true})
	must(t, err)
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: pbx.example\r\nConnection: close\r\n\r\n", path)
	must(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	must(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	return answer{resp.StatusCode, resp.Header, string(body)}
}

func TestWhatNginxHandsOn(t *testing.T) {
	t.Parallel()
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"method": r.Method, "host": r.Host, "uri": r.RequestURI, "header": r.Header})
	}))
	t.Cleanup(echo.Close)
	base := siteBehind(t, strings.TrimPrefix(echo.URL, "http://"))
	got := fetch(t, clientFrom(t, unlisted), http.MethodGet, base+"/v1/jobs?kind=export", map[string]string{
		"X-Forwarded-For": listed, "X-Real-IP": listed, "Forwarded": "for=" + listed, "X-Forwarded-Host": "evil.example", "X-Forwarded-Port": "1", "X-Forwarded-Server": "evil.example",
		"X-Forwarded-Proto": "http", "X-Original-URL": "/v1/tokens", "X-Rewrite-URL": "/v1/tokens", "X-HTTP-Method-Override": "DELETE", "X-HTTP-Method": "DELETE", "X-Method-Override": "DELETE",
		"Authorization": "Bearer t", "X-API-Key": "k", "Idempotency-Key": "i", "Prefer": "wait=3",
	})
	var seen struct {
		Method, Host, URI string
		Header            http.Header
	}
	must(t, json.Unmarshal([]byte(got.body), &seen))
	if host, _, _ := net.SplitHostPort(strings.TrimPrefix(base, "https://")); seen.Method != http.MethodGet || seen.Host != host || seen.URI != "/v1/jobs?kind=export" {
		t.Errorf("it arrives as %s %s at %s", seen.Method, seen.URI, seen.Host)
	}
	for name, want := range map[string]string{
		"X-Forwarded-For": unlisted, "X-Forwarded-Proto": "https", "Authorization": "Bearer t", "X-Api-Key": "k", "Idempotency-Key": "i", "Prefer": "wait=3",
	} {
		if values := seen.Header.Values(name); len(values) != 1 || values[0] != want {
			t.Errorf("%s arrives as %q, want %q", name, values, want)
		}
	}
	for _, name := range []string{
		"X-Real-Ip", "Forwarded", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Server", "X-Original-Url", "X-Rewrite-Url", "X-Http-Method", "X-Http-Method-Override", "X-Method-Override",
	} {
		if values, there := seen.Header[name]; there {
			t.Errorf("%s gets through: %q", name, values)
		}
	}
	conn, err := tls.Dial("tcp", strings.TrimPrefix(base, "https://"), &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	if err == nil {
		conn.Close()
		t.Error("TLS 1.1 was taken")
	}
}

// What Trunkline has sent is with the caller before it sends more: events, and downloads of any size.
func TestNginxPassesOnWhatComes(t *testing.T) {
	t.Parallel()
	read := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: first\n\n")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-read:
			fmt.Fprint(w, "data: last\n\n")
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(slow.Close)
	base := siteBehind(t, strings.TrimPrefix(slow.URL, "http://"))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/v1/jobs/x/events", nil)
	must(t, err)
	resp, err := clientFrom(t, listed).Do(req)
	must(t, err)
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	if line, err := lines.ReadString('\n'); err != nil || line != "data: first\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	close(read)
	if rest, err := io.ReadAll(lines); err != nil || string(rest) != "\ndata: last\n\n" {
		t.Fatalf("then got %q, %v", rest, err)
	}
}

// A body that is too large is refused by Trunkline's own error as long as nginx reads it at all.
func TestLargeBodiesBehindNginx(t *testing.T) {
	t.Parallel()
	_, base := behindNginx(t, func(s *config.Settings) { s.MaxBodyBytes = 1 << 20 })
	client := clientFrom(t, listed)
	for _, tc := range []struct {
		bytes int
		code  string
	}{{1<<20 + 1, "too_large"}, {1 << 22, ""}} {
		resp, err := client.Post(base+"/app/gateways/provision.php", "application/x-www-form-urlencoded", strings.NewReader(strings.Repeat("a", tc.bytes)))
		must(t, err)
		body, err := io.ReadAll(resp.Body)
		must(t, err)
		resp.Body.Close()
		if resp.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(string(body), tc.code) {
			t.Errorf("%d bytes: got %d %s", tc.bytes, resp.StatusCode, body)
		}
	}
}

// A file of gateways may be large; Trunkline says of one that is too large.
func TestFilesOfGatewaysBehindNginx(t *testing.T) {
	t.Parallel()
	b, base := behindNginx(t, func(s *config.Settings) { s.BulkRows = plenty })
	client := clientFrom(t, listed)
	row := "a," + strings.Repeat("b", 1021) + "\n"
	for _, tc := range []struct {
		bytes, status int
		says          string
	}{{16<<20 - 1024, http.StatusBadRequest, "line 2"}, {16<<20 + 1024, http.StatusRequestEntityTooLarge, "TRUNKLINE_BULK_BYTES"}, {20 << 20, http.StatusRequestEntityTooLarge, ""}} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+bulkPath, strings.NewReader("name,host\nx\n"+strings.Repeat(row, tc.bytes/1024)))
		must(t, err)
		req.SetBasicAuth(b.sample.AdminName, b.sample.AdminPassword)
		req.Header.Set("Content-Type", "text/csv")
		resp, err := client.Do(req)
		must(t, err)
		body, err := io.ReadAll(resp.Body)
		must(t, err)
		resp.Body.Close()
		if resp.StatusCode != tc.status || !strings.Contains(string(body), tc.says) {
			t.Errorf("%d bytes: got %d %.300s", tc.bytes, resp.StatusCode, body)
		}
	}
}

// Without TRUNKLINE_TRUSTED_PROXIES everybody would be 127.0.0.1: nobody is let in, and told why.
func TestNginxThatIsNotTrusted(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	direct, _ := b.serve(t)
	base := siteBehind(t, strings.TrimPrefix(direct, "http://"))
	got := fetch(t, clientFrom(t, listed), http.MethodGet, base+"/chkcon.php", nil)
	if got.status != http.StatusForbidden || !strings.Contains(got.body, "TRUNKLINE_TRUSTED_PROXIES") {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

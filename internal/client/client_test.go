package client

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const testToken = "trunkline_0123456789"

// served is a client of a server of the test's own, which waits for little.
func served(t *testing.T, handler http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return clientOf(t, Options{URL: server.URL})
}

func clientOf(t *testing.T, o Options) *Client {
	t.Helper()
	o.Token = testToken
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	c.pace = pace{
		again: 10 * time.Second, firstPause: time.Millisecond, lastPause: time.Millisecond, maxRetryAfter: 2 * time.Second,
		firstEvent: 200 * time.Millisecond, silence: 10 * time.Second, comeBack: time.Millisecond, away: 10 * time.Second,
	}
	t.Cleanup(c.http.CloseIdleConnections)
	return c
}

func TestWhereATokenMayGo(t *testing.T) {
	t.Parallel()
	for url, wrong := range map[string]string{
		"http://127.0.0.1:8090": "", "http://[::1]:8090": "", "http://localhost": "", "https://pbx.example": "", "https://pbx.example/trunkline/": "",
		"http://pbx.example":          "--plain-http",
		"http://127.0.0.1.example":    "--plain-http",
		"ftp://pbx.example":           "http:// or https://",
		"pbx.example":                 "http:// or https://",
		"https://":                    "http:// or https://",
		"https://me:pw@pbx.example":   "holds a user",
		"https://pbx.example/?token=": "behind ?",
		"https://pbx.example\x00":     "cannot be read",
	} {
		_, err := New(Options{URL: url, Token: testToken})
		if wrong == "" && err != nil || wrong != "" && (err == nil || !strings.Contains(err.Error(), wrong)) {
			t.Errorf("%s: got %v, want %q", url, err, wrong)
		}
		if err != nil && strings.Contains(err.Error(), "pw") {
			t.Errorf("%s: the password is in %v", url, err)
		}
	}
	if _, err := New(Options{URL: "http://pbx.example", Token: testToken, PlainHTTP: true}); err != nil {
		t.Errorf("allowed: %v", err)
	}
	for _, token := range []string{"", "two words", "a\nb", "\u00e4"} {
		if _, err := New(Options{URL: "https://pbx.example", Token: token}); err == nil {
			t.Errorf("token %q is taken", token)
		}
	}
	if _, err := New(Options{URL: "https://pbx.example", Token: testToken, CA: []byte("none")}); err == nil {
		t.Error("a file without a certificate is taken")
	}
}

// A token goes to the address that was given and nowhere else, and stands in no error.
func TestTheTokenFollowsNoRedirect(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	t.Cleanup(other.Close)
	c := served(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+testToken {
			t.Errorf("got %v", r.Header)
		}
		http.Redirect(w, r, other.URL, http.StatusFound)
	})
	err := c.Get(t.Context(), "/v1/jobs", nil, new(any))
	if err == nil || !strings.Contains(err.Error(), other.URL) || strings.Contains(err.Error(), testToken) || elsewhere.Load() != 0 {
		t.Errorf("got %v, and the other host was asked %d times", err, elsewhere.Load())
	}
}

func TestTLSIsVerified(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") }))
	t.Cleanup(server.Close)
	server.Config.ErrorLog = nil
	if err := clientOf(t, Options{URL: server.URL}).Get(t.Context(), "/", nil, new(any)); err == nil || !strings.Contains(err.Error(), "--ca") {
		t.Errorf("an unknown authority: %v", err)
	}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := clientOf(t, Options{URL: server.URL, CA: ca}).Get(t.Context(), "/", nil, new(any)); err != nil {
		t.Errorf("a known one: %v", err)
	}
	named := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	if err := clientOf(t, Options{URL: named, CA: ca}).Get(t.Context(), "/", nil, new(any)); err == nil || !strings.Contains(err.Error(), "not good for it") {
		t.Errorf("another host's certificate: %v", err)
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	if err := clientOf(t, Options{URL: strings.Replace(plain.URL, "http:", "https:", 1)}).Get(t.Context(), "/", nil, new(any)); err == nil || !strings.Contains(err.Error(), "should with http://") {
		t.Errorf("no TLS at all: %v", err)
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status int
		body   string
		says   []string
	}{
		"Trunkline's": {
			422, `{"title":"x","status":422,"detail":"gateway_name: is empty","code":"invalid_gateway","request_id":"r-1"}`,
			[]string{"gateway_name: is empty", "invalid_gateway", "r-1"},
		},
		"a job's":        {409, `{"detail":"two of that name","code":"conflict","job_id":"j-1"}`, []string{"two of that name", "job j-1"}},
		"no token":       {401, `{"detail":"Authentication Failed","code":"authentication_failed"}`, []string{"TRUNKLINE_TOKEN", "token create"}},
		"a proxy's":      {413, "<html>nginx", []string{"413", "nginx.conf"}},
		"another's":      {400, "Client sent an HTTP request to an HTTPS server.\n", []string{"400", "HTTPS server", "check that the URL"}},
		"another's JSON": {418, `{"error":"teapot"}`, []string{"418", "not as Trunkline does"}},
	} {
		c := served(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(tc.status)
			fmt.Fprint(w, tc.body)
		})
		err := c.Get(t.Context(), "/v1/jobs", nil, new(any))
		problem, ok := errors.AsType[*Problem](err)
		if !ok || problem.Status != tc.status {
			t.Errorf("%s: got %v", name, err)
			continue
		}
		for _, words := range tc.says {
			if !strings.Contains(err.Error(), words) {
				t.Errorf("%s: %q lacks %q", name, err, words)
			}
		}
	}
}

func TestWhatIsSentAgain(t *testing.T) {
	t.Parallel()
	away := func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) }
	breaks := func(w http.ResponseWriter) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		conn.Close()
	}
	limited := func(w http.ResponseWriter) {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
		fmt.Fprint(w, `{"code":"rate_limited","detail":"too many"}`)
	}
	closed := func(w http.ResponseWriter) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
		fmt.Fprint(w, `{"code":"rate_limited","detail":"too many"}`)
	}
	failed := func(w http.ResponseWriter) {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, `{"code":"switch_unavailable","detail":"no switch","job_id":"j"}`)
	}
	post := Request{Method: http.MethodPost}
	keyed := Request{Method: http.MethodPost, IdempotencyKey: "k"}
	for name, tc := range map[string]struct {
		r     Request
		wrong func(http.ResponseWriter)
		again bool
		// unclear: if it is not sent again, it may have been done.
		unclear bool
	}{
		"a question, a proxy":         {Request{}, away, true, false},
		"a question, broken off":      {Request{}, breaks, true, false},
		"a change, a proxy":           {post, away, false, true},
		"a change, broken off":        {post, breaks, false, true},
		"a change with a key":         {keyed, away, true, false},
		"a change with a key, broken": {keyed, breaks, true, false},
		"a change, a limit":           {post, limited, true, false},
		"a limit for long":            {Request{}, closed, false, false},
		"a job that failed":           {keyed, failed, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			c := served(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Idempotency-Key") != tc.r.IdempotencyKey {
					t.Errorf("the key is %q", r.Header.Get("Idempotency-Key"))
				}
				if asked.Add(1) == 1 {
					tc.wrong(w)
					return
				}
				fmt.Fprint(w, "{}")
			})
			c.reached.Store(true)
			_, err := c.Do(t.Context(), tc.r)
			if again := asked.Load() == 2; again != tc.again || again != (err == nil) {
				t.Errorf("asked %d times: %v", asked.Load(), err)
			}
			if err != nil && Unclear(err) != tc.unclear {
				t.Errorf("whether it was done is unclear: %t, of %v", Unclear(err), err)
			}
		})
	}
}

// Where there is nobody at all one does not wait for a minute.
func TestNobodyThere(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	c := clientOf(t, Options{URL: server.URL})
	c.pace.firstPause = time.Hour
	if err := c.Get(t.Context(), "/v1/jobs", nil, new(any)); err == nil || !strings.Contains(err.Error(), "TRUNKLINE_URL") {
		t.Errorf("got %v", err)
	}
}

func TestWaitingEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	c := served(t, func(w http.ResponseWriter, _ *http.Request) {
		cancel()
		w.WriteHeader(http.StatusBadGateway)
	})
	c.pace.firstPause = time.Hour
	if _, err := c.Do(ctx, Request{}); err == nil {
		t.Error("it succeeded")
	}
}

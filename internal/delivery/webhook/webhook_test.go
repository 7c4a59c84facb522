package webhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"trunkline/internal/config"
	"trunkline/internal/delivery"
	"trunkline/internal/delivery/dial"
	"trunkline/internal/delivery/webhook"
	"trunkline/internal/fault"
	"trunkline/internal/pbxtest"
)

var must = pbxtest.Must

// loopback lets the tests' own receivers be reached.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

func client(t *testing.T, caFile string, guard dial.Guard, timeout time.Duration) *webhook.Client {
	t.Helper()
	c, err := webhook.NewClient(config.Settings{DeliveryCA: caFile, WebhookTimeout: timeout}, guard)
	must(t, err)
	return c
}

// enough is for what answers at once, on a machine that may be slow.
const enough = time.Minute

var message = delivery.Message{ID: "019ac9a8-0000-7000-8000-000000000001", Body: []byte(`{"type":"test","data":{"name":"Größe"}}`)}

// The signatures are those that another implementation makes of what was received.
func TestMessagesAreSigned(t *testing.T) {
	t.Parallel()
	receiver := pbxtest.NewReceiver(t, nil)
	secrets := []webhook.Secret{webhook.NewSecret(), webhook.NewSecret()}
	to := webhook.Endpoint{URL: receiver.URL + "?token=Geheim77", Secrets: secrets}
	receipt, err := client(t, receiver.CAFile, dial.Guard{Allowed: loopback}, enough).Send(t.Context(), to, message)
	must(t, err)
	if receipt.Status != http.StatusNoContent || strings.Contains(receipt.Where, "Geheim77") || strings.Contains(receipt.Where, "hooks") || !strings.HasPrefix(receipt.Where, "https://127.0.0.1:") {
		t.Errorf("got %+v", receipt)
	}
	all := receiver.All()
	if len(all) != 1 || string(all[0].Body) != string(message.Body) || all[0].URI != "/hooks/trunkline?token=Geheim77" || all[0].Header.Get("Content-Type") != "application/json" {
		t.Fatalf("got %+v", all)
	}
	h := all[0].Header
	if h.Get("webhook-id") != message.ID {
		t.Errorf("webhook-id is %q", h.Get("webhook-id"))
	}
	var want []string
	for _, s := range secrets {
		want = append(want, "v1,"+signedByPython(t, s.Reveal(), message.ID, h.Get("webhook-timestamp"), all[0].Body))
	}
	if got := h.Get("webhook-signature"); got != strings.Join(want, " ") {
		t.Errorf("got the signatures %s, want %v", got, want)
	}
}

// signedByPython is the signature as Python's hmac makes it.
func signedByPython(t *testing.T, secret, id, timestamp string, body []byte) string {
	t.Helper()
	const script = `
import base64, hashlib, hmac, sys
secret, id, timestamp = sys.argv[1:]
key = base64.b64decode(secret[len("whsec_"):])
print(base64.b64encode(hmac.new(key, (id + "." + timestamp + ".").encode() + sys.stdin.buffer.read(), hashlib.sha256).digest()).decode(), end="")`
	python := exec.CommandContext(t.Context(), "python3", "-c", script, secret, id, timestamp)
	python.Stdin = strings.NewReader(string(body))
	out, err := python.Output()
	must(t, err)
	return string(out)
}

// What an answer means, whatever it is.
func TestAnswers(t *testing.T) {
	t.Parallel()
	elsewhere := pbxtest.NewReceiver(t, nil)
	for name, tc := range map[string]struct {
		answer func(w http.ResponseWriter)
		ok     bool
		passes bool
		status int
		says   string
		after  time.Duration
	}{
		"200":  {answer: status(200), ok: true, status: 200},
		"299":  {answer: status(299), ok: true, status: 299},
		"400":  {answer: status(400), passes: true, status: 400, says: "400"},
		"404":  {answer: status(404), passes: true, status: 404, says: "404"},
		"410":  {answer: status(410), status: 410, says: "wants no more"},
		"500":  {answer: status(500), passes: true, status: 500, says: "500"},
		"301":  {answer: led(301, elsewhere.URL), status: 301, says: "has moved"},
		"308":  {answer: led(308, elsewhere.URL), status: 308, says: "has moved"},
		"302":  {answer: led(302, elsewhere.URL), passes: true, status: 302, says: "leads elsewhere"},
		"307":  {answer: led(307, elsewhere.URL), passes: true, status: 307, says: "leads elsewhere"},
		"304":  {answer: status(304), passes: true, status: 304, says: "304"},
		"429":  {answer: asks(429, "120"), passes: true, status: 429, after: 2 * time.Minute},
		"503":  {answer: asks(503, "99999999999999999999999"), passes: true, status: 503, after: time.Hour},
		"date": {answer: asks(503, "Fri, 31 Dec 2038 23:59:59 GMT"), passes: true, status: 503, after: time.Hour},
		"past": {answer: asks(503, "Fri, 31 Dec 1999 23:59:59 GMT"), passes: true, status: 503},
		"none": {answer: asks(503, "-5 soon"), passes: true, status: 503},
		"a gigabyte": {answer: func(w http.ResponseWriter) {
			for range 1 << 10 {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					return
				}
			}
			t.Error("all of the gigabyte was read")
		}, ok: true, status: 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			receiver := pbxtest.NewReceiver(t, func(w http.ResponseWriter, _ *http.Request) { tc.answer(w) })
			to := webhook.Endpoint{URL: receiver.URL + "/Geheim77", Secrets: []webhook.Secret{webhook.NewSecret()}}
			receipt, err := client(t, receiver.CAFile, dial.Guard{Allowed: loopback}, enough).Send(t.Context(), to, message)
			if tc.ok {
				if err != nil || receipt.Status != tc.status {
					t.Errorf("got %+v, %v", receipt, err)
				}
				return
			}
			f, worded := errors.AsType[*fault.Error](err)
			answered, is := errors.AsType[delivery.Answered](err)
			if !worded || !is || answered.Status() != tc.status || f.Passes != tc.passes || f.RetryAfter != tc.after || !strings.Contains(f.Message, tc.says) || strings.Contains(f.Message, "Geheim77") {
				t.Errorf("got %v: %+v", err, f)
			}
			if webhook.IsGone(err) != (tc.status == http.StatusGone) {
				t.Errorf("whether it is gone: %v", webhook.IsGone(err))
			}
		})
	}
	t.Cleanup(func() {
		if len(elsewhere.All()) > 0 {
			t.Error("a message was sent where an answer leads")
		}
	})
}

func status(status int) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { w.WriteHeader(status) }
}

func led(status int, to string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Location", to)
		w.WriteHeader(status)
	}
}

func asks(status int, after string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Retry-After", after)
		w.WriteHeader(status)
	}
}

// A receiver that does not answer, or slowly, or not as one does, holds nobody for longer than the settings allow.
func TestReceiversThatDoNotAnswer(t *testing.T) {
	t.Parallel()
	const patience = 300 * time.Millisecond
	for name, tc := range map[string]struct {
		answer func(net.Conn) // of a connection whose TLS is done
		ok     bool           // its status was said in time
		code   fault.Code
	}{
		"hangs": {answer: func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, code: fault.Timeout},
		"its headers never end": {answer: func(c net.Conn) {
			said(c, "HTTP/1.1 200 OK\r\n", "x: y\r\n", time.Millisecond)
		}, code: fault.Timeout},
		"its headers are many": {answer: func(c net.Conn) {
			said(c, "", strings.Repeat("x: y\r\n", 1000), 0)
		}, code: fault.Unavailable},
		"its body never ends": {answer: func(c net.Conn) {
			said(c, "HTTP/1.1 200 OK\r\n\r\n", "x", time.Millisecond)
		}, ok: true},
		"it hints for ever": {answer: func(c net.Conn) {
			said(c, "", "HTTP/1.1 103 Early Hints\r\n\r\n", 0)
		}, code: fault.Unavailable},
		"it closes":                {answer: func(net.Conn) {}, code: fault.Unavailable},
		"it speaks another tongue": {answer: func(c net.Conn) { _, _ = c.Write([]byte("220 mail.example ESMTP\r\n")) }, code: fault.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			receiver := pbxtest.NewReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				tc.answer(conn)
			})
			to := webhook.Endpoint{URL: receiver.URL, Secrets: []webhook.Secret{webhook.NewSecret()}}
			_, err := client(t, receiver.CAFile, dial.Guard{Allowed: loopback}, patience).Send(t.Context(), to, message)
			if tc.ok != (err == nil) || !tc.ok && (!fault.Is(err, tc.code) && !fault.Is(err, fault.Timeout) || !fault.Passes(err)) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// said says first once, and then more every so often until nobody hears it any more; 0: without a pause.
func said(c net.Conn, first, more string, every time.Duration) {
	_, err := io.WriteString(c, first)
	tick := time.NewTicker(max(every, 1))
	defer tick.Stop()
	for err == nil {
		if every > 0 {
			<-tick.C
		}
		_, err = io.WriteString(c, more)
	}
}

func TestCertificatesAreVerified(t *testing.T) {
	t.Parallel()
	receiver, another := pbxtest.NewReceiver(t, nil), pbxtest.NewReceiver(t, nil)
	resolver := pbxtest.Resolver(t, func(string, int) []netip.Addr { return []netip.Addr{netip.MustParseAddr("127.0.0.1")} })
	u, err := url.Parse(receiver.URL)
	must(t, err)
	elsewhere := "https://other.example:" + u.Port()
	for name, tc := range map[string]struct{ url, caFile, says string }{
		"no authority":      {receiver.URL, "", "authority"},
		"another authority": {receiver.URL, another.CAFile, "authority"},
		"another name":      {elsewhere, receiver.CAFile, "another host"},
	} {
		to := webhook.Endpoint{URL: tc.url, Secrets: []webhook.Secret{webhook.NewSecret()}}
		_, err := client(t, tc.caFile, dial.Guard{Allowed: loopback, Resolver: resolver}, enough).Send(t.Context(), to, message)
		if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if len(receiver.All()) > 0 {
		t.Error("it was sent nevertheless")
	}
	if _, err := webhook.NewClient(config.Settings{DeliveryCA: "/nowhere"}, dial.Guard{}); !fault.Is(err, fault.ServerError) || !strings.Contains(err.Error(), "TRUNKLINE_DELIVERY_CA") {
		t.Errorf("a file that is not there: %v", err)
	}
}

// A name that stands for a public address when the URL is given, and for a private one when it is sent to.
func TestRebinding(t *testing.T) {
	t.Parallel()
	receiver := pbxtest.NewReceiver(t, nil, "rebinds.example")
	resolver := pbxtest.Resolver(t, func(_ string, time int) []netip.Addr {
		if time == 1 {
			return []netip.Addr{netip.MustParseAddr("198.41.0.4")}
		}
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	})
	u, err := url.Parse(receiver.URL)
	must(t, err)
	guard := dial.Guard{Resolver: resolver}
	rebinding := "https://rebinds.example:" + u.Port() + "/Geheim77"
	must(t, webhook.CheckReachable(t.Context(), guard, "url", rebinding))
	to := webhook.Endpoint{URL: rebinding, Secrets: []webhook.Secret{webhook.NewSecret()}}
	_, err = client(t, receiver.CAFile, guard, enough).Send(t.Context(), to, message)
	if !fault.Is(err, fault.Forbidden) || fault.Passes(err) || strings.Contains(err.Error(), "Geheim77") || strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("got %v", err)
	}
	if len(receiver.All()) > 0 {
		t.Error("it was sent nevertheless")
	}
	if err := webhook.CheckReachable(t.Context(), guard, "url", rebinding); !fault.Is(err, fault.InvalidRequest) || !strings.Contains(err.Error(), "TRUNKLINE_DELIVERY_NETWORKS") {
		t.Errorf("at creation, once it is known: %v", err)
	}
}

// Whoever cancels gets their own reason back.
func TestCancelledSending(t *testing.T) {
	t.Parallel()
	reason := errors.New("the worker shuts down")
	ctx, cancel := context.WithCancelCause(t.Context())
	receiver := pbxtest.NewReceiver(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel(reason)
		<-r.Context().Done()
	})
	_, err := client(t, receiver.CAFile, dial.Guard{Allowed: loopback}, enough).Send(ctx, webhook.Endpoint{URL: receiver.URL}, message)
	if !errors.Is(err, reason) {
		t.Errorf("got %v", err)
	}
}

func TestURLs(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"https://a.example", "https://a.example/x?token=1%20", "https://203.0.113.7:8443/x", "https://[2001:db8::1]/x", "https://a.example:443"} {
		if err := webhook.CheckURL("callback_url", good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"http://a.example/Geheim77", "ftp://a.example/Geheim77", "https:///Geheim77", "https://user:Geheim77@a.example/", "https://Geheim77@a.example/",
		"https://a.example/#Geheim77", "https://a.example/x#", "https://a.example:0/Geheim77", "https://a.example:/Geheim77", "https://a.example:99999/Geheim77", "https://a.example:x/Geheim77",
		"//a.example/Geheim77", "a.example/Geheim77", "https://a example/Geheim77", "https://a.example/\nGeheim77", "https://a.example/ Geheim77", "https:a.example/Geheim77",
		"https://[fe80::1%25eth0]/Geheim77", "https://a..example/Geheim77", "https://exämple.example/Geheim77", "https://a.example/%zzGeheim77", "https://a.example/" + strings.Repeat("Geheim77", 300), "javascript:Geheim77", "https://a.example\\@b.example/Geheim77",
	} {
		err := webhook.CheckURL("callback_url", bad)
		if !fault.Is(err, fault.InvalidRequest) || !strings.HasPrefix(err.Error(), "callback_url: ") || strings.Contains(err.Error(), "Geheim77") {
			t.Errorf("%q: got %v", bad, err)
		}
	}
	if err := webhook.CheckURL("callback_url", ""); !fault.Is(err, fault.MissingParameters) {
		t.Errorf("none: got %v", err)
	}
}

// Whatever is taken for a URL is one of HTTPS without credentials, and what is shown of it and said about it holds neither its
// path nor its query.
func FuzzURL(f *testing.F) {
	for _, text := range []string{"https://a.example/x?token=1", "https://user:pass@a.example", "http://a", "https://[::1]:1/", "https://a.example:443/..;/x", "\x00", "https://a/%2e"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if err := webhook.CheckURL("url", text); err != nil {
			if _, worded := errors.AsType[*fault.Error](err); !worded {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "https" || u.User != nil || u.Hostname() == "" || u.Fragment != "" {
			t.Errorf("%q was taken: %v", text, err)
		}
		if shown := webhook.Shown(text); strings.TrimSuffix(strings.TrimSuffix(shown, "/..."), "/") != "https://"+u.Host {
			t.Errorf("of %q is shown %s", text, shown)
		}
	})
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	secret := webhook.NewSecret()
	text := secret.Reveal()
	read, err := webhook.ParseSecret(text)
	if err != nil || read != secret || secret == webhook.NewSecret() || !strings.HasPrefix(text, "whsec_") {
		t.Errorf("%v, %v", read == secret, err)
	}
	encoded, err := json.Marshal(map[string]any{"s": secret})
	must(t, err)
	for _, shown := range []string{fmt.Sprint(secret), fmt.Sprintf("%v %+v %#v %x %s %q", secret, secret, secret, secret, secret, secret), string(encoded)} {
		if strings.Contains(shown, text[len("whsec_"):]) || !strings.Contains(shown, "[hidden]") {
			t.Errorf("it is shown: %s", shown)
		}
	}
	for _, bad := range []string{"", "whsec_", "whsec_AAAA", text[1:], text + "\n", text + "=", strings.ToUpper(text), "whsec_" + strings.Repeat("A", 100)} {
		if _, err := webhook.ParseSecret(bad); err == nil || bad != "" && strings.Contains(err.Error(), strings.TrimPrefix(text, "whsec_")) {
			t.Errorf("%q: got %v", bad, err)
		}
	}
}

package api_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"trunkline/internal/delivery/webhook"
	"trunkline/internal/pbxtest"
)

// The receiver in docs/webhooks.md takes our messages, and no others.
func TestDocumentedReceiver(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/webhooks.md")
	must(t, err)
	_, script, _ := strings.Cut(string(text), "```php\n")
	script, _, found := strings.Cut(script, "```")
	if !found {
		t.Fatal("docs/webhooks.md has no PHP")
	}
	file := filepath.Join(t.TempDir(), "receiver.php")
	must(t, os.WriteFile(file, []byte(script), 0o600))
	secret, addr := webhook.NewSecret().Reveal(), pbxtest.FreeAddr(t)
	php := exec.CommandContext(t.Context(), "php", "-S", addr, file)
	php.Env = append(os.Environ(), "TRUNKLINE_WEBHOOK_SECRET="+secret)
	must(t, php.Start())
	t.Cleanup(func() {
		_ = php.Process.Kill()
		_ = php.Wait()
	})

	const id, body = "01a220c5-e4ea-7499-84d7-5a3cefb50812", `{"type":"test","data":{"name":"Größe"}}`
	sign := func(secret, id string, at time.Time, body string) string {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		must(t, err)
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "." + body))
		return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	send := func(at time.Time, signatures, body string) int {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr+"/", strings.NewReader(body))
		must(t, err)
		request.Header.Set("webhook-id", id)
		request.Header.Set("webhook-timestamp", strconv.FormatInt(at.Unix(), 10))
		request.Header.Set("webhook-signature", signatures)
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return 0
		}
		must(t, answer.Body.Close())
		return answer.StatusCode
	}
	now, other := time.Now(), webhook.NewSecret().Reveal()
	pbxtest.Eventually(t, "PHP takes a message", func() bool { return send(now, sign(secret, id, now, body), body) == http.StatusNoContent })
	for name, tc := range map[string]struct {
		at               time.Time
		signatures, body string
		status           int
	}{
		"of both secrets": {now, sign(other, id, now, body) + " " + sign(secret, id, now, body), body, http.StatusNoContent},
		"another secret":  {now, sign(other, id, now, body), body, http.StatusUnauthorized},
		"another body":    {now, sign(secret, id, now, body), body + " ", http.StatusUnauthorized},
		"another id":      {now, sign(secret, id+"0", now, body), body, http.StatusUnauthorized},
		"another time":    {now, sign(secret, id, now.Add(time.Second), body), body, http.StatusUnauthorized},
		"an old one":      {now.Add(-time.Hour), sign(secret, id, now.Add(-time.Hour), body), body, http.StatusUnauthorized},
		"none":            {now, "", body, http.StatusUnauthorized},
	} {
		if got := send(tc.at, tc.signatures, tc.body); got != tc.status {
			t.Errorf("%s: got %d, want %d", name, got, tc.status)
		}
	}
}

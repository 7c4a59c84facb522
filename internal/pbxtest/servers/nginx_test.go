package servers_test

import (
	"io"
	"net/http"
	"testing"

	"trunkline/internal/pbxtest"
)

func TestStartNginxServesItsSite(t *testing.T) {
	t.Parallel()
	listen := pbxtest.StartNginx(t, func(listen string) string {
		return "server { listen " + listen + "; location = /here { include snippets/answer.conf; } }"
	}, map[string]string{"snippets/answer.conf": `return 418 "from the snippet";`})
	resp, err := http.Get("http://" + listen + "/here")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusTeapot || string(body) != "from the snippet" {
		t.Errorf("got %d %q, %v", resp.StatusCode, body, err)
	}
}

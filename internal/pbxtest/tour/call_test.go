package tour

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A tour can be read at one sight; a verbose one shows what was answered.
func TestAnswersAreShort(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "["+strings.Repeat("{\"a\":\n1},", 500)+"{}]")
	}))
	defer server.Close()
	for verbose, most := range map[bool]int{false: 2, true: 200} {
		var out bytes.Buffer
		tour := &Tour{Out: &out, Base: server.URL, Verbose: verbose}
		var got []any
		if err := tour.show(t.Context(), Call{Method: http.MethodGet, Path: "/"}, http.StatusOK, &got); err != nil {
			t.Fatal(err)
		}
		if lines := strings.Count(out.String(), "\n"); lines > most || verbose == (lines == 2) || !strings.Contains(out.String(), "bytes in all") {
			t.Errorf("verbose %v: %d lines: %s", verbose, lines, &out)
		}
	}
}

// A file that is downloaded does not go to the terminal.
func TestDownloadIsSaved(t *testing.T) {
	t.Parallel()
	tour := &Tour{Base: "http://127.0.0.1:1"}
	if got, want := tour.curl(Call{Method: http.MethodGet, Path: "/file", SaveAs: "cdrs.csv"}), "$ curl -sS -o cdrs.csv 'http://127.0.0.1:1/file'"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"trunkline/internal/pbxtest"
)

// sentByKernel finds how many bytes each call of sendfile has sent, also where strace tells of one in two lines.
var sentByKernel = regexp.MustCompile(`(?m)sendfile.*\) += ([0-9]+)$`)

// headRead is how much of a file the server reads itself, to send it with the head of the answer.
const headRead = 512

// Without TLS the kernel sends an export's file: none of it but its beginning passes through the front end.
func TestDownloadsAreSentByTheKernel(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 3000)
	p.open(t)
	must(t, os.MkdirAll(p.exports(), 0o750))
	trace, addr := filepath.Join(t.TempDir(), "trace"), pbxtest.FreeAddr(t)
	pbxtest.StartTraced(t, "sendfile", trace, append(p.env, "TRUNKLINE_LISTEN="+addr), "trunkline", "api")
	waitReady(t, "api", addr)
	env := p.caller(t, "http://"+addr, "--scope", "read,export", "--all-domains")
	answer := asked(t, env, "/app/xml_cdr/export_cdr.php", url.Values{"date_start": {"2000-01-01"}, "date_end": {"2100-01-01"}, "format": {"NDJSON"}})
	link, linked := answer["download_url"].(string)
	if !linked {
		t.Fatalf("no link: %v", answer)
	}
	resp, err := http.Get(link)
	must(t, err)
	defer resp.Body.Close()
	file, err := io.ReadAll(resp.Body)
	must(t, err)
	if sum := sha256.Sum256(file); hex.EncodeToString(sum[:]) != answer["sha256"] || len(file) < 1<<20 {
		t.Fatalf("%d bytes came, and are not the file or too few: %v", len(file), answer)
	}
	var calls, sent int
	pbxtest.Eventually(t, "all is sent by the kernel but for the beginning", func() bool {
		text, err := os.ReadFile(trace)
		must(t, err)
		calls, sent = strings.Count(string(text), "sendfile("), 0
		for _, found := range sentByKernel.FindAllStringSubmatch(string(text), -1) {
			n, err := strconv.Atoi(found[1])
			must(t, err)
			sent += n
		}
		return sent == len(file)-headRead
	})
	t.Logf("%d bytes, of which %d in %d calls of sendfile", len(file), sent, calls)
}

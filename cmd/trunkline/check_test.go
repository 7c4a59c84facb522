package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trunkline/internal/pbxtest/servers"
)

func TestCheckLooksAtTheCertificate(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 0)
	cert, key := filepath.Join(p.dir, "cert.pem"), filepath.Join(p.dir, "key.pem")
	env := append(p.env, "TRUNKLINE_TLS_CERT="+cert, "TRUNKLINE_TLS_KEY="+key)
	line := func() string {
		for line := range strings.Lines(runHere(t, env, "check").out) {
			if strings.HasPrefix(line, "certificate ") {
				return line
			}
		}
		return ""
	}
	if got := line(); !strings.Contains(got, "NOT RIGHT") || !strings.Contains(got, "TRUNKLINE_TLS_CERT") {
		t.Errorf("without the files: %q", got)
	}
	certPEM, keyPEM, err := servers.SelfSigned("pbx.example")
	must(t, err)
	must(t, os.WriteFile(cert, certPEM, 0o600))
	must(t, os.WriteFile(key, keyPEM, 0o600))
	if got := line(); !strings.Contains(got, "ok: ") || !strings.Contains(got, "good until") {
		t.Errorf("with a good pair: %q", got)
	}
}

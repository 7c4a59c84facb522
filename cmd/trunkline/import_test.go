package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A file of gateways from its dry run to their end.
func TestGatewayImportCommand(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 0)
	ran := p.gatewayCommands(t)
	domain, folder := p.sample.Domains[0].Name, t.TempDir()
	file := filepath.Join(folder, "gateways.csv")
	write := func(rows ...string) {
		t.Helper()
		must(t, os.WriteFile(file, []byte("\ufeffName;Host;User;Secret;Description\r\n"+strings.Join(rows, "\r\n")+"\r\n"), 0o600))
	}
	imported := func() int {
		return p.rows(t, "select count(*) from v_gateways where gateway like 'bulk-%'")
	}
	write("bulk-1;sip.one.example;+49301;a-carrier-password1;first", "bulk-2;sip.two.example;0049302;a-carrier-password2;", "bulk-3;sip.three.example;0049303;a-carrier-password3;")

	ran(1, "import", file, "--tenant-domain", domain).wants(t, 1, "--yes", "--dry-run")
	dry := ran(0, "import", file, "--tenant-domain", domain, "--dry-run")
	dry.wants(t, 0, "bulk-1", "bulk-3", "3 in all, 3 add", domain)
	if n := imported(); n != 0 {
		t.Fatalf("a dry run wrote %d rows", n)
	}
	ran(0, "import", file, "--tenant-domain", domain, "--yes").wants(t, 0, "succeeded: 3 in all, 3 created")
	if n := imported(); n != 3 {
		t.Fatalf("%d rows", n)
	}
	ran(0, "list", "--domain", domain, "--text", "bulk-").wants(t, 0, "bulk-1", "bulk-2", "bulk-3", "sip.two.example")

	// Once more there is nothing to do; a change is shown by its fields, a password's without it.
	ran(0, "import", file, "--tenant-domain", domain, "--dry-run").wants(t, 0, "3 in all, 3 unchanged")
	write("bulk-1;sip.other.example;+49301;a-carrier-password9;first")
	ran(0, "import", file, "--tenant-domain", domain, "--dry-run").wants(t, 0, "sip.one.example", "sip.other.example", "password", "1 change")

	// What is exported is what is imported.
	out := filepath.Join(folder, "export.csv")
	ran(0, "export", out, "--domain", domain, "--with-secrets")
	text, err := os.ReadFile(out)
	must(t, err)
	if info, err := os.Stat(out); err != nil || info.Mode().Perm() != 0o600 || !strings.Contains(string(text), "a-carrier-password2") {
		t.Errorf("the export of mode %v: %v\n%s", info.Mode(), err, text)
	}
	if got := ran(0, "import", out, "--dry-run"); strings.Contains(got.out, " change") || strings.Contains(got.out, " add") || !strings.Contains(got.out, "unchanged") {
		t.Errorf("an export differs from what it was made of: %s", got)
	}
	if got := ran(0, "export", "--format", "ndjson", "--domain", domain); strings.Count(got.out, "\n") < 3 || !strings.Contains(got.out, `"bulk-1"`) {
		t.Errorf("without secrets: %s", got)
	}

	// A row that cannot be leaves the others through, and is kept to be mended.
	write("bulk-4;sip.four.example;0049304;a-carrier-password4;", "bulk-5;not a host;0049305;a-carrier-password5;")
	ran(1, "import", file, "--tenant-domain", domain, "--yes").wants(t, 1, "3", "not a host", "invalid_rows")
	if n := imported(); n != 3 {
		t.Fatalf("%d rows after a file that is refused", n)
	}
	ran(3, "import", file, "--tenant-domain", domain, "--mode", "each", "--yes").wants(t, 3, "1 of 2 failed", "gateways.failed.csv")
	if n := imported(); n != 4 {
		t.Errorf("%d rows", n)
	}
	failures := filepath.Join(folder, "gateways.failed.csv")
	text, err = os.ReadFile(failures)
	must(t, err)
	if !strings.Contains(string(text), "bulk-5;not a host;0049305;a-carrier-password5;;failed;") || strings.Contains(string(text), "bulk-4") {
		t.Errorf("the failures are\n%s", text)
	}
	must(t, os.WriteFile(failures, []byte(strings.Replace(string(text), "not a host", "sip.five.example", 1)), 0o600))
	ran(0, "import", failures, "--tenant-domain", domain, "--yes").wants(t, 0, "1 created")

	// All of them are suspended and ended by a filter.
	ran(0, "disable", "--text", "bulk-", "--domain", domain, "--dry-run").wants(t, 0, "5 in all, 5 change")
	ran(0, "disable", "--text", "bulk-", "--domain", domain, "--yes").wants(t, 0, "5 in all, 5 updated")
	if n := p.rows(t, "select count(*) from v_gateways where gateway like 'bulk-%' and enabled = 'false'"); n != 5 {
		t.Errorf("%d are disabled", n)
	}
	var gateways []struct {
		UUID string `json:"gateway_uuid"`
	}
	must(t, json.Unmarshal([]byte(ran(0, "list", "--text", "bulk-", "--enabled", "false", "-o", "json").out), &gateways))
	if len(gateways) != 5 {
		t.Fatalf("%d are listed", len(gateways))
	}
	one := gateways[0].UUID
	ran(0, "enable", one, "--yes").wants(t, 0, one, "enabled")
	if !p.loaded(one) {
		t.Error("it is not loaded")
	}
	ran(0, "get", one).wants(t, 0, "gateway_name", "bulk-", "SWITCH", p.sw.Addr())
	ran(0, "delete", one, "--yes").wants(t, 0, "deleted")
	ran(0, "delete", one, "--yes").wants(t, 0)
	ran(0, "delete", "--text", "bulk-", "--yes").wants(t, 0, "4 in all, 4 deleted")
	if n := imported(); n != 0 || p.loaded(one) {
		t.Errorf("%d rows are left", n)
	}
}

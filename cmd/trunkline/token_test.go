package main

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"trunkline/internal/pbxtest"
	"trunkline/internal/token"
)

// ran runs a command that has to succeed, and returns what it printed on standard output.
func (p *samplePBX) ran(t *testing.T, args ...string) result {
	t.Helper()
	got := runHere(t, p.env, args...)
	if got.status != 0 {
		t.Fatalf("trunkline %s: %s", strings.Join(args, " "), got)
	}
	return got
}

// secretOf is the secret that a command printed, alone on its line.
func secretOf(t *testing.T, r result) string {
	t.Helper()
	secret, ok := strings.CutSuffix(r.out, "\n")
	if !ok || len(secret) != 53 || !strings.HasPrefix(secret, token.Prefix) || strings.Contains(r.err, secret) {
		t.Fatalf("no secret alone on standard output: %s", r)
	}
	return secret
}

// The life of a token by the command line, and what a served front end makes of it.
func TestTokenCommands(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 0)
	p.ran(t, "migrate")
	base, proc := p.serve(t, "serve", "TRUNKLINE_LOG_LEVEL=debug")
	status := func(secret string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/app/gateways/provision_list.php", nil)
		must(t, err)
		req.Header.Set("X-API-Key", secret)
		resp, err := http.DefaultClient.Do(req)
		must(t, err)
		resp.Body.Close()
		return resp.StatusCode
	}
	one, two := p.sample.Domains[0].Name, p.sample.Domains[1].Name

	if empty := p.ran(t, "token", "list"); empty.out != "" || !strings.Contains(empty.err, "token create") {
		t.Errorf("without a token: %s", empty)
	}
	made := p.ran(t, "token", "create", "--name", "WHMCS", "--scope", "provision,read", "--domain", one, "--domain", two, "--home-domain", two, "--expires", "90d")
	first := secretOf(t, made)
	for _, words := range []string{"WHMCS", "read,provision", one, two, "expires at", "cannot be shown again"} {
		if !strings.Contains(made.err, words) {
			t.Errorf("standard error does not say %q: %s", words, made)
		}
	}
	if got := status(first); got != http.StatusOK {
		t.Fatalf("the new token gets %d", got)
	}

	rotated := p.ran(t, "token", "rotate", "whmcs", "--grace", "1h")
	second := secretOf(t, rotated)
	if !strings.Contains(rotated.err, "stays valid until") || status(first) != http.StatusOK || status(second) != http.StatusOK {
		t.Errorf("rotated: %s", rotated)
	}
	ends := time.Now().UTC().AddDate(1, 0, 0)
	var issued token.Issued
	must(t, json.Unmarshal([]byte(p.ran(t, "token", "rotate", "whmcs", "--grace", "0", "--expires", ends.Format(time.RFC3339), "--json").out), &issued))
	third := issued.Secret
	pbxtest.Eventually(t, "the second secret ends", func() bool { return status(second) == http.StatusUnauthorized })
	if got := status(third); got != http.StatusOK || issued.Name != "WHMCS" || issued.PreviousExpiresAt != nil {
		t.Errorf("the third secret gets %d: %+v", got, issued.View)
	}
	pbxtest.Eventually(t, "its last use is listed", func() bool {
		return strings.Contains(p.ran(t, "token", "list").out, "127.0.0.1")
	})

	all := secretOf(t, p.ran(t, "token", "create", "--name", "everything", "--scope", "read", "--scope", "admin", "--all-domains"))
	lines := strings.Split(strings.TrimSpace(p.ran(t, "token", "list").out), "\n")
	if len(lines) != 3 || !strings.HasPrefix(lines[0], "NAME") || !containsAll(lines[1], "everything", "read,admin", "all domains", "never", "active", all[49:]) ||
		!containsAll(lines[2], "WHMCS", issued.ID, "read,provision", one+","+two+" (home "+two+")", ends.Format("2006-01-02T15:04Z"), "active", third[49:]) {
		t.Errorf("the list is\n%s", strings.Join(lines, "\n"))
	}

	// By name and by id; a second time is as good.
	p.ran(t, "token", "revoke", "everything")
	pbxtest.Eventually(t, "it is refused", func() bool { return status(all) == http.StatusUnauthorized })
	p.ran(t, "token", "revoke", issued.ID)
	if again := p.ran(t, "token", "revoke", strings.ToUpper(issued.ID)); !strings.Contains(again.out, "revoked already") {
		t.Errorf("again: %s", again)
	}
	var views []token.View
	must(t, json.Unmarshal([]byte(p.ran(t, "token", "list", "--json").out), &views))
	if len(views) != 0 {
		t.Errorf("revoked ones are listed: %+v", views)
	}
	must(t, json.Unmarshal([]byte(p.ran(t, "token", "list", "--all", "--json").out), &views))
	if len(views) != 2 || views[1].ID != issued.ID || views[1].State != token.StateRevoked || !slices.Equal(views[1].Domains, []string{one, two}) || !strings.HasPrefix(views[1].CreatedBy, "cli") {
		t.Errorf("got %+v", views)
	}
	for _, secret := range []string{first, second, third, all} {
		if strings.Contains(proc.Log.String(), secret) {
			t.Errorf("the log holds %s", secret)
		}
	}
}

func containsAll(text string, words ...string) bool {
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) })
}

func TestTokenCommandErrors(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 0)
	if got := runHere(t, p.env, "token", "list"); got.status != 1 || !strings.Contains(got.err, "trunkline migrate") {
		t.Errorf("without our tables: %s", got)
	}
	p.open(t)
	one, two := p.sample.Domains[0], p.sample.Domains[1]
	_, err := p.pool.Exec(t.Context(), "update v_domains set domain_enabled = false where domain_uuid = $1", two.UUID)
	must(t, err)
	p.ran(t, "token", "create", "--name", "taken", "--scope", "read", "--all-domains", "--expires", "1h")
	p.ran(t, "token", "create", "--name", "over", "--scope", "read", "--all-domains")
	_, err = p.pool.Exec(t.Context(), "update trunkline.tokens set expires_at = now() where name = 'over'")
	must(t, err)
	create := func(more ...string) []string {
		return append([]string{"token", "create", "--name", "new", "--scope", "read"}, more...)
	}
	for name, c := range map[string]struct {
		args []string
		says []string
	}{
		"no flag":              {[]string{"token", "create"}, []string{"--name", "--scope", "--help"}},
		"no domain":            {create(), []string{"--domain", "all domains"}},
		"domains and all":      {create("--domain", one.Name, "--all-domains"), []string{"--all-domains", "one of the two"}},
		"an unknown domain":    {create("--domain", "none.example"), []string{"--domain", "none.example", "FusionPBX"}},
		"a disabled domain":    {create("--domain", two.Name), []string{"--domain", "enable it"}},
		"an unknown home":      {create("--all-domains", "--home-domain", "none.example"), []string{"--home-domain", "none.example"}},
		"an unknown scope":     {[]string{"token", "create", "--name", "new", "--scope", "write", "--all-domains"}, []string{"--scope", "write", "provision"}},
		"no name in it":        {[]string{"token", "create", "--name", " ", "--scope", "read", "--all-domains"}, []string{"--name", "missing"}},
		"a name that is taken": {[]string{"token", "create", "--name", "TAKEN", "--scope", "read", "--all-domains"}, []string{"--name", "another token has it"}},
		"no expiry":            {create("--all-domains", "--expires", "soon"), []string{"--expires", "90d"}},
		"an expiry past":       {create("--all-domains", "--expires", "2020-01-01"), []string{"--expires", "past"}},
		"no such token":        {[]string{"token", "rotate", "none"}, []string{"none", "token list"}},
		"no such id":           {[]string{"token", "revoke", uuid.NewString()}, []string{"token list"}},
		"no token":             {[]string{"token", "revoke"}, []string{"name|id"}},
		"no grace":             {[]string{"token", "rotate", "taken", "--grace", "soon"}, []string{"--grace", "24h"}},
		"a grace too long":     {[]string{"token", "rotate", "taken", "--grace", "31d"}, []string{"--grace", "30d"}},
		"an expired token":     {[]string{"token", "rotate", "over"}, []string{"expired", "--expires"}},
	} {
		got := runHere(t, p.env, c.args...)
		if got.status == 0 || got.out != "" || !containsAll(got.err, c.says...) {
			t.Errorf("%s: %s", name, got)
		}
	}
	var changed int
	must(t, p.pool.QueryRow(t.Context(), "select count(*) from trunkline.tokens where name = 'new' or rotated_at is not null").Scan(&changed))
	if changed != 0 {
		t.Errorf("%d tokens were made or changed", changed)
	}
}

// An example is a line of its own, even if there are two.
func TestEveryExampleIsAParagraph(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"health", "whitelist list", "whitelist add", "whitelist check"} {
		got := runHere(t, nil, append(strings.Fields(command), "--help")...)
		if n := strings.Count(got.out, "\n\nExample: "); got.status != 0 || n != 2 {
			t.Errorf("trunkline %s --help has %d examples, want 2: %s", command, n, got)
		}
	}
}

// Every command has help with an example.
func TestTokenHelp(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"token"}, {"token", "create"}, {"token", "list"}, {"token", "rotate"}, {"token", "revoke"}} {
		got := runHere(t, nil, append(args, "--help")...)
		if got.status != 0 || !strings.Contains(got.out, "Example: trunkline token") {
			t.Errorf("trunkline %s --help: %s", strings.Join(args, " "), got)
		}
	}
}

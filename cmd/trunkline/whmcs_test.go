package main

import (
	"bytes"
	"encoding/json"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"

	"trunkline/internal/pbxtest"
)

// whmcs runs the functions of a WHMCS server module, in PHP with cURL, against a front end.
type whmcs struct{ params map[string]any }

// run calls one function of the module. said is what it wrote beside its result: a new gateway's uuid.
func (w *whmcs) run(t *testing.T, function string, result any) (said string) {
	t.Helper()
	input, err := json.Marshal(w.params)
	must(t, err)
	php := exec.CommandContext(t.Context(), "php", "testdata/whmcs_module.php", function)
	var errOut bytes.Buffer
	php.Stdin, php.Stderr = bytes.NewReader(input), &errOut
	output, err := php.Output()
	if err != nil {
		t.Fatalf("%s: %v (php-cli and php-curl are needed: make install-tests)\n%s%s", function, err, output, &errOut)
	}
	if err := json.Unmarshal(output, result); err != nil {
		t.Fatalf("%s printed %q: %v\n%s", function, output, err, &errOut)
	}
	return strings.TrimSpace(errOut.String())
}

// call is run for a function that returns success or what is wrong.
func (w *whmcs) call(t *testing.T, function string) (outcome, said string) {
	t.Helper()
	said = w.run(t, function, &outcome)
	return outcome, said
}

func (w *whmcs) succeeds(t *testing.T, function string) (said string) {
	t.Helper()
	outcome, said := w.call(t, function)
	if outcome != "success" {
		t.Fatalf("%s: %s", function, outcome)
	}
	return said
}

// A client that is not ours: a service's life as WHMCS drives it, with a token as the access hash and
// nothing else.
func TestWHMCSServerModule(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 100)
	// The module gives up after 5 s: front end and switch are given longer, so that it really does.
	base, _ := p.serve(t, "serve", "TRUNKLINE_WAIT_DEFAULT=19s", "TRUNKLINE_SWITCH_TIMEOUT=40s")
	p.open(t)
	secret := p.newToken(t, "--scope", "read,provision,export", "--domain", p.sample.Domains[0].Name)
	site, err := url.Parse(base)
	must(t, err)
	host, port, err := net.SplitHostPort(site.Host)
	must(t, err)
	w := &whmcs{params: map[string]any{
		"serverhostname": host, "serverip": host, "serverport": port, "serversecure": false,
		"serverusername": "", "serverpassword": "", "serveraccesshash": secret + "\n",
		"serviceid": 4711, "domain": p.sample.Domains[0].Name, "configoption1": "sip.carrier.example",
		"username": "account-4711", "password": "a-carrier-password",
	}}
	var connection struct {
		Success bool
		Error   string
	}
	if w.run(t, "TestConnection", &connection); !connection.Success {
		t.Fatalf("TestConnection: %s", connection.Error)
	}

	// Created; created again by an impatient person: the same gateway.
	first := w.succeeds(t, "CreateAccount")
	if again := w.succeeds(t, "CreateAccount"); again != first || first == "" {
		t.Errorf("the retry got gateway %q, the first attempt %q", again, first)
	}

	// A switch that does not answer: the module gives up, and a retry gets the first attempt's gateway.
	w.params["serviceid"], w.params["username"] = 4712, "account-4712"
	p.sw.Hang(true)
	if outcome, _ := w.call(t, "CreateAccount"); !strings.HasPrefix(outcome, "cURL 28") {
		t.Fatalf("with a switch that hangs: %q", outcome)
	}
	p.sw.Hang(false)
	second := w.succeeds(t, "CreateAccount")
	if n := p.rows(t, "select count(*) from trunkline.external_ids where external_id = '4712' and gateway_uuid = $1", second); n != 1 {
		t.Error("the service's number does not name the gateway")
	}
	if n := p.rows(t, "select count(*) from v_gateways where gateway = 'service-4712' and gateway_uuid = $1", second); n != 1 {
		t.Errorf("%d gateways", n)
	}

	for _, step := range []struct {
		function string
		loaded   bool
	}{
		{"SuspendAccount", false}, {"SuspendAccount", false},
		{"UnsuspendAccount", true}, {"UnsuspendAccount", true},
		{"TerminateAccount", false}, {"TerminateAccount", false},
	} {
		w.succeeds(t, step.function)
		if loaded := p.loaded(second); loaded != step.loaded {
			t.Fatalf("after %s: loaded is %v", step.function, loaded)
		}
	}
	if n := p.rows(t, "select count(*) from v_gateways where gateway = 'service-4712'"); n != 0 {
		t.Errorf("%d gateways after it was terminated", n)
	}
	// A terminated service that is created again is a new gateway, not the old one's success.
	if third := w.succeeds(t, "CreateAccount"); third == second || !p.loaded(third) {
		t.Errorf("created again: %s", third)
	}

	// Without the token nothing goes, and the reason is said.
	w.params["serveraccesshash"] = ""
	if outcome, _ := w.call(t, "SuspendAccount"); !strings.HasPrefix(outcome, "Authentication Failed") {
		t.Errorf("without credentials: %q", outcome)
	}
}

// loaded reports whether the switch has the gateway.
func (p *samplePBX) loaded(gatewayUUID string) bool {
	_, loaded := p.sw.Loaded()[gatewayUUID]
	return loaded
}

// rows counts.
func (p *samplePBX) rows(t *testing.T, sql string, args ...any) (n int) {
	t.Helper()
	must(t, p.pool.QueryRow(t.Context(), sql, args...).Scan(&n))
	return n
}

// newToken makes a token by the command, and returns its secret.
func (p *samplePBX) newToken(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(pbxtest.Program("trunkline"), append([]string{"token", "create", "--name", "whmcs"}, args...)...)
	cmd.Env = p.env
	cmd.Stderr = os.Stderr
	output, err := cmd.Output()
	must(t, err)
	return strings.TrimSpace(string(output))
}

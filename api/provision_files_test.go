package api_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"trunkline/internal/config"
)

func TestProvisionInFileMode(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{files: true})
	provision := func(more ...string) answer {
		t.Helper()
		return b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier("acme", more...)}))
	}
	const hostile = `pa$$w&d"<>$${domain}x-pre-process`
	created := provision("gateway_password", hostile).want(t, http.StatusOK, "")
	uuid := created.text(t, "gateway_uuid")
	path := filepath.Join(b.profiles, "external", "v_"+uuid+".xml")
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode().Perm()&0o007 != 0 {
		t.Errorf("everybody may read the password: %o", info.Mode().Perm())
	}
	if got := b.switches[0].Loaded()[uuid].Params["password"]; got != hostile {
		t.Errorf("the carrier would get the password %q", got)
	}

	provision("gateway_password", "a\nb").want(t, http.StatusBadRequest, "invalid_request").says(t, "gateway_password", "line break")
	provision("profile", "..").want(t, http.StatusUnprocessableEntity, "invalid_gateway").says(t, "profile")
	provision("from_user", "<X-PRE-PROCESS cmd=").want(t, http.StatusUnprocessableEntity, "invalid_gateway").says(t, "from_user", "preprocessor")

	provision("gateway_enabled", "false").want(t, http.StatusOK, "")
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the suspended gateway's file is still there: %v", err)
	}

	culprit := filepath.Join(b.profiles, "internal", "theirs.xml")
	must(t, os.WriteFile(culprit, []byte("<include>\n<gateway name=\"x\">\n</include>\n"), 0o640))
	provision("gateway_enabled", "true").want(t, http.StatusInternalServerError, "switch_configuration").says(t, culprit, "line 2", "as it was before")
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the file was not taken back: %v", err)
	}
	must(t, os.Remove(culprit))
	provision("gateway_enabled", "true").want(t, http.StatusOK, "")
}

// The mode that is set wins over FusionPBX's setting: what the front end refuses is what the worker would.
func TestGatewayModeSetByHand(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{files: true, noWorker: true, settings: func(s *config.Settings) { s.GatewayMode = "database" }})
	b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier("acme", "gateway_password", "pa$$w")})).
		want(t, http.StatusUnprocessableEntity, "invalid_gateway").says(t, "gateway_password")
}

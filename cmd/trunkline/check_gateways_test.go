package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheckGateways(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 0)
	must(t, p.open(t).Keys().CheckDatabase(t.Context(), p.pool)) // as the first start does
	must(t, os.MkdirAll(p.exports(), 0o750))
	folders := t.TempDir()
	folder := func(name string, profiles ...string) string {
		path := filepath.Join(folders, name)
		must(t, os.Mkdir(path, 0o770))
		for _, profile := range profiles {
			must(t, os.Mkdir(filepath.Join(path, profile), 0o770))
		}
		return path
	}
	whole, half, broken := folder("whole", "external", "internal"), folder("half", "external"), folder("broken", "external", "internal")
	culprit := filepath.Join(broken, "internal", "x.xml")
	must(t, os.WriteFile(culprit, []byte("<include>\n</gateway>\n</include>\n"), 0o600))
	for name, tc := range map[string]struct {
		env    []string
		status int
		says   []string
	}{
		"as FusionPBX says":  {nil, 0, []string{"gateways", "ok: in the database (FusionPBX's default setting"}},
		"files":              {[]string{"TRUNKLINE_GATEWAY_MODE=file", "TRUNKLINE_SIP_PROFILES_DIR=" + whole}, 0, []string{"ok: files in " + whole + " (TRUNKLINE_GATEWAY_MODE)", "external, internal"}},
		"no folder named":    {[]string{"TRUNKLINE_GATEWAY_MODE=file"}, 1, []string{"NOT RIGHT", "TRUNKLINE_SIP_PROFILES_DIR"}},
		"no such folder":     {[]string{"TRUNKLINE_GATEWAY_MODE=file", "TRUNKLINE_SIP_PROFILES_DIR=" + whole + "/none"}, 1, []string{"NOT RIGHT", whole + "/none", "make that folder"}},
		"a profile's folder": {[]string{"TRUNKLINE_GATEWAY_MODE=file", "TRUNKLINE_SIP_PROFILES_DIR=" + half}, 1, []string{"NOT RIGHT", half + "/internal", "make that folder"}},
		"a broken file":      {[]string{"TRUNKLINE_GATEWAY_MODE=file", "TRUNKLINE_SIP_PROFILES_DIR=" + broken}, 1, []string{"NOT RIGHT", culprit, "line 2", "move it away"}},
		"a path with ..":     {[]string{"TRUNKLINE_GATEWAY_MODE=file", "TRUNKLINE_SIP_PROFILES_DIR=" + whole + "/../whole"}, 1, []string{"TRUNKLINE_SIP_PROFILES_DIR", "holds .."}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := runHere(t, append(p.env[:len(p.env):len(p.env)], tc.env...), "check")
			if got.status != tc.status {
				t.Errorf("got status %d, want %d", got.status, tc.status)
			}
			for _, words := range tc.says {
				if !strings.Contains(got.out+got.err, words) {
					t.Errorf("it does not say %q: %s", words, got)
				}
			}
		})
	}
	for _, dir := range []string{"external", "internal"} {
		entries, err := os.ReadDir(filepath.Join(whole, dir))
		must(t, err)
		if len(entries) != 0 {
			t.Errorf("something was left in %s: %v", dir, entries)
		}
	}
}

package version

import (
	"runtime/debug"
	"testing"
)

func TestBuild(t *testing.T) {
	t.Parallel()
	setting := func(key, value string) debug.BuildSetting { return debug.BuildSetting{Key: key, Value: value} }
	for name, tc := range map[string]struct {
		info debug.BuildInfo
		want string
	}{
		"a release": {debug.BuildInfo{
			GoVersion: "go1.26.0", Main: debug.Module{Version: "v1.2.3"},
			Settings: []debug.BuildSetting{
				setting("vcs.revision", "0123456789abcdef0123456789abcdef01234567"), setting("vcs.time", "2026-01-02T03:04:05Z"), setting("vcs.modified", "false"),
			},
		}, "v1.2.3 (revision 0123456789ab, of 2026-01-02T03:04:05Z, go1.26.0)"},
		"with changes": {debug.BuildInfo{
			Main:     debug.Module{Version: "(devel)"},
			Settings: []debug.BuildSetting{setting("vcs.revision", "0123"), setting("vcs.modified", "true")},
		}, "(devel) (revision 0123 with changes)"},
		"outside a repository": {debug.BuildInfo{GoVersion: "go1.26.0"}, "(devel) (go1.26.0)"},
		"nothing is known":     {debug.BuildInfo{}, "(devel)"},
	} {
		if got := described(&tc.info); got != tc.want {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}

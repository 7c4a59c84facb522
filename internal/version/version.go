// Package version says which build of Trunkline this is, as the Go tools recorded it. It knows nothing
// of what the program does.
package version

import (
	"cmp"
	"runtime/debug"
	"strings"
	"sync"
)

// This is the build that runs, in one line.
var This = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return described(info)
})

// shortRevision is how much of a commit's name is shown, in hex digits.
const shortRevision = 12

// described is a build in one line, such as "v1.2.3 (revision 0a1b2c3d4e5f, of 2026-01-02T03:04:05Z, go1.26.0)".
// Without revision and time it was not built in a repository.
func described(info *debug.BuildInfo) string {
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	var more []string
	if revision := settings["vcs.revision"]; revision != "" {
		revision = "revision " + revision[:min(len(revision), shortRevision)]
		if settings["vcs.modified"] == "true" {
			revision += " with changes"
		}
		more = append(more, revision)
	}
	if committed := settings["vcs.time"]; committed != "" {
		more = append(more, "of "+committed)
	}
	if info.GoVersion != "" {
		more = append(more, info.GoVersion)
	}
	version := cmp.Or(info.Main.Version, "(devel)")
	if len(more) > 0 {
		version += " (" + strings.Join(more, ", ") + ")"
	}
	return version
}

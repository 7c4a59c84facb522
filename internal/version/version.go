// Package version says which build of Trunkline this is, as the Go tools recorded it. It knows nothing
// of what the program does.
package version

import (
	"runtime/debug"
	"strings"
	"sync"
)

// Build is one build of the program. Revision and Time are "" if it was not built in a repository.
type Build struct {
	Version  string // the module's version: v1.2.3, or (devel)
	Revision string // the commit, in full
	Time     string // the commit's time, RFC 3339 in UTC
	Modified bool   // the tree held changes that were not committed
	Go       string // the version of Go
}

// This returns the build that runs.
var This = sync.OnceValue(func() Build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return Build{Version: "unknown"}
	}
	return read(info)
})

func read(info *debug.BuildInfo) Build {
	b := Build{Version: info.Main.Version, Go: info.GoVersion}
	if b.Version == "" {
		b.Version = "(devel)"
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

// String is the build in one line, such as "v1.2.3 (revision 0a1b2c3d, of 2026-01-02T03:04:05Z, go1.26.0)".
func (b Build) String() string {
	var more []string
	if b.Revision != "" {
		revision := "revision " + b.Revision[:min(len(b.Revision), shortRevision)]
		if b.Modified {
			revision += " with changes"
		}
		more = append(more, revision)
	}
	if b.Time != "" {
		more = append(more, "of "+b.Time)
	}
	if b.Go != "" {
		more = append(more, b.Go)
	}
	if len(more) == 0 {
		return b.Version
	}
	return b.Version + " (" + strings.Join(more, ", ") + ")"
}

// shortRevision is how much of a commit's name is shown, in hex digits.
const shortRevision = 12

// Package watch tells when files have changed: by the system's notice, and by looking, since there is no
// notice on a network file system, through a link or after a folder was replaced. It knows nothing of what
// is in them.
package watch

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// lookInterval is how often the files are looked at: two looks and a file that was saved quickly fit
// into a second.
const lookInterval = 300 * time.Millisecond

// State tells whether a file has changed.
type State struct {
	Info os.FileInfo // nil: it is not there
}

// StateOf looks at a file, or at what a link leads to.
func StateOf(path string) State {
	info, _ := os.Stat(path)
	return State{Info: info}
}

// Same reports whether nothing shows that the file was changed or replaced.
func (s State) Same(other State) bool {
	if s.Info == nil || other.Info == nil {
		return s.Info == nil && other.Info == nil
	}
	return s.Info.Size() == other.Info.Size() && s.Info.ModTime().Equal(other.Info.ModTime()) && os.SameFile(s.Info, other.Info)
}

// Files are watched together.
type Files struct {
	Paths []string
	// Stable is for how long they have to stay the same, so that they are not read half saved, or a new one
	// together with another's old one.
	Stable time.Duration
	Log    *slog.Logger
}

// Run calls changed at its beginning, and then whenever one of the files has changed, until ctx is done.
func (f Files) Run(ctx context.Context, changed func()) {
	folders := f.watchFolders()
	defer folders.close()
	tick := time.NewTicker(lookInterval)
	defer tick.Stop()
	seen := f.states()
	changed()
	for {
		told := false
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case err := <-folders.errors:
			f.Log.Debug("watching the folders of files", "files", f.Paths, "error", err)
		case event := <-folders.events:
			// A change of the same size within the clock's grain shows only in the event. What others write in the folder may
			// be much, and is not looked after: the next look finds what comes of it.
			if told = slices.ContainsFunc(f.Paths, func(path string) bool { return filepath.Clean(event.Name) == filepath.Clean(path) }); !told {
				continue
			}
		}
		if !told && slices.EqualFunc(seen, f.states(), State.Same) {
			continue
		}
		if seen = f.settled(ctx); seen == nil {
			return
		}
		changed()
	}
}

func (f Files) states() []State {
	states := make([]State, len(f.Paths))
	for i, path := range f.Paths {
		states[i] = StateOf(path)
	}
	return states
}

// settled waits until two looks, Stable apart, show the same, and returns that; nil if ctx ends before.
func (f Files) settled(ctx context.Context) []State {
	states := f.states()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(f.Stable):
		}
		again := f.states()
		if slices.EqualFunc(again, states, State.Same) {
			return again
		}
		states = again
	}
}

// folders are the system's notices of changes in folders; the channels are nil if there are none.
type folders struct {
	events <-chan fsnotify.Event
	errors <-chan error
	close  func()
}

// watchFolders asks the system to tell of changes in the files' folders: what saves a file replaces it, so
// that watching the file itself would end with its first change. If that fails, looking is enough.
func (f Files) watchFolders() folders {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		f.Log.Debug("no notices of changed files; they are looked at", "files", f.Paths, "error", err)
		return folders{close: func() {}}
	}
	for _, path := range f.Paths {
		if err := watcher.Add(filepath.Dir(path)); err != nil {
			f.Log.Debug("no notices of a changed file; it is looked at", "file", path, "error", err)
		}
	}
	return folders{watcher.Events, watcher.Errors, func() { _ = watcher.Close() }}
}

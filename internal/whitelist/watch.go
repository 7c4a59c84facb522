package whitelist

import (
	"context"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// lookInterval is how often the file is looked at, whether or not the system tells of a change: on
	// a network file system, or where the folder was replaced, it does not. Two looks and a stable file
	// fit into the second within which a change must be in effect.
	lookInterval = 300 * time.Millisecond
	// stableTime is for how long the file's size and time have to stay the same before it is read, so
	// that it is not read half saved.
	stableTime = 50 * time.Millisecond
)

// Watch keeps the list as the file is until ctx is done.
func (l *List) Watch(ctx context.Context) {
	folder := l.watchFolder()
	defer folder.close()
	tick := time.NewTicker(lookInterval)
	defer tick.Stop()
	for {
		told := false
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case err := <-folder.errors:
			l.log.Debug("watching the whitelist's folder", "file", l.path, "error", err)
		case event := <-folder.events:
			// A change of the same size within the clock's grain shows in nothing but the event.
			told = filepath.Base(event.Name) == filepath.Base(l.path)
		}
		if !told && !l.changed() {
			continue
		}
		if !l.settle(ctx) {
			return
		}
		l.Reload()
	}
}

// folderWatch is the system's word of changes in a folder; its channels are nil where there is none.
type folderWatch struct {
	events <-chan fsnotify.Event
	errors <-chan error
	close  func()
}

// watchFolder asks the system to tell of changes in the file's folder: an editor replaces the file, so
// that watching the file itself would end with its first change. Where that fails, looking is enough.
func (l *List) watchFolder() folderWatch {
	watcher, err := fsnotify.NewWatcher()
	if err == nil {
		if err = watcher.Add(filepath.Dir(l.path)); err == nil {
			return folderWatch{watcher.Events, watcher.Errors, func() { _ = watcher.Close() }}
		}
		_ = watcher.Close()
	}
	l.log.Debug("the whitelist's folder is not watched; the file is looked at instead", "file", l.path, "error", err)
	return folderWatch{close: func() {}}
}

// settle waits until two looks in a row show the same file, and reports whether ctx still is.
func (l *List) settle(ctx context.Context) bool {
	state := stateOf(l.path)
	for {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(stableTime):
		}
		again := stateOf(l.path)
		if again.same(state) {
			return true
		}
		state = again
	}
}

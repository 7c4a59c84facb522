package api

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// whitelistLook is how often the file is looked at, whether or not the system tells of a change:
	// on a network file system, or where the folder was replaced, it does not. Two looks and a stable
	// file fit into the second within which a change must be in effect.
	whitelistLook = 300 * time.Millisecond
	// whitelistStable is for how long the file's size and time have to stay the same before it is read,
	// so that it is not read half saved.
	whitelistStable = 50 * time.Millisecond
)

// whitelist is the list in effect. Where there is none that can be used, nobody may call.
type whitelist struct {
	path    string
	log     *slog.Logger
	set     atomic.Pointer[addressSet]
	problem atomic.Pointer[string] // what is wrong with the file as it stands; nil: nothing

	// Only watch's goroutine touches these, and newWhitelist before it.
	seen    fileState // of the file as it was last read
	content []byte    // what was read
}

// fileState tells whether a file has changed. The zero value is a file that is not there.
type fileState struct {
	size     int64
	modified time.Time
	info     os.FileInfo
}

func stateOf(path string) fileState {
	info, err := os.Stat(path)
	if err != nil {
		return fileState{}
	}
	return fileState{size: info.Size(), modified: info.ModTime(), info: info}
}

func (s fileState) same(other fileState) bool {
	if s.info == nil || other.info == nil {
		return s.info == other.info
	}
	return s.size == other.size && s.modified.Equal(other.modified) && os.SameFile(s.info, other.info)
}

// newWhitelist reads the file at once. A broken one denies everybody, since there is no old list.
func newWhitelist(path string, log *slog.Logger) *whitelist {
	w := &whitelist{path: path, log: log}
	w.set.Store(newAddressSet())
	w.seen = stateOf(path)
	w.load()
	return w
}

func (w *whitelist) allows(addr netip.Addr) bool { return w.set.Load().contains(addr) }

// trouble says what is wrong with the file as it stands, "" where nothing is.
func (w *whitelist) trouble() string {
	if p := w.problem.Load(); p != nil {
		return *p
	}
	return ""
}

// load reads the file and puts it into effect. Of a file with a broken line nothing is taken: the old
// list stays.
func (w *whitelist) load() {
	content, err := readWhitelist(w.path)
	if err == nil && bytes.Equal(content, w.content) && w.trouble() == "" && w.count() > 0 {
		return // saved as it was
	}
	w.content = content
	var set *addressSet
	if err == nil {
		set, err = parseWhitelist(content)
	}
	log := w.log.With("file", w.path)
	if err == nil {
		w.problem.Store(nil)
		w.set.Store(set)
		log.Info("whitelist in effect", "addresses", set.count())
		return
	}
	text := err.Error()
	if text == w.trouble() {
		return // the log has said so
	}
	w.problem.Store(&text)
	var unreadable *whitelistUnreadableError
	if errors.Is(err, errWhitelistMissing) || errors.Is(err, errWhitelistEmpty) || errors.As(err, &unreadable) {
		w.set.Store(newAddressSet())
	}
	if w.count() == 0 {
		log.Error("the whitelist denies everybody", "reason", text)
		return
	}
	log.Error("whitelist refused; the list that was in effect stays", "reason", text, "addresses", w.count())
}

func (w *whitelist) count() int { return w.set.Load().count() }

// watch keeps the list as the file is until ctx is done.
func (w *whitelist) watch(ctx context.Context) {
	folder := w.watchFolder()
	defer folder.close()
	tick := time.NewTicker(whitelistLook)
	defer tick.Stop()
	for {
		told := false
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case err := <-folder.errors:
			w.log.Debug("watching the whitelist's folder", "file", w.path, "error", err)
		case event := <-folder.events:
			// A change of the same size within the clock's grain shows in nothing but the event.
			told = filepath.Base(event.Name) == filepath.Base(w.path)
		}
		if !told && stateOf(w.path).same(w.seen) {
			continue
		}
		state, ok := w.settle(ctx)
		if !ok {
			return
		}
		w.seen = state
		w.load()
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
func (w *whitelist) watchFolder() folderWatch {
	watcher, err := fsnotify.NewWatcher()
	if err == nil {
		if err = watcher.Add(filepath.Dir(w.path)); err == nil {
			return folderWatch{watcher.Events, watcher.Errors, func() { _ = watcher.Close() }}
		}
		_ = watcher.Close()
	}
	w.log.Debug("the whitelist's folder is not watched; the file is looked at instead", "file", w.path, "error", err)
	return folderWatch{close: func() {}}
}

// settle waits until two looks in a row show the same file.
func (w *whitelist) settle(ctx context.Context) (state fileState, ok bool) {
	state = stateOf(w.path)
	for {
		select {
		case <-ctx.Done():
			return fileState{}, false
		case <-time.After(whitelistStable):
		}
		again := stateOf(w.path)
		if again.same(state) {
			return again, true
		}
		state = again
	}
}

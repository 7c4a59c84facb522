package whitelist

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"trunkline/internal/watch"
)

// stableTime is for how long the file has to stay the same before it is read, so that it is not read half
// saved. A change is in effect within a second.
const stableTime = 50 * time.Millisecond

// List is the list in effect; if there is none that can be used, nobody may call. It is safe for
// concurrent use.
type List struct {
	path    string
	log     *slog.Logger
	set     atomic.Pointer[Set]
	problem atomic.Pointer[string] // what is wrong with the file as it stands, or ""

	mu      sync.Mutex // held while the file is read
	content []byte     // what was read
}

// Open reads the file at once. A broken one denies everybody, since there is no old list.
func Open(path string, log *slog.Logger) *List {
	l := &List{path: path, log: log}
	l.set.Store(NewSet())
	l.problem.Store(new(""))
	l.Reload()
	return l
}

// Allows reports whether the address, which is unmapped and has no zone, may call.
func (l *List) Allows(addr netip.Addr) bool { return l.set.Load().Contains(addr) }

// Count is the number of addresses and networks in effect.
func (l *List) Count() int { return l.set.Load().Count() }

// Trouble says what is wrong with the file as it stands, "" if nothing is.
func (l *List) Trouble() string { return *l.problem.Load() }

// Watch keeps the list as the file is until ctx is done.
func (l *List) Watch(ctx context.Context) {
	watch.Files{Paths: []string{l.path}, Stable: stableTime, Log: l.log}.Run(ctx, l.Reload)
}

// Reload puts the file into effect as it stands: for the process that has just edited it. Others find
// out by Watch. Of a file with a broken line nothing is taken: the old list stays.
func (l *List) Reload() {
	l.mu.Lock()
	defer l.mu.Unlock()
	content, err := readFile(l.path)
	if err == nil && bytes.Equal(content, l.content) && l.Trouble() == "" && l.Count() > 0 {
		return // saved as it was
	}
	l.content = content
	var set *Set
	if err == nil {
		set, err = Parse(content).Set()
	}
	log := l.log.With("file", l.path)
	if err == nil {
		l.problem.Store(new(""))
		l.set.Store(set)
		log.Info("whitelist in effect", "addresses", set.Count())
		return
	}
	text := err.Error()
	if text == l.Trouble() {
		return // the log has said so
	}
	l.problem.Store(&text)
	_, unreadable := errors.AsType[*UnreadableError](err)
	if unreadable || errors.Is(err, ErrMissing) || errors.Is(err, ErrEmpty) {
		l.set.Store(NewSet())
	}
	if l.Count() == 0 {
		log.Error("the whitelist denies everybody", "reason", text)
		return
	}
	log.Error("whitelist refused; the list that was in effect stays", "reason", text, "addresses", l.Count())
}

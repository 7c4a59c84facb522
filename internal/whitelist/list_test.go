package whitelist

import (
	"context"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"testing"

	"trunkline/internal/pbxtest"
)

// Two lists on one file, as in two processes: an edit holds in both, a broken text in neither.
func TestListsFollowTheFile(t *testing.T) {
	t.Parallel()
	f := newFile(t, "192.0.2.1\n")
	addr := netip.MustParseAddr("203.0.113.5")
	log := &pbxtest.LogBuffer{}
	var lists []*List
	for range 2 {
		list := Open(f.Path, slog.New(slog.NewTextHandler(log, nil)))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			list.Watch(ctx)
		}()
		t.Cleanup(func() {
			cancel()
			<-ended
		})
		lists = append(lists, list)
	}
	both := func(what string, condition func(*List) bool) {
		t.Helper()
		pbxtest.Eventually(t, what, func() bool { return condition(lists[0]) && condition(lists[1]) })
	}
	_, err := f.Add(t.Context(), single(addr), "", careful)
	must(t, err)
	both("added", func(l *List) bool { return l.Allows(addr) && l.Count() == 2 })
	_, err = f.Remove(t.Context(), single(addr), careful)
	must(t, err)
	both("removed", func(l *List) bool { return !l.Allows(addr) })

	must(t, os.WriteFile(f.Path, []byte("203.0.113.5\nx\n"), 0o640))
	both("the broken line is told", func(l *List) bool { return strings.Contains(l.Trouble(), "line 2") })
	if lists[0].Allows(addr) || lists[0].Count() != 1 {
		t.Error("something of the broken text is in effect")
	}
	must(t, os.Remove(f.Path))
	both("nobody", func(l *List) bool { return l.Count() == 0 && l.Trouble() == ErrMissing.Error() })
}

func TestReloadIsAtOnce(t *testing.T) {
	t.Parallel()
	f := newFile(t, "192.0.2.1\n")
	list := Open(f.Path, slog.New(slog.DiscardHandler))
	_, err := f.Add(t.Context(), network("192.0.2.2"), "", careful)
	must(t, err)
	list.Reload()
	if !list.Allows(netip.MustParseAddr("192.0.2.2")) || list.Trouble() != "" {
		t.Errorf("it is not in effect: %q", list.Trouble())
	}
}

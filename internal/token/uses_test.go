package token

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"trunkline/internal/pbxtest"
)

func TestUsed(t *testing.T) {
	t.Parallel()
	b := open(t)
	made, _ := b.create(t, fresh("whmcs"))
	other, _ := b.create(t, fresh("other"))
	b.Used(made.ID, netip.MustParseAddr("192.0.2.1"))
	b.Used(made.ID, netip.MustParseAddr("192.0.2.2")) // within the minute
	b.Used(other.ID, netip.MustParseAddr("2001:db8::1"))
	address := func(id string) string {
		got, err := b.Get(t.Context(), id, Unbounded)
		must(t, err)
		if (got.LastUsedAt == nil) != (got.LastUsedAddress == "") {
			t.Errorf("got %+v", got)
		}
		return got.LastUsedAddress
	}
	pbxtest.Eventually(t, "both uses are written down", func() bool {
		return address(made.ID) != "" && address(other.ID) == "2001:db8::1"
	})
	if got := address(made.ID); got != "192.0.2.1" {
		t.Errorf("got %s, want the first use of the minute", got)
	}
}

// A database that is away costs a line in the log and nothing else.
func TestUsedWithoutADatabase(t *testing.T) {
	t.Parallel()
	b := open(t)
	made, _ := b.create(t, fresh("whmcs"))
	b.pool.Close()
	b.Used(made.ID, netip.MustParseAddr("192.0.2.1"))
	pbxtest.Eventually(t, "the log says so", func() bool { return strings.Contains(b.log.String(), "not written down") })
}

func TestUsesAreDueOnceAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := newUses(nil, nil)
		began := time.Now()
		for _, c := range []struct {
			id    string
			after time.Duration
			want  bool
		}{
			{"a", 0, true}, {"a", 0, false}, {"b", 0, true}, {"a", useInterval - 1, false}, {"a", useInterval, true}, {"a", useInterval + 1, false},
			{"b", 2 * useInterval, true},
		} {
			pbxtest.Pass(time.Until(began.Add(c.after)))
			if got := u.due(c.id); got != c.want {
				t.Errorf("%s after %v: got %t", c.id, c.after, got)
			}
		}
		for i := range 2 * maxUsed {
			if !u.due(fmt.Sprint(i)) {
				t.Fatalf("%d is not due", i)
			}
		}
		if n := u.noted.Len(); n > maxUsed {
			t.Errorf("%d are remembered, the bound is %d", n, maxUsed)
		}
	})
}

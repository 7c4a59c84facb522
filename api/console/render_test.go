package console

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"
)

// However many pages are made at once, the times of each are of its own zone.
func TestTimesAreOfEachPagesZone(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	var all sync.WaitGroup
	for _, c := range []struct {
		zone *time.Location
		want string
	}{{nil, "12:00:00 UTC"}, {time.FixedZone("EAST", 3600), "13:00:00 EAST"}, {time.FixedZone("WEST", -3600), "11:00:00 WEST"}} {
		for range 4 {
			all.Go(func() {
				for range 50 {
					var page bytes.Buffer
					err := (&Service{}).write(&page, "main", "exportlink", view{Zone: c.zone, Page: madeLink{Expires: at}})
					if err != nil || !strings.Contains(page.String(), c.want) {
						t.Errorf("want %s, got %v %s", c.want, err, page.String())
						return
					}
				}
			})
		}
	}
	all.Wait()
}

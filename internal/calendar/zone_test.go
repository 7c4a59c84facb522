package calendar

import (
	"testing"
	"time"
)

func TestZonesThatAreNone(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "Local", "LOCAL", "Mars/Olympus", "../../etc/passwd", "/etc/localtime"} {
		if _, ok := Zone(name); ok {
			t.Errorf("%q is read as a time zone", name)
		}
	}
}

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	location, ok := Zone(name)
	if !ok {
		t.Fatalf("no zone %s", name)
	}
	return location
}

// at reads a moment of RFC 3339, or else the first moment of a wall time such as 2024-10-27 02:30 in the zone.
func at(t *testing.T, text string, location *time.Location) time.Time {
	t.Helper()
	if moment, err := time.Parse(time.RFC3339, text); err == nil {
		return moment.In(location)
	}
	return First(wall(t, text), location)
}

func wall(t *testing.T, text string) time.Time {
	t.Helper()
	shown, err := time.Parse("2006-01-02 15:04", text)
	if err != nil {
		t.Fatal(err)
	}
	return shown
}

package status

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestUptimeText(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for _, c := range []struct {
		up   time.Duration
		want string
	}{
		{0, "0 seconds"},
		{time.Second + 999*time.Millisecond, "1 second"},
		{59 * time.Second, "59 seconds"},
		{time.Minute, "1 minute, 0 seconds"},
		{8*time.Minute + 2*time.Second, "8 minutes, 2 seconds"},
		{time.Hour + time.Minute, "1 hour, 1 minute"},
		{day - time.Second, "23 hours, 59 minutes"},
		{7*day + 3*time.Hour + 59*time.Minute, "7 days, 3 hours"},
		{365*day - time.Second, "364 days, 23 hours"},
		{365 * day, "1 year, 0 days"},
		{2*365*day + day, "2 years, 1 day"},
	} {
		if got := uptimeText(c.up); got != c.want {
			t.Errorf("%v: got %q, want %q", c.up, got, c.want)
		}
	}
}

func TestLoadAverage(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "loadavg")
	for content, want := range map[string]string{"0.35 0.40 0.41 1/234 5678\n": "0.35", "12.00 9 8\n": "12.00"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, ok := loadAverage(path); got != want || !ok {
			t.Errorf("%q: got %q, %t", content, got, ok)
		}
	}
	if err := os.WriteFile(path, []byte("<load>"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{path, filepath.Join(t.TempDir(), "none")} {
		if got, ok := loadAverage(path); ok {
			t.Errorf("%s: got %q", path, got)
		}
	}
}

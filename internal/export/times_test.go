package export

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"
	"time"
)

func location(t testing.TB, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// micros is a time as Postgres counts it.
func micros(t time.Time) int64 { return t.UnixMicro() - postgresEpoch*microsPerSec }

func TestAppendTimestamptz(t *testing.T) {
	t.Parallel()
	utc := func(y int, m time.Month, d, h, min, s, us int) int64 {
		return micros(time.Date(y, m, d, h, min, s, us*1000, time.UTC))
	}
	for _, tt := range []struct {
		zone   string
		micros int64
		want   string
	}{
		{"UTC", 0, "2000-01-01T00:00:00Z"},
		{"UTC", -1, "1999-12-31T23:59:59.999999Z"},
		{"UTC", utc(2026, 11, 22, 9, 8, 7, 120000), "2026-11-22T09:08:07.12Z"},
		{"Europe/Berlin", utc(2026, 7, 1, 12, 0, 0, 0), "2026-07-01T14:00:00+02:00"},
		{"Europe/Berlin", utc(2026, 10, 25, 0, 59, 59, 0), "2026-10-25T02:59:59+02:00"},
		{"Europe/Berlin", utc(2026, 10, 25, 1, 0, 0, 0), "2026-10-25T02:00:00+01:00"},
		{"Europe/Berlin", utc(1970, 1, 1, 0, 0, 0, 0), "1970-01-01T01:00:00+01:00"},
		{"Europe/Berlin", utc(1880, 1, 1, 0, 0, 0, 0), "1880-01-01T00:00:00Z"}, // its offset had seconds
		{"Europe/London", utc(2026, 1, 1, 0, 0, 0, 0), "2026-01-01T00:00:00Z"},
		{"America/St_Johns", utc(2026, 1, 1, 0, 0, 0, 0), "2025-12-31T20:30:00-03:30"},
		{"Asia/Kathmandu", utc(2026, 1, 1, 0, 0, 0, 0), "2026-01-01T05:45:00+05:45"},
		{"UTC", utc(2024, 2, 29, 0, 0, 0, 0), "2024-02-29T00:00:00Z"},
		{"UTC", utc(0, 3, 1, 0, 0, 0, 0), "0000-03-01T00:00:00Z"},
		{"UTC", utc(-43, 3, 15, 0, 0, 0, 0), "-0043-03-15T00:00:00Z"},
		{"UTC", utc(12345, 6, 7, 8, 9, 10, 0), "12345-06-07T08:09:10Z"},
		{"UTC", math.MaxInt64, "infinity"},
		{"UTC", math.MinInt64, "-infinity"},
	} {
		if got := string(appendTimestamptz(nil, location(t, tt.zone), tt.micros)); got != tt.want {
			t.Errorf("%d in %s: got %s, want %s", tt.micros, tt.zone, got, tt.want)
		}
	}
}

// TestAppendTimestamptzAgreesWithFormat walks through two centuries and back and forth over changes of the
// offset.
func TestAppendTimestamptzAgreesWithFormat(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia"} {
		zone := location(t, name)
		const step = 7*24*time.Hour + 5*time.Hour + 13*time.Minute + 11*time.Second + 130*time.Microsecond
		for at := time.Date(1925, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() < 2125; at = at.Add(step) {
			for _, when := range []time.Time{at, time.Unix(0, 0), at.Add(30 * time.Minute)} {
				_, offset := when.In(zone).Zone()
				want := when.In(zone).Format("2006-01-02T15:04:05.999999Z07:00")
				if offset%60 != 0 {
					want = when.UTC().Format("2006-01-02T15:04:05.999999Z07:00")
				}
				if got := string(appendTimestamptz(nil, zone, micros(when))); got != want {
					t.Fatalf("%s in %s: got %s, want %s", when, name, got, want)
				}
			}
		}
	}
}

// TestTimesOfPostgresAlone has moments that neither microseconds since 1970 nor an offset of minutes hold.
func TestTimesOfPostgresAlone(t *testing.T) {
	t.Parallel()
	const last = 9223371331199999999 // 294276-12-31 23:59:59.999999
	berlin := location(t, "Europe/Berlin")
	for _, tt := range []struct {
		style  timeStyle
		micros int64
		want   string
	}{
		{timeStyle{epoch: true}, last, "9224318015999.999999"},
		{timeStyle{epoch: true}, micros(time.Date(1969, 12, 31, 23, 59, 59, 250_000_000, time.UTC)), "-0.75"},
		{timeStyle{epoch: true}, micros(time.Date(1969, 12, 31, 23, 59, 58, 250_000_000, time.UTC)), "-1.75"},
		{timeStyle{epoch: true}, micros(time.Date(1969, 12, 31, 23, 59, 59, 0, time.UTC)), "-1"},
		{timeStyle{postgres: true}, micros(time.Date(1880, 1, 1, 0, 0, 0, 0, time.UTC)), "1880-01-01 00:53:28+00:53:28"},
		{timeStyle{postgres: true}, micros(time.Date(0, 2, 1, 0, 0, 0, 0, time.UTC)), "0001-02-01 00:53:28+00:53:28 BC"},
		{timeStyle{postgres: true}, micros(time.Date(-43, 3, 15, 0, 0, 0, 0, time.UTC)), "0044-03-15 00:53:28+00:53:28 BC"},
	} {
		if got := string(appendStyled(nil, tt.style, berlin, tt.micros, true)); got != tt.want {
			t.Errorf("%d: got %s, want %s", tt.micros, got, tt.want)
		}
	}
}

// FuzzValues makes sure that no value from the wire panics, and that what is written needs no escaping.
func FuzzValues(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 0, 0, 0})
	f.Add(binary.BigEndian.AppendUint64(nil, 1<<63))
	f.Add([]byte{0x80, 0x30, 0x30, 0x30}) // a date before any that Postgres has
	f.Add(make([]byte, 16))
	zone := location(f, "Europe/Berlin")
	f.Fuzz(func(t *testing.T, raw []byte) {
		for kind := kindBool; kind <= kindDate; kind++ {
			c := column{name: "c", kind: kind, zone: zone}
			out, err := c.appendValue([]byte("x"), raw)
			if err != nil {
				continue
			}
			if bad := strings.Trim(string(out[1:]), "0123456789abcdefghijklmnopqrstuvwxyz-:.+TZ"); bad != "" || out[0] != 'x' {
				t.Errorf("kind %d of %x: got %q", kind, raw, out)
			}
		}
	})
}

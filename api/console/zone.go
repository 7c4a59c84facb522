package console

import (
	"cmp"
	"maps"
	"net/http"
	"time"

	"trunkline/api/params"
	"trunkline/api/web"
	"trunkline/internal/calendar"
	"trunkline/internal/fault"
)

const (
	// zoneCookie keeps the zone that somebody chose, for pages that they open later. It is no secret.
	zoneCookie = "__Host-trunkline-zone"
	// zoneKept is for how long, in seconds: a year.
	zoneKept = 365 * 24 * 3600
	// maxZone bounds the name of a zone, in bytes.
	maxZone = 64
	// fieldTime is a time as a browser's field of type datetime-local has it, without a zone.
	fieldTime = "2006-01-02T15:04"
)

// zoneParam is one of every page.
var zoneParam = web.Param{Name: "zone", Most: maxZone}

// zoneOf is the zone of the page's times: the one that the address has, or that was chosen before, or UTC.
func zoneOf(r *web.Request) (*time.Location, error) {
	if name := r.Params.Get("zone"); name != "" {
		return zoneNamed(name)
	}
	if kept, err := r.HTTP().Cookie(zoneCookie); err == nil {
		if zone, err := zoneNamed(kept.Value); err == nil {
			return zone, nil
		}
	}
	return time.UTC, nil
}

func zoneNamed(name string) (*time.Location, error) {
	zone, known := calendar.Zone(name)
	if !known || len(name) > maxZone {
		return nil, fault.Invalid("zone", "%.64q is not a time zone; write one such as Europe/Berlin, or UTC", name)
	}
	return zone, nil
}

// keepZone has the browser keep the zone that the address has.
func keepZone(r *web.Request) {
	if name := r.Params.Get("zone"); name != "" {
		http.SetCookie(r.Writer(), &http.Cookie{
			Name: zoneCookie, Value: name, Path: "/", MaxAge: zoneKept, Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode,
		})
	}
}

// zoned is the request with those of its parameters that are times without a zone, as fields have them, taken to be of the
// page's zone.
func zoned(r *web.Request, names ...string) (*web.Request, error) {
	zone, err := zoneOf(r)
	if err != nil {
		return nil, err
	}
	values := params.Values(maps.Clone(r.Params))
	for _, name := range names {
		text := values.Get(name)
		for _, layout := range []string{fieldTime, fieldTime + ":05", time.DateOnly} {
			if t, err := time.ParseInLocation(layout, text, zone); err == nil {
				values[name] = t.Format(time.RFC3339)
			}
		}
	}
	return r.With(values), nil
}

// fieldIn is a time of the address as a field of the page has it, "" if it is none.
func fieldIn(r *web.Request, name string) string {
	zone, err := zoneOf(r)
	if err != nil {
		return ""
	}
	as, err := zoned(r, name)
	if err != nil {
		return ""
	}
	t, err := as.Params.Time(name)
	if err != nil || t == nil {
		return ""
	}
	return t.In(zone).Format(fieldTime)
}

// showOwnTime is how pages have a time that is of a zone of its own, such as a schedule's.
func showOwnTime(t time.Time) string { return showTimeIn(t.Location())(t) }

// showTimeIn is how pages of the zone have times: with their zone.
func showTimeIn(zone *time.Location) func(time.Time) string {
	zone = cmp.Or(zone, time.UTC)
	return func(t time.Time) string { return t.In(zone).Format("2006-01-02 15:04:05 MST") }
}

// timeAt is the time that an answer of /v1 has as text, nil if it has none.
func timeAt(text string) *time.Time {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil
	}
	return &at
}

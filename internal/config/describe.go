package config

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/netip"
	"reflect"
	"strings"
	"time"
)

// Setting is one setting as `trunkline config` shows it.
type Setting struct {
	Name    string
	Default string // as it would be written, or in words if it is worked out
	Help    string
	Secret  bool
	Value   string // as it would be written; "[hidden]" for a secret
	Source  Source
}

// Describe returns all the settings in the order of Settings.
func Describe(s Settings) []Setting {
	settings := make([]Setting, 0, len(fields))
	for _, f := range fields {
		name := f.Tag.Get("env")
		settings = append(settings, Setting{
			Name:    name,
			Default: cmp.Or(f.Tag.Get("envDefault"), f.Tag.Get("default")),
			Help:    f.Tag.Get("help"),
			Secret:  f.Type == reflect.TypeFor[Secret](),
			Value:   written(reflect.ValueOf(s).FieldByIndex(f.Index).Interface()),
			Source:  cmp.Or(s.sources[name], FromDefault),
		})
	}
	return settings
}

// written is a value as it would be written in a settings file.
func written(value any) string {
	switch v := value.(type) {
	case []string:
		return strings.Join(v, ",")
	case []netip.Prefix:
		return strings.ReplaceAll(strings.Trim(fmt.Sprint(v), "[]"), " ", ",")
	case time.Duration:
		return shortDuration(v)
	case slog.Level:
		return strings.ToLower(v.String())
	}
	return fmt.Sprint(value)
}

// shortDuration leaves out the zeros at the end: 24h and not 24h0m0s.
func shortDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

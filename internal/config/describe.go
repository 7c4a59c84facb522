package config

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"path/filepath"
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
	Value   string // as it would be written; "[hidden]" for a secret, or for the secret in it
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
			Value:   shown(reflect.ValueOf(s).FieldByIndex(f.Index).Interface(), f.Tag.Get("public")),
			Source:  cmp.Or(s.sources[name], FromDefault),
		})
	}
	return settings
}

// Where says where the setting's value comes from, for whoever has to correct it.
func (s Settings) Where(name string) string {
	if s.sources[name] != FromFusionPBX {
		return name
	}
	section := "database.0"
	if name != nameDatabaseURL {
		section = "switch.event_socket"
	}
	return section + " in " + s.FusionPBXConfig
}

// shown is a value without the secret in it. public says which part of a secret may be seen: url, all but the
// passwords of one; path, the whole of one.
func shown(value any, public string) string {
	secret, is := value.(Secret)
	if !is {
		return written(value)
	}
	if _, isKey := parseKey(string(secret)); public == "path" && !isKey && filepath.IsAbs(string(secret)) {
		return string(secret)
	}
	if public == "url" {
		return WithoutPasswords(secret)
	}
	return hidden
}

// WithoutPasswords is a URL as people may see it.
func WithoutPasswords(secret Secret) string {
	u, err := url.Parse(string(secret))
	if err != nil || u.Scheme == "" || u.Host == "" && u.RawQuery == "" {
		return hidden
	}
	user := ""
	if u.User != nil {
		user = url.User(u.User.Username()).String()
		if _, set := u.User.Password(); set {
			user += ":" + hidden
		} else if strings.HasPrefix(u.Scheme, "redis") {
			user = hidden // the password, by mistake
		}
		user += "@"
	}
	text := u.Scheme + "://" + user + u.Host + u.EscapedPath()
	between := "?"
	for part := range strings.SplitSeq(u.RawQuery, "&") {
		name, _, _ := strings.Cut(part, "=")
		if strings.Contains(strings.ToLower(name), "password") || strings.Contains(name, "%") {
			part = name + "=" + hidden
		}
		if part != "" {
			text, between = text+between+part, "&"
		}
	}
	return text
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

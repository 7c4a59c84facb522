package config

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// Load returns the settings of the environment ("NAME=value" each, as os.Environ gives them), of the
// file at path ("" for none) and of FusionPBX's config.conf. The environment wins over the file, the
// file over config.conf, and that over the defaults; an empty value is the same as none.
//
// The error names every unknown setting and every invalid value at once, each with the remedy, and
// never holds a secret. Names in the environment that do not begin with TRUNKLINE_ are not ours, and those that
// clients find there are no settings.
func Load(path string, environ []string) (Settings, error) {
	return load(path, environ, true)
}

// LoadWithoutPBX is Load for what needs neither database nor switch: if config.conf cannot be read, the
// settings that would come from it are empty.
func LoadWithoutPBX(path string, environ []string) (Settings, error) {
	return load(path, environ, false)
}

func load(path string, environ []string, needPBX bool) (Settings, error) {
	values, sources := map[string]string{}, map[string]Source{}
	if path != "" {
		file, err := readEnvFile(path)
		if err != nil {
			return Settings{}, err
		}
		overlay(file, FromFile, values, sources)
	}
	overlay(fromEnvironment(environ), FromEnvironment, values, sources)

	problems := unknownSettings(values, sources)
	conf := cmp.Or(values[nameFusionPBXConfig], defaultOf(nameFusionPBXConfig))
	if err := fillFromFusionPBX(conf, values[nameFusionPBXConfig] != "", values, sources); err != nil && needPBX {
		problems = append(problems, err)
	}
	s := Settings{sources: sources}
	invalid := s.parse(values)
	for _, name := range slices.Sorted(maps.Keys(invalid)) {
		problems = append(problems, invalid[name])
	}
	problems = append(problems, s.check(func(name string) bool { return invalid[name] == nil && (values[name] != "" || defaultOf(name) != "") })...)
	if len(problems) > 0 {
		return Settings{}, fmt.Errorf("the settings are not right:\n%w", errors.Join(problems...))
	}
	return s, nil
}

// overlay adds what is set in from to values.
func overlay(from map[string]string, source Source, values map[string]string, sources map[string]Source) {
	for name, value := range from {
		if _, known := byName[name]; known && value == "" {
			continue
		}
		values[name], sources[name] = value, source
	}
}

// fromEnvironment picks our settings; of a name that occurs twice the last one, as os/exec does.
func fromEnvironment(environ []string) map[string]string {
	ours := map[string]string{}
	for _, pair := range environ {
		if name, value, found := strings.Cut(pair, "="); found && strings.HasPrefix(name, prefix) && !forClients[name] {
			ours[name] = value
		}
	}
	return ours
}

// fields are the settings of Settings by their order there.
var fields = slices.DeleteFunc(reflect.VisibleFields(reflect.TypeFor[Settings]()), func(f reflect.StructField) bool {
	return !f.IsExported()
})

// byName are the fields by the names of their settings.
var byName = func() map[string]reflect.StructField {
	byName := map[string]reflect.StructField{}
	for _, f := range fields {
		byName[f.Tag.Get("env")] = f
	}
	return byName
}()

func defaultOf(name string) string { return byName[name].Tag.Get("envDefault") }

// unknownSettings returns an error for each name that is no setting.
func unknownSettings(values map[string]string, sources map[string]Source) []error {
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if _, known := byName[name]; known {
			continue
		}
		remedy := "remove it; `trunkline config` lists the settings"
		if near := nearest(name); near != "" {
			remedy = "did you mean " + near + "?"
		}
		problems = append(problems, fmt.Errorf("%s (in the %s) is not a setting; %s", name, sources[name], remedy))
	}
	return problems
}

// maxTypo is how many letters may be wrong in a name for which another is suggested.
const maxTypo = 3

// nearest returns the setting whose name differs least, "" if none is near.
func nearest(name string) string {
	best, least := "", maxTypo+1
	for _, f := range fields {
		known := f.Tag.Get("env")
		if d := distance(name, known); d < least {
			best, least = known, d
		}
	}
	return best
}

// distance is the number of letters to insert, delete or replace to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// parse sets the fields, and returns what is wrong with the values, by setting.
func (s *Settings) parse(values map[string]string) map[string]error {
	err := env.ParseWithOptions(s, env.Options{Environment: values, FuncMap: map[reflect.Type]env.ParserFunc{
		reflect.TypeFor[[]string]():       func(v string) (any, error) { return splitList(v), nil },
		reflect.TypeFor[[]netip.Prefix](): func(v string) (any, error) { return parsePrefixes(v) },
	}})
	invalid := map[string]error{}
	all, _ := errors.AsType[env.AggregateError](err) // which every error of the parser is
	for _, err := range all.Errors {
		wrong, _ := errors.AsType[env.ParseError](err)
		field, found := reflect.TypeFor[Settings]().FieldByName(wrong.Name)
		if !found {
			invalid[""] = fmt.Errorf("reading the settings: %w", err)
			continue
		}
		name := field.Tag.Get("env")
		invalid[name] = fmt.Errorf("%s=%q: %s", name, values[name], typeRemedy(field.Type, wrong.Err))
	}
	return invalid
}

// typeRemedy says what a value of that type looks like.
func typeRemedy(t reflect.Type, err error) string {
	remedies := map[reflect.Type]string{
		reflect.TypeFor[time.Duration](): "not a length of time; write one such as 500ms, 10s, 5m or 24h",
		reflect.TypeFor[int]():           "not a whole number; write one such as 20",
		reflect.TypeFor[bool]():          "neither true nor false; write one of them",
		reflect.TypeFor[slog.Level]():    "not a level; write debug, info, warn or error",
	}
	return cmp.Or(remedies[t], err.Error())
}

// splitList splits at commas and drops what is empty.
func splitList(value string) []string {
	var items []string
	for item := range strings.SplitSeq(value, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

func parsePrefixes(value string) ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	for _, item := range splitList(value) {
		p, err := netip.ParsePrefix(item)
		if addr, addrErr := netip.ParseAddr(item); addrErr == nil && addr.Zone() == "" {
			p, err = netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("%q is neither an address nor a CIDR; write one such as 10.0.0.1 or fd00::/8", item)
		}
		if p != p.Masked() {
			return nil, fmt.Errorf("%s has bits set behind its length; write %s", item, p.Masked())
		}
		prefixes = append(prefixes, p)
	}
	return prefixes, nil
}

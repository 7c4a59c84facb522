package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"strings"

	"trunkline/internal/atomicfile"
)

const (
	defaultSwitchHost     = "127.0.0.1"
	defaultSwitchPort     = "8021"
	defaultSwitchPassword = "ClueCon" // FreeSWITCH's own
	defaultDatabasePort   = "5432"
)

// The names of the settings that FusionPBX's config.conf can fill.
const (
	nameDatabaseURL     = prefix + "DATABASE_URL"
	nameSwitches        = prefix + "SWITCHES"
	nameSwitchPassword  = prefix + "SWITCH_PASSWORD"
	nameFusionPBXConfig = prefix + "FUSIONPBX_CONFIG"
)

// fillFromFusionPBX fills what values lack with what FusionPBX's config.conf at path says, and with the
// fixed defaults if that says nothing either. named tells that the path was set and is not the default.
func fillFromFusionPBX(path string, named bool, values map[string]string, sources map[string]Source) error {
	unset := func(name string) bool { return values[name] == "" }
	fill := func(name, value string, source Source) {
		if unset(name) && value != "" {
			values[name], sources[name] = value, source
		}
	}
	if unset(nameDatabaseURL) || unset(nameSwitches) || unset(nameSwitchPassword) {
		if err := readFusionPBX(path, named, unset, fill); err != nil {
			return err
		}
	}
	fill(nameSwitches, net.JoinHostPort(defaultSwitchHost, defaultSwitchPort), FromDefault)
	fill(nameSwitchPassword, defaultSwitchPassword, FromDefault)
	return nil
}

func readFusionPBX(path string, named bool, unset func(string) bool, fill func(name, value string, source Source)) error {
	content, err := atomicfile.Read(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && unset(nameDatabaseURL):
		return fmt.Errorf("%s: it is not set, and there is no FusionPBX configuration %s to take it from; "+
			"set it to postgres://user:password@host:port/database, or %s to the path of FusionPBX's config.conf", nameDatabaseURL, path, nameFusionPBXConfig)
	case errors.Is(err, fs.ErrNotExist) && !named:
		return nil
	case err != nil:
		return fmt.Errorf("%s: %w; let this user read the file, or set %s, %s and %s", nameFusionPBXConfig, err,
			nameDatabaseURL, nameSwitches, nameSwitchPassword)
	}
	conf := parseFusionPBX(content)
	if unset(nameDatabaseURL) {
		databaseURL, err := fusionDatabaseURL(conf)
		if err != nil {
			return fmt.Errorf("%s: %s: %w; or set %s", nameFusionPBXConfig, path, err, nameDatabaseURL)
		}
		fill(nameDatabaseURL, databaseURL, FromFusionPBX)
	}
	fill(nameSwitches, fusionSwitch(conf), FromFusionPBX)
	fill(nameSwitchPassword, conf["switch.event_socket.password"], FromFusionPBX)
	return nil
}

// parseFusionPBX reads the lines `name = value` of FusionPBX's config.conf. Comments begin with # or
// ;. As in FusionPBX, lines of another form are passed over, quotes around a value are not part of
// it, and of two lines with one name the last counts.
func parseFusionPBX(content []byte) map[string]string {
	conf := map[string]string{}
	for line := range bytes.Lines(bytes.TrimPrefix(content, []byte("\uFEFF"))) {
		text := strings.TrimSpace(string(line))
		if text == "" || text[0] == '#' || text[0] == ';' {
			continue
		}
		name, value, found := strings.Cut(text, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !found || name == "" {
			continue
		}
		if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
			value = value[1 : n-1]
		}
		conf[name] = value
	}
	return conf
}

// fusionDatabaseURL builds the URL of FusionPBX's own database, which its config.conf numbers 0.
func fusionDatabaseURL(conf map[string]string) (string, error) {
	if kind := conf["database.0.type"]; kind != "" && kind != "pgsql" {
		return "", errors.New("database.0.type is not pgsql: Trunkline works with FusionPBX on Postgres only")
	}
	var missing []string
	for _, name := range []string{"database.0.host", "database.0.name", "database.0.username"} {
		if conf[name] == "" {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return "", fmt.Errorf("it lacks %s; add it", strings.Join(missing, " and "))
	}
	port := cmp.Or(conf["database.0.port"], defaultDatabasePort)
	u := url.URL{Scheme: "postgres", User: url.User(conf["database.0.username"]), Path: "/" + conf["database.0.name"]}
	if password := conf["database.0.password"]; password != "" {
		u.User = url.UserPassword(conf["database.0.username"], password)
	}
	query := url.Values{}
	if host := conf["database.0.host"]; strings.HasPrefix(host, "/") {
		// The folder of a Unix socket has no place in the URL's authority.
		query.Set("host", host)
		query.Set("port", port)
	} else {
		u.Host = net.JoinHostPort(strings.Trim(host, "[]"), port)
	}
	if mode := conf["database.0.sslmode"]; mode != "" {
		query.Set("sslmode", mode)
	}
	u.RawQuery = query.Encode()
	return u.String(), nil
}

// fusionSwitch returns the event socket that FusionPBX uses as host:port, "" if it names none.
func fusionSwitch(conf map[string]string) string {
	host, port := conf["switch.event_socket.host"], conf["switch.event_socket.port"]
	if host == "" && port == "" {
		return ""
	}
	return net.JoinHostPort(strings.Trim(cmp.Or(host, defaultSwitchHost), "[]"), cmp.Or(port, defaultSwitchPort))
}

package config

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

const fusionConf = `
#database system settings
database.0.type = pgsql
database.0.host = db.example
database.0.port = 5433
database.0.sslmode = require
database.0.name = fusion pbx
database.0.username = fusion@pbx
database.0.password = p@ss:w/o?r#d%=&"x

#database switch settings
database.1.type = sqlite
database.1.password = another

; event socket
switch.event_socket.host = 10.1.2.3
switch.event_socket.port = 8022
switch.event_socket.password = "Clue;Less"
`

func TestLoadFromFusionPBX(t *testing.T) {
	t.Parallel()
	conf := writeFile(t, "config.conf", fusionConf)
	s, err := Load("", []string{"TRUNKLINE_FUSIONPBX_CONFIG=" + conf})
	if err != nil {
		t.Fatal(err)
	}
	c, err := pgx.ParseConfig(s.DatabaseURL.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, got, want string }{
		{"host", c.Host, "db.example"},
		{"database", c.Database, "fusion pbx"},
		{"user", c.User, "fusion@pbx"},
		{"password", c.Password, `p@ss:w/o?r#d%=&"x`},
		{"switches", strings.Join(s.Switches, ","), "10.1.2.3:8022"},
		{"switch password", s.SwitchPassword.Reveal(), "Clue;Less"},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, c.got, c.want)
		}
	}
	if c.Port != 5433 || c.TLSConfig == nil {
		t.Errorf("port %d, TLS %v; want 5433 with TLS", c.Port, c.TLSConfig)
	}
	for _, d := range Describe(s) {
		if slices.Contains([]string{nameDatabaseURL, nameSwitches, nameSwitchPassword}, d.Name) && d.Source != FromFusionPBX {
			t.Errorf("source of %s: got %s, want %s", d.Name, d.Source, FromFusionPBX)
		}
	}
}

func TestFusionDatabaseURL(t *testing.T) {
	t.Parallel()
	base := map[string]string{"database.0.host": "h", "database.0.name": "n", "database.0.username": "u"}
	for _, c := range []struct {
		name string
		more map[string]string
		want string // the URL, or a part of the error
	}{
		{"the least", nil, "postgres://u@h:5432/n"},
		{"IPv6", map[string]string{"database.0.host": "::1"}, "postgres://u@[::1]:5432/n"},
		{"IPv6 in brackets", map[string]string{"database.0.host": "[::1]"}, "postgres://u@[::1]:5432/n"},
		{"a Unix socket", map[string]string{"database.0.host": "/run/postgresql"}, "postgres://u@/n?host=%2Frun%2Fpostgresql&port=5432"},
		{"another server", map[string]string{"database.0.type": "mysql"}, "not pgsql"},
		{"no name, no host", map[string]string{"database.0.name": "", "database.0.host": ""}, "lacks database.0.host and database.0.name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conf := map[string]string{}
			for name, value := range base {
				conf[name] = value
			}
			for name, value := range c.more {
				conf[name] = value
			}
			got, err := fusionDatabaseURL(conf)
			if err != nil {
				got = err.Error()
			} else if err := checkDatabaseURL(got); err != nil {
				t.Error(err)
			}
			if got != c.want && (err == nil || !strings.Contains(got, c.want)) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestLoadWithoutFusionPBX(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "config.conf")
	empty := writeFile(t, "config.conf", "# nothing\n")
	const database = "TRUNKLINE_DATABASE_URL=postgres://u:p@h:5432/n"
	for _, c := range []struct {
		name    string
		environ []string
		want    []string // parts of the error; none: no error
	}{
		{"no database at all", []string{"TRUNKLINE_FUSIONPBX_CONFIG=" + missing},
			[]string{"TRUNKLINE_DATABASE_URL", "postgres://", "TRUNKLINE_FUSIONPBX_CONFIG", missing}},
		{"a file that was named and is not there", []string{database, "TRUNKLINE_FUSIONPBX_CONFIG=" + missing},
			[]string{"TRUNKLINE_FUSIONPBX_CONFIG", missing, "TRUNKLINE_SWITCHES"}},
		{"a file without a database", []string{"TRUNKLINE_FUSIONPBX_CONFIG=" + empty},
			[]string{"TRUNKLINE_FUSIONPBX_CONFIG", "lacks database.0.host", "TRUNKLINE_DATABASE_URL"}},
		{"the switch's own defaults", []string{database, "TRUNKLINE_FUSIONPBX_CONFIG=" + empty}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, err := Load("", c.environ)
			if len(c.want) == 0 {
				if err != nil {
					t.Fatal(err)
				}
				if got := strings.Join(s.Switches, ",") + " " + s.SwitchPassword.Reveal(); got != "127.0.0.1:8021 ClueCon" {
					t.Errorf("got %s, want FreeSWITCH's own defaults", got)
				}
				return
			}
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error lacks %q: %v", want, err)
				}
			}
		})
	}
}

// FuzzParseFusionPBX: whatever config.conf holds, what becomes of it is a URL that gives the same
// user, password and database back, or an error without the password.
func FuzzParseFusionPBX(f *testing.F) {
	f.Add([]byte(fusionConf))
	f.Add([]byte("database.0.host=/run\ndatabase.0.name='n'\ndatabase.0.username=\"u\ndatabase.0.port=x"))
	f.Add([]byte("=\n;=\n[a]\nswitch.event_socket.port=8\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		conf := parseFusionPBX(content)
		for name, value := range conf {
			if name == "" || strings.ContainsAny(name+value, "\n") {
				t.Fatalf("read %q=%q", name, value)
			}
		}
		_ = fusionSwitch(conf)
		databaseURL, err := fusionDatabaseURL(conf)
		if err != nil {
			return
		}
		if err := checkDatabaseURL(databaseURL); err != nil {
			return // such as a port that is no number: refused
		}
		c, err := pgx.ParseConfig(databaseURL)
		if err != nil {
			t.Fatal(err)
		}
		if c.User != conf["database.0.username"] || conf["database.0.password"] != "" && c.Password != conf["database.0.password"] || c.Database != conf["database.0.name"] {
			t.Fatalf("%q became user %q, password %q, database %q", conf, c.User, c.Password, c.Database)
		}
	})
}

package gateway_test

import (
	"errors"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway"
	"trunkline/internal/gateway/file"
	"trunkline/internal/pbx"
	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/pbxtest/testbed"
)

// files are the gateway files, by their path in the bundle's folder.
func (b *bundle) files(t *testing.T) map[string]string {
	t.Helper()
	found, err := b.readFiles()
	must(t, err)
	return found
}

// readFiles is for where no test may end: what the simulated switch calls.
func (b *bundle) readFiles() (map[string]string, error) {
	found, folder := map[string]string{}, os.DirFS(b.Profiles)
	for _, pattern := range []string{"*/*", "*/.*"} {
		names, err := fs.Glob(folder, pattern)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			content, err := fs.ReadFile(folder, name)
			if err != nil {
				return nil, err
			}
			found[name] = string(content)
		}
	}
	return found, nil
}

// writeFile fails the test, but does not end it: the simulated switch calls it too.
func (b *bundle) writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(b.Profiles, name)
	if err := os.WriteFile(path, []byte(content), 0o640); err != nil {
		t.Error(err)
	}
	return path
}

// theirFile is a gateway's file as FusionPBX writes it.
func theirFile(row fusionpbx.Gateway) string {
	return "<include>\n    <gateway name=\"" + row.UUID + "\">\n      <param name=\"username\" value=\"" + row.Get("username") +
		"\"/>\n      <param name=\"password\" value=\"" + row.Get("password") + "\"/>\n      <param name=\"realm\" value=\"" + row.Get("realm") +
		"\"/>\n      <param name=\"proxy\" value=\"" + row.Get("proxy") + "\"/>\n      <param name=\"register\" value=\"true\"/>\n" +
		"      <param name=\"expire-seconds\" value=\"800\"/>\n    </gateway>\n</include>"
}

// theirGateway is a carrier that FusionPBX's page made: its row, its file and what the switches have loaded.
func (b *bundle) theirGateway(t *testing.T) (row fusionpbx.Gateway, name string) {
	t.Helper()
	row = carrierRow()
	must(t, b.FusionPBX.InsertGateway(t.Context(), row, ""))
	name = "external/v_" + row.UUID + ".xml"
	b.writeFile(t, name, theirFile(row))
	for _, sw := range b.Simulated {
		must(t, sw.LoadProfiles(t.Context()))
	}
	return row, name
}

func TestProvisionFilesOnEveryVersion(t *testing.T) {
	t.Parallel()
	for _, version := range sample.Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{version: version, files: true})
			sw := b.Simulated[0]
			created := b.one(t, change(b.Sample.Domains[0].UUID, "carrier", carrier()))
			name := "v_" + created.GatewayUUID + ".xml"
			if got := b.files(t); len(got) != 1 || !strings.Contains(got["external/"+name], "s3cret-pw") {
				t.Fatalf("created: the files are %v", got)
			}
			if n := sw.CountCommands("sofia profile external rescan"); n != 1 || created.Action != gateway.Created {
				t.Errorf("got %+v after %d rescans, want one", created, n)
			}
			change := func(values map[string]string) gateway.Result {
				t.Helper()
				return b.one(t, change(b.Sample.Domains[0].UUID, "carrier", values))
			}
			for _, password := range []string{`pa$$w&d"<>`, "$${domain}", "X-pre-process", "<?<include>'", "${hostname}"} {
				change(map[string]string{"password": password})
				if got := sw.Loaded()[created.GatewayUUID].Params["password"]; got != password {
					t.Fatalf("the carrier would get the password %q in place of %q", got, password)
				}
			}
			change(map[string]string{"username": `user"$1>`, "context": "a$b", "realm": "r$d"})
			if got := sw.Loaded()[created.GatewayUUID].Params["username"]; got != `user"$1>` {
				t.Fatalf("the carrier would get the user %q", got)
			}
			change(map[string]string{"profile": "internal"})
			if got := b.files(t); len(got) != 1 || got["internal/"+name] == "" {
				t.Fatalf("moved: the files are %v", got)
			}
			if n, profile := b.copies(t, created.GatewayUUID); n != 1 || profile != "internal" {
				t.Fatalf("moved: %d copies, the last under %s", n, profile)
			}
			if suspended := change(map[string]string{"enabled": "false"}); suspended.GatewayState != gateway.StateNotLoaded || len(b.files(t)) != 0 {
				t.Fatalf("suspended: got %+v and the files %v", suspended, b.files(t))
			}
			if resumed := change(map[string]string{"enabled": "true"}); resumed.GatewayState == gateway.StateNotLoaded || len(b.files(t)) != 1 {
				t.Fatalf("resumed: got %+v and the files %v", resumed, b.files(t))
			}
			if n := sw.CountCommands("lua"); n != 0 {
				t.Errorf("the database mode's cache was asked for %d times", n)
			}
		})
	}
}

// A gateway has the same settings on the switch whichever way it gets there.
func TestBothModesLoadTheSame(t *testing.T) {
	t.Parallel()
	values := carrier()
	for _, column := range fusionpbx.SwitchColumns {
		if _, given := values[column]; !given {
			values[column] = "x-" + column
		}
	}
	for column, value := range map[string]string{
		"profile": "external", "enabled": "true", "hostname": "", "register": "false", "register_transport": "tls", "distinct_to": "true",
		"contact_in_ping": "true", "caller_id_in_from": "true", "supress_cng": "true", "expire_seconds": "60", "retry_seconds": "5",
		"ping": "30", "ping_min": "1", "ping_max": "3", "channels": "2",
	} {
		values[column] = value
	}
	var loaded []map[string]string
	for _, files := range []bool{false, true} {
		b := newBundle(t, setUp{files: files})
		created := b.one(t, change("", "carrier", values))
		loaded = append(loaded, b.Simulated[0].Loaded()[created.GatewayUUID].Params)
	}
	if len(loaded[0]) < 20 || !reflect.DeepEqual(loaded[0], loaded[1]) {
		t.Fatalf("from the database\n%v\nfrom files\n%v", loaded[0], loaded[1])
	}
}

// Each of these ends in an error that says what is wrong, and leaves rows, files and switches as they were.
func TestProvisionFilesFailsAndPutsBack(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		switches int
		arrange  func(t *testing.T, b *bundle) (says []string)
		values   map[string]string
		code     string
		early    bool // it is refused before anything is written, whatever stands there
	}{
		"a broken foreign file": {code: fault.SwitchConfiguration, arrange: func(t *testing.T, b *bundle) []string {
			return []string{b.writeFile(t, "internal/theirs.xml", "<include>\n<gateway name=\"x\">\n</include>\n"), "line 2", "as it was before"}
		}},
		"a broken foreign file, and a move": {code: fault.SwitchConfiguration, values: map[string]string{"profile": "internal"}, arrange: func(t *testing.T, b *bundle) []string {
			return []string{b.writeFile(t, "internal/theirs.xml", "</gateway>"), "as it was before"}
		}},
		"broken elsewhere": {code: fault.SwitchConfiguration, arrange: func(t *testing.T, b *bundle) []string {
			b.Simulated[0].BreakXML(9, "unclosed tag <x>")
			return []string{"line 9", "no file under " + b.Profiles, "as it was before"}
		}},
		"a profile without a folder": {code: fault.ServerError, values: map[string]string{"profile": "internal"}, arrange: func(t *testing.T, b *bundle) []string {
			must(t, os.Remove(filepath.Join(b.Profiles, "internal")))
			return []string{filepath.Join(b.Profiles, "internal"), "make that folder"}
		}},
		"a folder where the file should be": {code: fault.ServerError, values: map[string]string{"profile": "internal"}, arrange: func(t *testing.T, b *bundle) []string {
			rows, err := b.FusionPBX.Gateways(t.Context(), true, "")
			must(t, err)
			for _, row := range rows {
				must(t, os.Mkdir(filepath.Join(b.Profiles, "internal", "v_"+row.UUID+".xml"), 0o700))
			}
			return []string{filepath.Join(b.Profiles, "internal"), "not a regular file"}
		}},
		"a profile that leads elsewhere": {code: fault.InvalidGateway, early: true, values: map[string]string{"profile": ".."}, arrange: func(t *testing.T, b *bundle) []string {
			return []string{"profile: is no name of a SIP profile"}
		}},
		"a path for a profile": {code: fault.InvalidGateway, early: true, values: map[string]string{"profile": "../external"}, arrange: func(t *testing.T, b *bundle) []string {
			return []string{"profile: is no name of a SIP profile"}
		}},
		"a command of the preprocessor": {code: fault.InvalidGateway, early: true, values: map[string]string{"from_user": `<x-PRE-process cmd="exec"`}, arrange: func(t *testing.T, b *bundle) []string {
			return []string{"from_user", "preprocessor"}
		}},
		"a line break": {code: fault.InvalidGateway, early: true, values: map[string]string{"password": "a\nb"}, arrange: func(t *testing.T, b *bundle) []string {
			return []string{"password", "line break"}
		}},
		"one switch's hostname among two": {early: true, code: fault.InvalidGateway, switches: 2, values: map[string]string{"hostname": "pbx-2"}, arrange: func(t *testing.T, b *bundle) []string {
			return []string{"hostname", "leave hostname empty"}
		}},
		"a second switch that fails": {code: fault.SwitchConfiguration, switches: 2, arrange: func(t *testing.T, b *bundle) []string {
			b.Simulated[1].BreakXML(9, "unclosed tag <x>")
			return []string{"line 9", "as it was before"}
		}},
	} {
		for before, prepare := range map[string]func(*testing.T, *bundle){
			"new": func(*testing.T, *bundle) {},
			"ours": func(t *testing.T, b *bundle) {
				b.one(t, change("", "carrier", carrier("password", "before")))
			},
			"FusionPBX's": func(t *testing.T, b *bundle) {
				b.theirGateway(t)
			},
		} {
			if before == "new" && name == "a folder where the file should be" || before != "ours" && tc.early {
				continue // of a new one's file the name is not known beforehand
			}
			t.Run(name+", "+before, func(t *testing.T) {
				t.Parallel()
				b := newBundle(t, setUp{files: true, switches: tc.switches})
				prepare(t, b)
				says := tc.arrange(t, b)
				files := map[string]string{}
				if name != "a folder where the file should be" {
					files = b.files(t)
				}
				values := carrier("password", "after")
				maps.Copy(values, tc.values)
				b.failsInVain(t, values, tc.code, says)
				if name == "a folder where the file should be" {
					return
				}
				if got := b.files(t); !reflect.DeepEqual(got, files) {
					t.Errorf("the files changed:\n%v\nfrom\n%v", got, files)
				}
			})
		}
	}
}

// The switch goes away in the middle: the file is put back all the same, or it would find the wrong one.
func TestFileIsPutBackWithoutTheSwitch(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{files: true})
	b.one(t, change("", "carrier", carrier("password", "before")))
	files, rows := b.files(t), testbed.GatewayRows(t, b.Pool)
	written := make(chan map[string]string, 1)
	defer b.Simulated[0].OnCommand("rescan", sync.OnceFunc(func() {
		found, err := b.readFiles()
		if err := errors.Join(err, b.Simulated[0].Stop()); err != nil {
			t.Error(err)
		}
		written <- found
	}))()
	if failure := b.failing(t, change("", "carrier", carrier("password", "after"))); failure.Code != fault.SwitchUnavailable {
		t.Fatalf("got %v", failure)
	}
	if reflect.DeepEqual(<-written, files) {
		t.Fatal("the file was not written before the rescan")
	}
	if got := b.files(t); !reflect.DeepEqual(got, files) || testbed.GatewayRows(t, b.Pool) != rows {
		t.Fatalf("the files are\n%v\nand were\n%v", got, files)
	}
}

// FusionPBX's page writes the file in the middle of a job that fails.
func TestFileThatSomebodyElseWroteFollowsTheRow(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{files: true})
	row, name := b.theirGateway(t)
	defer b.Simulated[0].OnCommand("rescan", sync.OnceFunc(func() {
		b.writeFile(t, name, strings.Replace(theirFile(row), "s3cret-pw", "after", 1))
		b.Simulated[0].BreakXML(9, "unclosed tag <x>")
	}))()
	b.failing(t, change("", "carrier", carrier("password", "after")))
	if got := b.files(t)[name]; !strings.Contains(got, `name="password" value="s3cret-pw"`) || !file.Ours([]byte(got)) {
		t.Fatalf("the file is\n%s\nand not by the row, which has the password of before", got)
	}
}

func TestDeleteInFileMode(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{files: true})
	row, name := b.theirGateway(t)
	// The switch does not carry out the kill: row and file come back as they were.
	b.Simulated[0].FaultOnce("killgw", func(conn net.Conn) {
		answer(conn, "-ERR not now\n")
	})
	b.failing(t, deletion("carrier"))
	if got := b.files(t); len(got) != 1 || got[name] != theirFile(row) || !strings.Contains(testbed.GatewayRows(t, b.Pool), row.UUID) {
		t.Fatalf("the files are %v and the rows\n%s", got, testbed.GatewayRows(t, b.Pool))
	}

	if deleted := b.one(t, deletion("carrier")); deleted.Action != gateway.Deleted {
		t.Fatalf("got %+v", deleted)
	}
	_, loaded := b.Simulated[0].Loaded()[row.UUID]
	if got := b.files(t); len(got) != 0 || loaded || strings.Contains(testbed.GatewayRows(t, b.Pool), row.UUID) {
		t.Fatalf("loaded %t, the files are %v and the rows\n%s", loaded, got, testbed.GatewayRows(t, b.Pool))
	}
}

// A rescan of a switch whose files cannot be read loads what it read last, and none that was disabled or deleted is among it.
func TestNothingComesBackWhileFilesAreBroken(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{files: true})
	disabled := b.one(t, change("", "disabled", carrier())).GatewayUUID
	deleted := b.one(t, change("", "deleted", carrier())).GatewayUUID
	b.one(t, change("", "disabled", map[string]string{"enabled": "false"}))
	b.one(t, deletion("deleted"))
	b.writeFile(t, "internal/theirs.xml", "</gateway>")
	b.failing(t, change("", "another", carrier()))
	for name, uuid := range map[string]string{"disabled": disabled, "deleted": deleted} {
		if _, loaded := b.Simulated[0].Loaded()[uuid]; loaded {
			t.Errorf("the %s one is loaded again", name)
		}
	}
}

func TestFileModeBySettings(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		settings func(p *pbx.PBX, profiles string)
		says     string // of the failure; "": it succeeds
	}{
		"file and a folder":  {func(p *pbx.PBX, profiles string) { p.SIPProfilesDir = profiles }, ""},
		"file and no folder": {func(*pbx.PBX, string) {}, "set TRUNKLINE_SIP_PROFILES_DIR"},
		"a relative folder":  {func(p *pbx.PBX, _ string) { p.SIPProfilesDir = "x" }, "not an absolute path"},
		"a folder elsewhere": {func(p *pbx.PBX, profiles string) { p.SIPProfilesDir = profiles + "/x" }, "make that folder"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{files: true})
			_, err := b.Pool.Exec(t.Context(), "delete from v_default_settings")
			must(t, err)
			b.GatewayMode = fusionpbx.ModeFile
			tc.settings(b.PBX, b.Profiles)
			o := b.apply(change("", "carrier", carrier()))[0]
			if tc.says == "" {
				if o.Err != nil || len(b.files(t)) != 1 {
					t.Fatalf("got %v", o.Err)
				}
				return
			}
			if o.Err == nil || !strings.Contains(o.Err.Error(), tc.says) {
				t.Fatalf("got %v, want %q", o.Err, tc.says)
			}
		})
	}
}

// An attempt that was lost after it wrote the row: the next one finds part of a file, and what stood before.
func TestSecondAttemptInFileMode(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]bool{"succeeds": false, "puts back": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{files: true})
			row := carrierRow()
			rows := testbed.GatewayRows(t, b.Pool)
			must(t, b.FusionPBX.InsertGateway(t.Context(), row, ""))
			_, err := b.Pool.Exec(t.Context(), "insert into kept values ('job', 0, $1)", gateway.Written{Row: row, Files: []file.File{}})
			must(t, err)
			b.writeFile(t, "external/.v_"+row.UUID+".xml.part", "<include>\n<gateway name=\"half")
			if broken {
				b.writeFile(t, "external/v_"+row.UUID+".xml", string(file.Render(row)))
				b.writeFile(t, "external/z.xml", "<broken")
			}
			o := b.applier.Apply(t.Context(), []*gateway.Change{change("", "carrier", carrier())}, &journal{b: b, name: "job"})[0]
			got := b.files(t)
			if broken {
				if o.Err == nil || len(got) != 1 || testbed.GatewayRows(t, b.Pool) != rows {
					t.Fatalf("got %v and the files %v", o.Err, got)
				}
				return
			}
			if o.Err != nil || len(got) != 1 || !strings.Contains(got["external/v_"+row.UUID+".xml"], "s3cret-pw") {
				t.Fatalf("got %v and the files %v", o.Err, got)
			}
		})
	}
}

package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"trunkline/internal/pbxtest"
	"trunkline/internal/whitelist"
)

const whitelistText = "# billing\r\n192.0.2.10 # WHMCS\r\n198.51.100.0/24\r\n"

// newWhitelist is a whitelist with that content, and the settings of a host that has nothing
// else: no database, no Redis, no FusionPBX.
func newWhitelist(t *testing.T, content string) (path string, env []string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "chkcon_whitelist.conf")
	must(t, os.WriteFile(path, []byte(content), 0o600))
	return path, []string{
		"PATH=" + os.Getenv("PATH"), "TRUNKLINE_WHITELIST=" + path,
		"TRUNKLINE_FUSIONPBX_CONFIG=" + filepath.Join(filepath.Dir(path), "none"),
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	must(t, err)
	return string(content)
}

// wants checks how a command ended and what it said, on either stream.
func (r result) wants(t *testing.T, status int, words ...string) {
	t.Helper()
	if r.status != status {
		t.Fatalf("want status %d, got %s", status, r)
	}
	for _, word := range words {
		if !strings.Contains(r.out+r.err, word) {
			t.Errorf("it does not say %q: %s", word, r)
		}
	}
}

func TestWhitelistCommands(t *testing.T) {
	t.Parallel()
	const broken = "192.0.2.10\nbilling.example\n192.0.2.* # x\n"
	for name, c := range map[string]struct {
		file   string
		args   []string
		status int
		says   []string
		after  string // the file; "" as it was
	}{
		"list":                      {whitelistText, []string{"list"}, 0, []string{"2     192.0.2.10       WHMCS", "3     198.51.100.0/24"}, ""},
		"list a broken file":        {broken, []string{"list"}, 1, []string{"192.0.2.10", "line 2", "line 3"}, ""},
		"list an empty one":         {"#\n", []string{"list"}, 1, []string{"nobody may call"}, ""},
		"denied without a database": {whitelistText, []string{"list", "--denied"}, 1, []string{"TRUNKLINE_DATABASE_URL"}, ""},
		"add":                       {whitelistText, []string{"add", "203.0.113.7", "--comment", "the office"}, 0, []string{"line 4", "203.0.113.7 # the office", "not recorded in the audit"}, whitelistText + "203.0.113.7 # the office\r\n"},
		"add a network":             {whitelistText, []string{"add", "2001:db8:1::/48"}, 0, []string{"line 4"}, whitelistText + "2001:db8:1::/48\r\n"},
		"add again":                 {whitelistText, []string{"add", "::ffff:192.0.2.10"}, 0, []string{"may call already", "line 2", "# WHMCS"}, ""},
		"add what is covered":       {whitelistText, []string{"add", "198.51.100.7"}, 0, []string{"line 3", "198.51.100.0/24"}, ""},
		"add a name":                {whitelistText, []string{"add", "billing.example"}, 1, []string{`"billing.example" is neither an IP address nor a CIDR`}, ""},
		"add nothing":               {whitelistText, []string{"add"}, 2, []string{"<address>"}, ""},
		"a comment of two lines":    {whitelistText, []string{"add", "203.0.113.7", "--comment", "a\n0.0.0.0/0"}, 1, []string{"comment holds a line break"}, ""},
		"add to a broken file":      {broken, []string{"add", "203.0.113.7"}, 1, []string{"line 2", "trunkline whitelist edit"}, ""},
		"remove":                    {whitelistText, []string{"remove", "192.0.2.10"}, 0, []string{"removed line 2", "# WHMCS", "not recorded in the audit"}, "# billing\r\n198.51.100.0/24\r\n"},
		"remove what a network has": {whitelistText + "198.51.100.7", []string{"remove", "198.51.100.7"}, 0, []string{"may call all the same, by line 3"}, whitelistText},
		"remove what is covered":    {whitelistText, []string{"remove", "198.51.100.7"}, 1, []string{"not an entry", "line 3"}, ""},
		"remove what is not there":  {whitelistText, []string{"remove", "203.0.113.7"}, 1, []string{"203.0.113.7 is not an entry"}, ""},
		"remove the last":           {"192.0.2.10\n#", []string{"remove", "192.0.2.10"}, 1, []string{"nobody could call", "--allow-lockout"}, ""},
		"remove it all the same":    {"192.0.2.10\n#", []string{"remove", "192.0.2.10", "--allow-lockout"}, 0, nil, "#"},
		"check":                     {whitelistText, []string{"check"}, 0, []string{"ok: 2 addresses and networks"}, ""},
		"check a broken file":       {broken, []string{"check"}, 1, []string{`line 2: "billing.example"`, `line 3: "192.0.2.*"`, "broken lines (2)"}, ""},
		"check a very broken one":   {strings.Repeat("x\n", 50), []string{"check"}, 1, []string{"line 50:"}, ""},
		"check an empty one":        {"", []string{"check"}, 1, []string{"nobody may call"}, ""},
		"check an address":          {whitelistText, []string{"check", "198.51.100.7"}, 0, []string{"may call, by line 3", "198.51.100.0/24"}, ""},
		"check another":             {whitelistText, []string{"check", "203.0.113.7"}, 1, []string{"may not call", "trunkline whitelist add 203.0.113.7"}, ""},
		"check a network":           {whitelistText, []string{"check", "198.51.100.0/24"}, 1, []string{"is not an IP address"}, ""},
		"check one in a broken one": {broken, []string{"check", "192.0.2.10"}, 1, []string{"not used as it stands"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, env := newWhitelist(t, c.file)
			runHere(t, env, append([]string{"whitelist"}, c.args...)...).wants(t, c.status, c.says...)
			want := c.after
			if want == "" {
				want = c.file
			}
			if got := read(t, path); got != want {
				t.Errorf("the file is %q, want %q", got, want)
			}
		})
	}
}

func TestWhitelistWithoutAFile(t *testing.T) {
	t.Parallel()
	path, env := newWhitelist(t, "")
	must(t, os.Remove(path))
	for _, args := range [][]string{{"list"}, {"check"}, {"check", "192.0.2.1"}} {
		runHere(t, env, append([]string{"whitelist"}, args...)...).wants(t, 1, path, "no such file")
	}
	runHere(t, env, "whitelist", "remove", "192.0.2.1").wants(t, 1, "not an entry")
	runHere(t, env, "whitelist", "add", "192.0.2.1").wants(t, 0, "line 1")
	if got := read(t, path); got != "192.0.2.1\n" {
		t.Errorf("got %q", got)
	}
	runHere(t, env, "whitelist", "add", "::/0").wants(t, 0, "line 2", "keeps nobody out", "whitelist remove ::/0")
	must(t, os.RemoveAll(filepath.Dir(path)))
	runHere(t, env, "whitelist", "add", "192.0.2.1").wants(t, 1, "there is no folder", "TRUNKLINE_WHITELIST")
}

func TestWhitelistListDenied(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 0)
	runHere(t, p.env, "whitelist", "list", "--denied").wants(t, 1, "trunkline migrate")
	p.open(t)
	runHere(t, p.env, "whitelist", "list", "--denied").wants(t, 0, "nobody was denied")
	for _, address := range []string{"203.0.113.7", "127.0.0.1"} {
		_, err := p.pool.Exec(t.Context(), `insert into trunkline.audit (id, minute, times, kind, address, who, action, code)
			values (gen_random_uuid(), date_trunc('minute', now()), 3, 'denial', $1, '', 'GET /chkcon.php', 'not_whitelisted')`, address)
		must(t, err)
	}
	got := runHere(t, p.env, "whitelist", "list", "--denied")
	got.wants(t, 0, "in line 1, 127.0.0.1", "trunkline whitelist add")
	if !regexp.MustCompile(`203\.0\.113\.7 +3 +20.*Z +not on the list`).MatchString(got.out) {
		t.Errorf("got %s", got)
	}
}

// editor is an EDITOR that runs the shell commands, for which $1 is the file to edit.
func editor(t *testing.T, commands string) string {
	t.Helper()
	script := filepath.Join(t.TempDir(), "editor")
	must(t, os.WriteFile(script, []byte(commands), 0o600))
	return "EDITOR=/bin/sh " + script
}

// keptText is the text of the copy that an error names, which is removed.
func keptText(t *testing.T, said string) string {
	t.Helper()
	found := regexp.MustCompile(`your text is in (\S+)`).FindStringSubmatch(said)
	if found == nil {
		t.Fatalf("no copy is named in %q", said)
	}
	text := read(t, found[1])
	must(t, os.Remove(found[1]))
	return text
}

func TestWhitelistEdit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		editor string
		args   []string
		status int
		says   []string
		after  string // the file; "" as it was
		kept   string // the text of the copy that is kept
	}{
		"saved":              {`echo "203.0.113.7 # office" >> "$1"`, nil, 0, []string{"saved: 3 addresses", "not recorded in the audit"}, whitelistText + "203.0.113.7 # office\n", ""},
		"by a new file":      {`echo 203.0.113.7 > "$1.new"; mv "$1.new" "$1"`, nil, 0, []string{"saved: 1 addresses"}, "203.0.113.7\n", ""},
		"nothing":            {`:`, nil, 0, []string{"nothing was changed"}, "", ""},
		"a broken line":      {`echo billing.example >> "$1"`, nil, 1, []string{`line 4: "billing.example"`, "broken lines, see above: 1"}, "", whitelistText + "billing.example\n"},
		"nobody left":        {`: > "$1"`, nil, 1, []string{"nobody could call", "--allow-lockout"}, "", "-"},
		"nobody left, meant": {`echo "# closed" > "$1"`, []string{"--allow-lockout"}, 0, []string{"saved: 0"}, "# closed\n", ""},
		"a failing editor":   {`echo 203.0.113.7 > "$1"; exit 3`, nil, 1, []string{"exit status 3", "VISUAL"}, "", "203.0.113.7\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, env := newWhitelist(t, whitelistText)
			got := runHere(t, append(env, editor(t, c.editor)), append([]string{"whitelist", "edit"}, c.args...)...)
			got.wants(t, c.status, c.says...)
			want := c.after
			if want == "" {
				want = whitelistText
			}
			if got := read(t, path); got != want {
				t.Errorf("the file is %q, want %q", got, want)
			}
			if c.kept == "" {
				if strings.Contains(got.err, "your text") {
					t.Errorf("a copy is kept: %s", got)
				}
				return
			}
			if text := keptText(t, got.err); text != strings.TrimPrefix(c.kept, "-") {
				t.Errorf("the copy is %q, want %q", text, c.kept)
			}
		})
	}
}

func TestWhitelistEditOfWhatChangedMeanwhile(t *testing.T) {
	t.Parallel()
	path, env := newWhitelist(t, whitelistText)
	got := runHere(t, append(env, "THEIRS="+path, editor(t, `echo 203.0.113.7 >> "$1"; echo 192.0.2.77 > "$THEIRS"`)), "whitelist", "edit")
	got.wants(t, 1, "has changed since you read it")
	if read(t, path) != "192.0.2.77\n" {
		t.Errorf("theirs is gone: %q", read(t, path))
	}
	if text := keptText(t, got.err); text != whitelistText+"203.0.113.7\n" {
		t.Errorf("ours is %q", text)
	}
}

func TestWhitelistEditVariables(t *testing.T) {
	t.Parallel()
	_, env := newWhitelist(t, whitelistText)
	for visual, says := range map[string]string{" ": "exit status 7", " /nowhere/editor  --wait": "editor /nowhere/editor:"} {
		got := runHere(t, append(env, editor(t, `exit 7`), "VISUAL="+visual), "whitelist", "edit")
		got.wants(t, 1, says, "VISUAL or EDITOR")
		if text := keptText(t, got.err); text != whitelistText {
			t.Errorf("got %q", text)
		}
	}
}

// On a terminal the user is asked, and edits what was written before.
func TestWhitelistEditAgain(t *testing.T) {
	t.Parallel()
	path, _ := newWhitelist(t, whitelistText)
	var said bytes.Buffer
	texts := []string{"billing.example\n", "# nobody\n", "203.0.113.7\n"}
	asked := 0
	e := whitelistEdit{
		cmd:  &command{ctx: t.Context(), out: &said, err: &said},
		file: whitelist.File{Path: path},
		editor: func(name string) error {
			want := whitelistText
			if asked > 0 {
				want = texts[asked-1]
			}
			if got := read(t, name); got != want {
				t.Errorf("the editor has %q, want %q", got, want)
			}
			return os.WriteFile(name, []byte(texts[asked]), 0o600)
		},
		again: func() bool { asked++; return true },
	}
	changed, err := e.run()
	if !changed || err != nil || asked != 2 || read(t, path) != "203.0.113.7\n" {
		t.Errorf("got %v, %v, asked %d times, %q", changed, err, asked, read(t, path))
	}
	for _, words := range []string{`line 1: "billing.example"`, "broken lines, see above: 1", "nobody could call"} {
		if !strings.Contains(said.String(), words) {
			t.Errorf("it does not say %q: %s", words, &said)
		}
	}

	e.again = func() bool { return false }
	e.editor = func(name string) error { return os.WriteFile(name, []byte("x\n"), 0o600) }
	changed, err = e.run()
	if changed || err == nil || keptText(t, err.Error()) != "x\n" {
		t.Errorf("got %v, %v", changed, err)
	}
	e.editor = func(string) error { return errors.New("no terminal") }
	if _, err = e.run(); err == nil || keptText(t, err.Error()) != "203.0.113.7\n" {
		t.Errorf("got %v", err)
	}
}

func TestAskYes(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]bool{"": false, "\n": true, "y\n": true, "Yes\n": true, "n\n": false, "No\n": false} {
		cmd := &command{out: &bytes.Buffer{}}
		if got := cmd.askYes(strings.NewReader(typed), "Edit again?"); got != want {
			t.Errorf("%q: got %v, want %v", typed, got, want)
		}
	}
}

func TestWhitelistEveryCommandHasAnExample(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{}, {"list"}, {"add"}, {"remove"}, {"check"}, {"edit"}} {
		got := runHere(t, nil, append(append([]string{"whitelist"}, args...), "--help")...)
		got.wants(t, 0, "Example: ", "trunkline whitelist")
	}
}

// A change on the command line is in effect in front ends that run.
func TestWhitelistCommandReachesFrontEnds(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 0)
	runHere(t, p.env, "migrate").wants(t, 0)
	p.open(t)
	var logs []*pbxtest.LogBuffer
	for range 2 {
		_, proc := p.serve(t, "api")
		logs = append(logs, proc.Log)
	}
	runHere(t, p.env, "whitelist", "add", "203.0.113.7").wants(t, 0, "line 2")
	for _, log := range logs {
		pbxtest.Eventually(t, "the address is in effect", func() bool { return strings.Contains(log.String(), "addresses=2") })
	}
}

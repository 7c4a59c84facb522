package file

import (
	"strconv"
	"strings"
	"testing"

	"trunkline/internal/fusionpbx"
)

const testUUID = "0a0b0c0d-0000-4000-8000-000000000001"

// readBack is FreeSWITCH as far as a gateway's file goes: its preprocessor, and what its parser makes of the
// parameters. It is written here once more, from what a FreeSWITCH was seen to do, so that a mistake in the
// package is not made twice.
func readBack(t *testing.T, content []byte) (gateway string, params map[string]string) {
	t.Helper()
	var text strings.Builder
	for line := range strings.Lines(string(content)) {
		for {
			before, rest, found := strings.Cut(line, "$${")
			_, after, closed := strings.Cut(rest, "}")
			if !found || !closed {
				break
			}
			line = before + `"/><expanded x="` + after
		}
		lower := strings.ToLower(line)
		if strings.Contains(line, "<include>") || strings.Contains(line, "</include>") || strings.Contains(line, "<?") || strings.Contains(lower, "x-pre-process") {
			continue
		}
		text.WriteString(line)
	}
	params = map[string]string{}
	rest := text.String()
	depth := 0
	for {
		_, after, found := strings.Cut(rest, "<")
		if !found {
			break
		}
		rest = after
		switch {
		case strings.HasPrefix(rest, "!--"):
			_, rest, _ = strings.Cut(rest, "-->")
		case strings.HasPrefix(rest, "/gateway>"):
			depth--
		case strings.HasPrefix(rest, "gateway "):
			depth++
			gateway, rest = attribute(t, rest, "name")
		case strings.HasPrefix(rest, "param ") && depth == 1:
			var name, value string
			name, rest = attribute(t, rest, "name")
			value, rest = attribute(t, rest, "value")
			params[name] = value
		default:
			t.Fatalf("an element that no row can have: <%.40s in\n%s", rest, content)
		}
	}
	if depth != 0 {
		t.Fatalf("tags are not closed in order in\n%s", content)
	}
	return gateway, params
}

// attribute reads name="value" and decodes the value as FreeSWITCH does.
func attribute(t *testing.T, text, name string) (value, rest string) {
	t.Helper()
	_, text, found := strings.Cut(text, name+`="`)
	value, rest, closed := strings.Cut(text, `"`)
	if !found || !closed {
		t.Fatalf("no attribute %s in %.80q", name, text)
	}
	var b strings.Builder
	for i := 0; i < len(value); i++ {
		entity, _, ok := strings.Cut(value[i:], ";")
		switch {
		case strings.IndexByte(" \t\r\n\v\f", value[i]) >= 0:
			b.WriteByte(' ')
			continue
		case value[i] != '&' || !ok:
			b.WriteByte(value[i])
			continue
		}
		named := map[string]string{"&lt": "<", "&gt": ">", "&quot": `"`, "&apos": "'", "&amp": "&"}[entity]
		if number, numeric := strings.CutPrefix(entity, "&#"); numeric {
			if n, err := strconv.ParseUint(number, 10, 21); err == nil && n > 0 {
				named = string(rune(n))
			}
		}
		if named == "" {
			b.WriteByte('&')
			continue
		}
		b.WriteString(named)
		i += len(entity)
	}
	return b.String(), rest
}

// hostile are values that something on the way to FreeSWITCH has a use of its own for.
var hostile = []string{
	`pa$$w&d"<>`, "$${domain}", "$${", "x-pre-process", "X-PRE-Process", `<X-PRE-PROCESS cmd="exec" data="id"/>`, "<?xml?>", "<include>", "</include>",
	"<!--#exec id -->", "a\nb", "a\tb", "&amp;", "&#36;", "&", ";", "'", `'"`, "a -- b", "-->", `"/></gateway><gateway name="x">`, "電話", " a ", "\x7f", "x-pre&#45;process",
}

func TestRenderGivesBackWhatWasAsked(t *testing.T) {
	t.Parallel()
	for _, value := range hostile {
		row := fusionpbx.NewGateway(testUUID, "", "carrier")
		for _, p := range params {
			if p.name != "register-transport" && p.name != "retry-seconds" {
				row.Set(p.column, value)
			}
		}
		gateway, got := readBack(t, Render(row))
		if gateway != testUUID {
			t.Errorf("%q: the gateway is called %q", value, gateway)
		}
		for _, p := range params {
			if p.name != "register-transport" && p.name != "retry-seconds" && got[p.name] != value {
				t.Errorf("%s: got %q, want %q", p.name, got[p.name], value)
			}
		}
	}
}

func TestRenderWritesFusionPBXsFormat(t *testing.T) {
	t.Parallel()
	row := fusionpbx.NewGateway(strings.ToUpper(testUUID), "", "carrier")
	for column, value := range map[string]string{
		"username": "me", "password": "s&t", "register": "true", "register_transport": "TLS", "retry_seconds": "3",
		"description": "not for the switch", "hostname": "nor this", "channels": "7", "codec_prefs": "PCMA",
	} {
		row.Set(column, value)
	}
	want := "<include>\n" + mark + `  <gateway name="` + testUUID + `">
    <param name="username" value="me"/>
    <param name="distinct-to" value="false"/>
    <param name="password" value="s&amp;t"/>
    <param name="expire-seconds" value="800"/>
    <param name="register" value="true"/>
    <param name="register-transport" value="tls"/>
    <param name="retry-seconds" value="30"/>
    <param name="contact-in-ping" value="false"/>
    <param name="context" value="public"/>
    <param name="caller-id-in-from" value="false"/>
    <param name="supress-cng" value="false"/>
  </gateway>
</include>
`
	got := Render(row)
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if !Ours(got) || Ours([]byte("<include>\n</include>\n")) {
		t.Error("a file of ours is not told from another's")
	}
}

func FuzzRender(f *testing.F) {
	for _, value := range hostile {
		f.Add(value, "b")
	}
	f.Fuzz(func(t *testing.T, username, password string) {
		if strings.ContainsRune(username+password, 0) {
			return // no text of Postgres's holds it
		}
		row := fusionpbx.NewGateway(testUUID, "", "carrier")
		row.Set("username", username)
		row.Set("password", password)
		content := Render(row)
		_, got := readBack(t, content)
		if got["username"] != username || got["password"] != password {
			t.Errorf("got %q and %q, want %q and %q", got["username"], got["password"], username, password)
		}
		if reason := flaw(content); reason != "" {
			t.Errorf("our own file is taken for broken: %s", reason)
		}
	})
}

package file

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trunkline/internal/fusionpbx"
)

const (
	head = "<include>\n<gateway name=\"m-bad\">\n"
	tail = "</gateway>\n</include>\n"
)

// The files of which a FreeSWITCH was recorded, and which of them kept it from reading its configuration.
func TestFlaw(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ content, want string }{
		"ok_control":                {head + `<param name="username" value="u"/>` + "\n" + tail, ""},
		"bad_attr_quote":            {head + `<param name="username" value="a"b"/>` + "\n" + tail, ""},
		"raw_amp_lt_in_attr":        {head + `<param name="username" value="a & b < c"/>` + "\n" + tail, ""},
		"binary_nul":                {head + "<param name=\"username\" value=\"u\x00x\"/>\n" + tail, "line 3"},
		"bom_crlf":                  {"\ufeff" + strings.ReplaceAll(head+tail, "\n", "\r\n"), ""},
		"duplicate_in_file":         {head + "</gateway>\n" + strings.TrimPrefix(head, "<include>\n") + tail, ""},
		"empty_file":                {"", ""},
		"gateways_wrapper":          {"<include>\n<gateways>\n<gateway name=\"m-bad\">\n</gateway>\n</gateways>\n</include>\n", ""},
		"no_include_wrapper":        {"<gateway name=\"m-bad\">\n</gateway>\n", ""},
		"plain_text":                {"garbage not xml\n", ""},
		"single_line_include":       {"<include><gateway name=\"m-bad\"></gateway></include>\n", ""},
		"stray_close_profile":       {head + tail + "</gateways>\n</profile>\n", "line 5: closing tag </gateways>"},
		"truncated":                 {head + `<param name="register" value="fal`, `line 3: a value's " is never closed`},
		"unclosed_gateway_tag":      {head + `<param name="username" value="u"/>` + "\n</include>\n", "line 2: tag <gateway> is never closed"},
		"unclosed_param_tag":        {head + `<param name="register" value="false">` + "\n" + tail, "line 4: closing tag </gateway>"},
		"unterminated_attr_quote":   {head + `<param name="username" value="ab/>` + "\n" + tail, `line 3: a value's " is never closed`},
		"unterminated_comment":      {"<include>\n<!-- oops\n<gateway name=\"m-bad\">\n" + tail, "line 2: a comment is never closed"},
		"xml_declaration":           {"<?xml version=\"1.0\"?>\n" + head + tail, ""},
		"a variable":                {head + `<param name="proxy" value="$${domain}"/>` + "\n" + tail, ""},
		"an include of others":      {"<profile name=\"x\">\n<gateways>\n<X-PRE-PROCESS cmd=\"include\" data=\"external/*.xml\"/>\n</gateways>\n</profile>\n", ""},
		"no end":                    {"<gateway", "line 1: tag <gateway has no end"},
		"a slash":                   {"<a /b>", "line 1: tag <a has no end"},
		"a closing tag without end": {"<a>\n</a", "line 2: tag </a has no end"},
		"a lone <":                  {"a < b", "line 1: a < begins no tag"},
		"dashes in a comment":       {"<!-- a -- b -->", "line 1: a comment"},
		"CDATA":                     {"<a><![CDATA[ <b> ]]></a>", ""},
		"CDATA without end":         {"<a><![CDATA[ <b> </a>", "line 1: a CDATA"},
		"a doctype":                 {"<!DOCTYPE x><a/>", ""},
		"an equals sign alone":      {"<a = b/>", ""},
	} {
		if got := flaw([]byte(c.content)); got != c.want && (c.want == "" || !strings.HasPrefix(got, c.want)) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestBroken(t *testing.T) {
	t.Parallel()
	f := newFolder(t, "external", "internal")
	write := func(path, content string) string {
		t.Helper()
		path = filepath.Join(f.Dir(), path)
		must(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	must(t, f.Put(testUUID, []File{{Profile: "external", Content: Render(fusionpbx.NewGateway(testUUID, "", "x"))}}))
	write("external.xml", "<profile name=\"external\">\n</profile>\n")
	write("external/.hidden.xml", "<broken")
	write("external/backup.xml.bak", "<broken")
	must(t, os.Mkdir(filepath.Join(f.Dir(), "external", "folder.xml"), 0o700))
	if got := f.Broken(t.Context()); len(got) != 0 {
		t.Fatalf("got %v, want none broken", got)
	}
	last := write("internal/z.xml", "<include>\n<gateway>\n</include>\n")
	first := write("external/a.xml", "</gateway>")
	got := f.Broken(t.Context())
	if len(got) != 2 || got[0].Path != first || got[1].Path != last || !strings.HasPrefix(got[1].Reason, "line 2") {
		t.Fatalf("got %v, want %s and %s", got, first, last)
	}
	own := write("internal/v_"+testUUID+".xml", "<gateway")
	if got := f.Broken(t.Context(), testUUID); len(got) != maxBroken || got[0].Path != own {
		t.Fatalf("got %v, want the gateway's own first", got)
	}
	write("internal/y.xml", "<")
	if got := f.Broken(t.Context()); len(got) != maxBroken {
		t.Fatalf("got %d broken files, want %d", len(got), maxBroken)
	}
}

func FuzzFlaw(f *testing.F) {
	for _, text := range []string{head + tail, "<a b=\"c\" d='e'/>", "<a><b></a>", "<a =\"", "<!--", "<![CDATA[", "\x00<a\x00>", "</", "<a/", "<?"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		first := flaw(content)
		// A file without markup is never broken, and what precedes a flaw does not hide it.
		if first != "" && !strings.Contains(string(content), "<") {
			t.Errorf("text alone is taken for broken: %s", first)
		}
		if second := flaw(append([]byte("<ok/>\n"), content...)); (first == "") != (second == "") {
			t.Errorf("got %q alone and %q behind a good element", first, second)
		}
	})
}

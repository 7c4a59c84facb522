package fssim

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// filesSwitch is a switch whose external profile includes the files of a folder.
func filesSwitch(t *testing.T, files map[string]string) (s *Switch, dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "sip_profiles")
	if err := os.MkdirAll(filepath.Join(dir, "external"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		writeGatewayFile(t, dir, name, content)
	}
	s = startTestSwitch(t, Options{Hostname: "vm", GatewayFiles: dir})
	return s, dir
}

func writeGatewayFile(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "external", name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestReplayOddFiles holds what was recorded of odd files: what the switch answers, and whether the odd
// gateway and the sound one of another file were loaded.
func TestReplayOddFiles(t *testing.T) {
	t.Parallel()
	const (
		open  = "<include>\n<gateway name=\"m-bad\">\n<param name=\"register\" value=\"false\"/>\n"
		end   = "</gateway>\n</include>\n"
		user  = "<param name=\"username\" value=\"u\"/>\n"
		after = "<include>\n<gateway name=\"after\">\n<param name=\"register\" value=\"false\"/>\n</gateway>\n</include>\n"
	)
	for _, tc := range []struct {
		recording, file string
		loaded          bool // m-bad
	}{
		{"ok_control", open + user + end, true},
		{"bom_crlf", "\ufeff" + strings.ReplaceAll(open+user+end, "\n", "\r\n"), true},
		{"no_include_wrapper", strings.NewReplacer("<include>\n", "", "</include>\n", "").Replace(open + user + end), true},
		{"xml_declaration", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + open + user + end, true},
		{"single_line_include", strings.ReplaceAll(open+user+end, "\n", "") + "\n", false},
		{"empty_file", "", false},
		{"plain_text", "garbage not xml\n", false},
		{"binary_nul", open + "<param name=\"username\" value=\"u\x00x\"/>\n" + end, false},
		{"truncated", open[:len(open)-5], false},
		{"unclosed_gateway_tag", open + user + "</include>\n", false},
		{"unterminated_attr_quote", open + "<param name=\"username\" value=\"ab/>\n" + end, false},
		{"unterminated_comment", "<include>\n<!-- oops\n" + strings.TrimPrefix(open, "<include>\n") + end, false},
	} {
		t.Run(tc.recording, func(t *testing.T) {
			t.Parallel()
			s, _ := filesSwitch(t, map[string]string{"v_1.xml": tc.file, "v_2.xml": after})
			replay(t, s, "odd_rescan_"+tc.recording, "line", "length")
			replay(t, s, "odd_reloadxml_"+tc.recording, "line", "length")
			_, recv := transcript(t, "odd_rescan_"+tc.recording)
			loaded := s.Loaded()
			if _, ok := loaded["m-bad"]; ok != tc.loaded {
				t.Errorf("m-bad is loaded: %v", ok)
			}
			if _, ok := loaded["after"]; ok != strings.Contains(recv, "[Success]") {
				t.Errorf("the gateway of the other file is loaded: %v", ok)
			}
		})
	}
}

// A reload reads the files as they are then, and only those that FreeSWITCH's include names.
func TestFilesAreReadAtEachReload(t *testing.T) {
	t.Parallel()
	gateway := func(name, user string) string {
		return "<include>\n" + element(name, "username="+user, "register=false") + "</include>\n"
	}
	s, dir := filesSwitch(t, map[string]string{"v_a.xml": gateway("a", "$${domain}-$${nosuch}-&#36;&#36;{domain}"), ".v_b.xml": gateway("b", "x"), "v_c.xml.part": gateway("c", "x")})
	c := logIn(t, s)
	c.api("sofia profile external rescan")
	if got := s.Loaded(); len(got) != 1 || got["a"].Params["username"] != "pbx.example--$${domain}" {
		t.Fatalf("got %v", got)
	}
	writeGatewayFile(t, dir, "v_d.xml", gateway("d", "one")+"  <param name=\"x\" value=\"X-pre-PROCESS\">\n")
	c.api("sofia profile external rescan")
	writeGatewayFile(t, dir, "v_d.xml", gateway("d", "two"))
	c.api("sofia profile external rescan")
	if got := s.Loaded(); len(got) != 2 || got["d"].Params["username"] != "one" {
		t.Fatalf("got %v, want d as it was first", got)
	}
	writeGatewayFile(t, dir, "v_e.xml", "</gateway>\n")
	writeGatewayFile(t, dir, "v_f.xml", gateway("f", "x"))
	if got := c.api("sofia profile external rescan"); !strings.HasPrefix(got, "Reload XML [[error near line") || len(s.Loaded()) != 2 {
		t.Fatalf("got %q and %v", got, s.Loaded())
	}
	if got := c.api("sofia profile internal rescan"); !strings.HasPrefix(got, "Reload XML [[error near line") {
		t.Fatalf("the other profile answers %q", got)
	}
}

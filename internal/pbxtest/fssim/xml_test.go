package fssim

import (
	"strings"
	"testing"
)

// TestOddConfiguration holds the recorded oddities of broken gateway XML: what the rescan says, and what
// was loaded. after is a sound gateway that follows in the same configuration.
func TestOddConfiguration(t *testing.T) {
	t.Parallel()
	const (
		open  = "<gateway name=\"m-bad\">\n<param name=\"register\" value=\"false\"/>\n"
		end   = "</gateway>\n"
		after = "<gateway name=\"after\">\n<param name=\"register\" value=\"false\"/>\n<param name=\"username\" value=\"u\"/>\n</gateway>\n"
	)
	for _, tc := range []struct {
		recording, xml string
		username       string // of m-bad; "-" where it is not loaded
	}{
		{"ok_control", open + `<param name="username" value="u"/>` + "\n" + end, "u"},
		{"raw_amp_lt_in_attr", open + `<param name="username" value="a & b < c"/>` + "\n" + end, "a & b < c"},
		{"bad_attr_quote", open + `<param name="username" value="a"b"/>` + "\n" + end, "a"},
		{"duplicate_in_file", open + `<param name="username" value="first"/>` + "\n" + end + open + `<param name="username" value="second"/>` + "\n" + end, "first"},
		{"gateways_wrapper", "<gateways>\n" + open + end + "</gateways>\n", "-"},
		{"invalid_name_space", strings.Replace(open, "m-bad", "with space", 1) + end, "-"},
		{"invalid_transport", open + `<param name="register-transport" value="bogus"/>` + "\n" + end, "-"},
		{"register_without_password", "<gateway name=\"m-bad\">\n<param name=\"username\" value=\"p\"/>\n" + end, "-"},
		{"register_without_username", "<gateway name=\"m-bad\">\n<param name=\"password\" value=\"p\"/>\n" + end, "-"},
		{"plain_text", "garbage not xml\n", "-"},
		{"empty_file", "", "-"},
		{"unclosed_gateway_tag", open + `<param name="username" value="u"/>` + "\n", "-"},
		{"unclosed_param_tag", strings.Replace(open, "/>", ">", 1) + end, "-"},
		{"stray_close_profile", open + end + "</gateways>\n</profile>\n", "-"},
		{"truncated", open[:len(open)-5], "-"},
		{"unterminated_attr_quote", open + `<param name="username" value="ab/>` + "\n" + end, "-"},
		{"unterminated_comment", "<!-- oops\n" + open + end, "-"},
	} {
		t.Run(tc.recording, func(t *testing.T) {
			t.Parallel()
			xml := tc.xml
			if tc.recording != "stray_close_profile" {
				xml += after
			}
			s := recordedSwitch(t, []string{xml})
			replay(t, s, "odd_rescan_"+tc.recording, "line", "length")
			replay(t, s, "odd_reloadxml_"+tc.recording, "line", "length")
			loaded := s.Loaded()
			gw, ok := loaded["m-bad"]
			if username := gw.Params["username"]; ok != (tc.username != "-") || ok && username != tc.username {
				t.Errorf("m-bad is loaded: %v, with the username %q; want %q", ok, username, tc.username)
			}
			_, recv := transcript(t, "odd_rescan_"+tc.recording)
			if _, ok := loaded["after"]; ok != strings.Contains(recv, "[Success]") && tc.recording != "stray_close_profile" {
				t.Errorf("the gateway that follows is loaded: %v", ok)
			}
		})
	}
}

func TestParseXMLLines(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ text, want string }{
		{"", "[error near line 1]: root tag missing"},
		{"<a>\n<b>\n</a>", "[error near line 3]: unexpected closing tag </a>"},
		{"<a>\n</b", "[error near line 2]: missing >"},
		{"<a>\n<b>\n", "[error near line 2]: unclosed tag <b>"},
		{"<a>\n</a>\n<b/>", "[error near line 3]: markup outside of root element"},
		{"<a>\n<1/></a>", "[error near line 2]: unexpected <"},
		{"<a>\n<b x=\"1\n</a>", "[error near line 2]: missing \""},
		{"<a>\n<!-- b\n</a>", "[error near line 2]: unclosed <!--"},
		{"<a", "[error near line 1]: missing >"},
	} {
		_, err := parseXML(tc.text)
		if err == nil {
			t.Errorf("parsing %q: no error, want %s", tc.text, tc.want)
		} else if err.Error() != tc.want {
			t.Errorf("parsing %q: %v, want %s", tc.text, err, tc.want)
		}
	}
}

func TestDecodeAttribute(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ in, want string }{
		{"plain", "plain"},
		{"a&amp;b &lt;&gt;&quot;&apos;", `a&b <>"'`},
		{"a & b < c", "a & b < c"},
		{"&nosuch; &", "&nosuch; &"},
		{"&#36;&#x24;", "$$"},
		{"&#0; &#x; &#;", "&#0; &#x; &#;"},
		{"a\tb\r\nc", "a b  c"},
	} {
		if got := decodeAttribute(tc.in); got != tc.want {
			t.Errorf("decodeAttribute(%q) is %q, want %q", tc.in, got, tc.want)
		}
	}
}

func FuzzParseXML(f *testing.F) {
	f.Add("<a><b c=\"d\"/></a>")
	f.Add("<a b=\"&amp;&#36;&\" c='<'>text<!-- x --><?y?></a>")
	f.Add("<a><b></a>")
	f.Add("<a =\"")
	f.Fuzz(func(t *testing.T, text string) {
		root, err := parseXML(text)
		if (root == nil) == (err == nil) {
			t.Errorf("parseXML(%q) is %v and %v", text, root, err)
		}
		if err != nil && (err.line < 1 || err.line > 1+strings.Count(text, "\n")) {
			t.Errorf("parseXML(%q) blames line %d", text, err.line)
		}
	})
}

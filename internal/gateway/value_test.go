package gateway

import (
	"encoding/xml"
	"errors"
	"strings"
	"testing"

	"trunkline/internal/fusionpbx"
)

func TestCheckValue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, column, value, want string }{ // want: a part of the error, "" for none
		{"a password", "password", "s3cret-P@ss word!", ""},
		{"nothing", "password", "", ""},
		{"a proxy", "proxy", "sip.carrier.example:5060;transport=tcp", ""},
		{"other scripts", "description", "電話 ü", ""},
		{"the password of the reference", "password", "pa$$w&d", "another password"},
		{"a dollar in the realm", "realm", "a$b", "another realm"},
		{"an ampersand", "proxy", "a&b", "does not escape"},
		{"an opening bracket", "from_user", "a<b", "does not escape"},
		{"a closing bracket", "from_user", "a>b", "does not escape"},
		{"a quote", "contact_params", `a"b`, "does not escape"},
		{"a dollar in a label", "gateway", "a$b & <c>", ""},
		{"a dollar in a description", "description", `5 $ & "more"`, ""},
		{"a variable", "description", "x ${y}", "variable"},
		{"a variable in a label", "gateway", "${hostname}", "variable"},
		{"a line feed", "description", "a\nb", "line break"},
		{"a carriage return", "gateway", "a\rb", "line break"},
		{"a tab", "username", "a\tb", "control character"},
		{"NUL", "username", "a\x00b", "control character"},
		{"a C1 control", "username", "a\u0085b", "control character"},
		{"invalid UTF-8", "gateway", "a\xff", "UTF-8"},
		{"a non-character", "gateway", "a\uFFFE", "XML"},
		{"the longest", "username", strings.Repeat("x", maxValue), ""},
		{"too long", "username", strings.Repeat("x", maxValue+1), "longer than 1024"},
		{"a profile", "profile", "external-2.a", ""},
		{"a profile with a slash", "profile", "../external", "name of a SIP profile"},
		{"a profile that leads up", "profile", "..", "name of a SIP profile"},
		{"a profile with a space", "profile", "external rescan", "name of a SIP profile"},
		{"a flag", "register", "true", ""},
		{"another flag", "enabled", "yes", "neither true nor false"},
		{"a flag in capitals", "enabled", "True", "neither true nor false"},
		{"a number", "expire_seconds", "3600", ""},
		{"no number", "expire_seconds", "1h", "whole number"},
		{"a negative number", "channels", "-1", "whole number"},
		{"a fraction", "ping", "2.5", "whole number"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := CheckValue(fusionpbx.ModeDatabase, c.column, c.value)
			if c.want == "" {
				if err != nil {
					t.Errorf("got %v", err)
				}
				return
			}
			var wrong *ValueError
			if !errors.As(err, &wrong) || wrong.Column != c.column || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want an error about %s with %q", err, c.column, c.want)
			}
			if !strings.Contains(err.Error(), c.column) {
				t.Errorf("the error does not name the column: %v", err)
			}
			if c.column == "password" && strings.Contains(err.Error(), c.value) {
				t.Errorf("the error holds the password: %v", err)
			}
		})
	}
}

// In file mode the values are escaped, so that only what nothing can carry is refused; and what FusionPBX's
// page would have FreeSWITCH run.
func TestCheckValueInFileMode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, column, value, want string }{ // want: a part of the error, "" for none
		{"the password of the reference", "password", "pa$$w&d", ""},
		{"everything that XML has a use for", "username", `a&b<c>"d'`, ""},
		{"a variable", "password", "$${domain}", ""},
		{"a word of the preprocessor", "password", "x-pre-process", ""},
		{"other tags of the preprocessor", "password", "<?<include>", ""},
		{"a command", "from_user", `<X-Pre-Process cmd="exec"`, "preprocessor"},
		{"a command of the older form", "from_user", "<!--#exec id", "preprocessor"},
		{"a command in a description", "description", "<X-PRE-PROCESS", ""},
		{"a line feed", "password", "a\nb", "line break"},
		{"NUL", "password", "a\x00b", "control character"},
		{"invalid UTF-8", "password", "a\xff", "UTF-8"},
		{"a profile that leads up", "profile", "..", "name of a SIP profile"},
		{"a flag", "register", "yes", "neither true nor false"},
		{"too long", "username", strings.Repeat("x", maxValue+1), "longer than 1024"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := CheckValue(fusionpbx.ModeFile, c.column, c.value)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// FuzzCheckValue: what is let through arrives as it is, on the way that FusionPBX takes: every
// $ deleted, nothing escaped, as an attribute of XML.
func FuzzCheckValue(f *testing.F) {
	for _, seed := range []string{"plain", "pa$$w&d", "a\nb", "${x}", `"`, "\xff", "\uFFFE", "&amp;", " a ", "電話"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if CheckValue(fusionpbx.ModeDatabase, "password", value) != nil {
			return
		}
		text := `<param name="password" value="` + strings.ReplaceAll(value, "$", "") + `"/>`
		var param struct {
			Value string `xml:"value,attr"`
		}
		if err := xml.Unmarshal([]byte(text), &param); err != nil {
			t.Fatalf("%q breaks the configuration: %v", value, err)
		}
		if param.Value != value {
			t.Fatalf("%q arrives as %q", value, param.Value)
		}
	})
}

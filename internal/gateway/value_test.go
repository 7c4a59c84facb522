package gateway

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"trunkline/internal/fusionpbx"
	"trunkline/internal/pbxtest/fssim"
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
		{"an ampersand in the password", "password", "a&b", ""},
		{"an entity", "password", "a&amp;b", "decode"},
		{"a scheme", "realm", "sip:carrier.example", "host alone"},
		{"a scheme before the proxy", "proxy", "SIPS:carrier.example", "host alone"},
		{"a registration of 4 s", "expire_seconds", "4", "3600"},
		{"a registration of 5 s", "expire_seconds", "5", ""},
		{"a retry after 1 s", "retry_seconds", "1", "30"},
		{"a ping every 4 s", "ping", "4", "no pings"},
		{"no ping", "ping", "0", ""},
		{"a ping every 5 s", "ping", "5", ""},
		{"an opening bracket", "from_user", "a<b", "does not escape"},
		{"a closing bracket", "from_user", "a>b", ""},
		{"a quote", "contact_params", `a"b`, ""},
		{"an opening bracket that is escaped", "contact_params", "a<b", ""},
		{"a dollar in a label", "gateway", "a$b & <c>", ""},
		{"a dollar in a description", "description", `5 $ & "more"`, ""},
		{"a variable", "password", "x ${y}", "another password"},
		{"a variable in a description", "description", "x ${y}", ""},
		{"a variable in a label", "gateway", "${hostname}", ""},
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
		{"everything that XML has a use for", "password", `a&b<c>"d'`, ""},
		{"an ampersand where it is shown", "username", "a&b", "does not escape"},
		{"an opening bracket where it is shown", "register_proxy", "a<b", "does not escape"},
		{"an entity", "password", "a&amp;b", ""},
		{"a retry after 1 s", "retry_seconds", "1", "30"},
		{"a scheme", "proxy", "sip:carrier.example", "host alone"},
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

// FuzzCheckValue: what is let through arrives as it is, on the way that FusionPBX takes, and of what a value may
// be nothing else is refused.
func FuzzCheckValue(f *testing.F) {
	for _, seed := range []string{"plain", "pa$$w&d", "a\nb", "${x}", `"`, "\xff", "\uFFFE", "&amp;", " a ", "電話", "&#38;", "&#x41;", "&# +065;", "&#0;", "&&lt;", "&<lt;", "&'amp;"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		arrives := fssim.Sanitized(value)
		switch err := CheckValue(fusionpbx.ModeDatabase, "password", value); {
		case err == nil && arrives != value:
			t.Fatalf("%q arrives as %q", value, arrives)
		case err != nil && arrives == value && CheckValue(fusionpbx.ModeFile, "password", value) == nil:
			t.Fatalf("%q arrives as it is, and is refused: %v", value, err)
		}
	})
}

// What a form says that a column does not take is refused, and what it does not mention is not.
func TestRulesAreThoseOfTheCheck(t *testing.T) {
	t.Parallel()
	for _, column := range fusionpbx.GatewayColumns {
		rule := Rule(column)
		for _, c := range []struct{ word, value string }{
			{"No < and no &", "a<b"}, {"No < and no &", "a&b"}, {"A whole number", "x"}, {"128 characters", strings.Repeat("x", maxLabel+1)},
			{"Under 5", "4"}, {"Letters, digits", "a b"},
		} {
			says, refused := strings.Contains(rule, c.word), CheckValue(fusionpbx.ModeDatabase, column, c.value) != nil
			if says && !refused {
				t.Errorf("%s says %q, and takes %.10q", column, rule, c.value)
			}
			if refused && rule == "" && !slices.Contains(flags, column) {
				t.Errorf("%s says nothing, and refuses %.10q", column, c.value)
			}
		}
	}
	for _, mode := range []fusionpbx.GatewayMode{fusionpbx.ModeDatabase, fusionpbx.ModeFile} {
		if says, refused := strings.Contains(RuleOfAll(mode), "$"), CheckValue(mode, "password", "a$b") != nil; says != refused {
			t.Errorf("in mode %s a $ is refused (%t), and the form says %q", mode, refused, RuleOfAll(mode))
		}
	}
}

package config

import (
	"maps"
	"strings"
	"testing"

	"trunkline/internal/atomicfile"
)

func TestParseEnvFile(t *testing.T) {
	t.Parallel()
	content := "\uFEFF# a comment\r\n\r\n" +
		"TRUNKLINE_A=plain\r\n" +
		"  export TRUNKLINE_B = spaced value \n" +
		`TRUNKLINE_C="say \"hi\" # \\ $HOME 'x'"` + "\n" +
		`TRUNKLINE_D='a "b" \n #'` + "\n" +
		"TRUNKLINE_E=\n" +
		"TRUNKLINE_F=a=b#c\n" +
		"TRUNKLINE_G=last without line break"
	want := map[string]string{
		"TRUNKLINE_A": "plain",
		"TRUNKLINE_B": "spaced value",
		"TRUNKLINE_C": `say "hi" # \ $HOME 'x'`,
		"TRUNKLINE_D": `a "b" \n #`,
		"TRUNKLINE_E": "",
		"TRUNKLINE_F": "a=b#c",
		"TRUNKLINE_G": "last without line break",
	}
	got, err := parseEnvFile([]byte(content))
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A broken line is named by its number, and not quoted.
func TestParseEnvFileRefuses(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	for _, c := range []struct{ name, line, want string }{
		{"no equals sign", "TRUNKLINE_SWITCH_PASSWORD " + secret, "TRUNKLINE_NAME=value"},
		{"a name with a space", "TRUNKLINE A=" + secret, "TRUNKLINE_NAME=value"},
		{"another's name", "PATH=" + secret, "PATH is not a setting"},
		{"no name", "=" + secret, "TRUNKLINE_NAME=value"},
		{"an open quote", `TRUNKLINE_A="` + secret, "closing quote is missing"},
		{"a lone quote", `TRUNKLINE_A="`, "closing quote is missing"},
		{"text behind the quote", `TRUNKLINE_A="a" ` + secret, "behind the closing quote"},
		{"a comment behind the quote", `TRUNKLINE_A="a" # the first`, "a comment needs a line of its own"},
		{"a comment behind the value", "TRUNKLINE_A=" + secret + " # main", "put the value in quotes"},
		{"a control character", "TRUNKLINE_A=" + secret + "\x00", "control character"},
		{"invalid UTF-8", "TRUNKLINE_A=" + secret + "\xff", "UTF-8"},
		{"a name twice", "TRUNKLINE_FIRST=" + secret, "set on line 1 already"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := writeFile(t, "broken.env", "TRUNKLINE_FIRST=1\n\n"+c.line+"\n")
			_, err := readEnvFile(path)
			if err == nil {
				t.Fatal("the line was taken")
			}
			for _, want := range []string{path, "line 3", c.want} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error lacks %q: %v", want, err)
				}
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error holds the line: %v", err)
			}
		})
	}
}

func TestEnvFileTooLarge(t *testing.T) {
	t.Parallel()
	path := writeFile(t, "huge.env", strings.Repeat("#\n", atomicfile.MaxRead))
	if _, err := readEnvFile(path); err == nil || !strings.Contains(err.Error(), "larger than 1MiB") {
		t.Errorf("got %v, want an error that says how large it may be", err)
	}
}

// FuzzParseEnvFile: whatever was read can be written in quotes and read again.
func FuzzParseEnvFile(f *testing.F) {
	for _, seed := range []string{"TRUNKLINE_A=1\n# c\n", `export TRUNKLINE_B="x\"y\\"`, "TRUNKLINE_C='", "A=1", "\xff=", "TRUNKLINE_A=1\nTRUNKLINE_A=2"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		values, err := parseEnvFile(content)
		if err != nil {
			return
		}
		var again strings.Builder
		for name, value := range values {
			if !strings.HasPrefix(name, prefix) || !variableName.MatchString(name) || strings.ContainsFunc(value, isControl) {
				t.Fatalf("read %q=%q", name, value)
			}
			again.WriteString(name + `="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + "\"\n")
		}
		got, err := parseEnvFile([]byte(again.String()))
		if err != nil {
			t.Fatalf("reading %q again: %v", again.String(), err)
		}
		if !maps.Equal(got, values) {
			t.Fatalf("got %q, want %q", got, values)
		}
	})
}

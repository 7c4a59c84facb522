package main

import (
	"strings"
	"testing"

	"trunkline/internal/commandline"

	"github.com/alecthomas/kong"
)

// Every command's help has examples, each on a line of its own, which the command line can read; the
// main help shows the first one of each.
func TestEveryExample(t *testing.T) {
	t.Parallel()
	all := runHere(t, nil, "--help")
	model := newParser(t)
	commands := model.Model.Leaves(true)
	if all.status != 0 || len(commands) < 15 {
		t.Fatalf("%d commands: %s", len(commands), all)
	}
	for _, command := range commands {
		path := command.Path()
		examples := commandline.Examples(command)
		if len(examples) == 0 {
			t.Errorf("%s has no example", path)
			continue
		}
		if !strings.Contains(all.out, "\n  "+examples[0]+"\n") {
			t.Errorf("the main help lacks %q", examples[0])
		}
		// The program's name is in the path where kong gives it.
		help := runHere(t, nil, append(strings.Fields(strings.TrimPrefix(path, "trunkline ")), "--help")...)
		if got := strings.Count(help.out, "\n\n"+commandline.ExampleMark); got != len(examples) || strings.Count(help.out, commandline.ExampleMark) != got {
			t.Errorf("%s --help shows %d of %d examples on a line of its own: %s", path, got, len(examples), help)
		}
		for _, example := range examples {
			_, arguments, found := strings.Cut(example, "trunkline ")
			if !found {
				continue // a line of another program's file
			}
			parser := newParser(t)
			if _, err := parser.Parse(words(arguments)); err != nil {
				t.Errorf("%q: %v", example, err)
			}
		}
	}
}

// words takes a line apart as a shell does, as far as examples need it.
func words(line string) (all []string) {
	for i, part := range strings.Split(line, `"`) {
		if i%2 == 1 {
			all = append(all, part)
		} else {
			all = append(all, strings.Fields(part)...)
		}
	}
	return all
}

func TestVersion(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"version", "--version"} {
		if got := runHere(t, nil, args); got.status != 0 || !strings.HasPrefix(got.out, "trunkline ") || strings.Count(got.out, "\n") != 1 {
			t.Errorf("%s: %s", args, got)
		}
	}
}

func newParser(t *testing.T) *kong.Kong {
	t.Helper()
	parser, err := kong.New(newCommandLine(), kong.Name("trunkline"), kong.Exit(func(int) {}))
	must(t, err)
	return parser
}

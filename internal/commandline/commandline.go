// Package commandline reads the command line of a program of ours and runs the command that it names. It
// knows no command.
package commandline

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/alecthomas/kong"
)

// Program is a program by its command line.
type Program struct {
	Name        string
	Description string
	Line        any          // a pointer to the struct that kong fills: its flags and commands
	Groups      []kong.Group // of flags that a help shows apart
	Out, Err    io.Writer
}

// Run parses the arguments and calls the Run of the command that they name with what bind returns, which
// is called once Line is filled. It returns the exit status: 0, that of an Ended, 1 if the command failed
// otherwise, 2 if there is no such command line.
func (p Program) Run(args []string, bind func() []any) int {
	exit := -1
	parser, err := kong.New(p.Line,
		kong.Name(p.Name),
		kong.Description(p.Description),
		kong.Writers(p.Out, p.Err),
		kong.Exit(func(status int) { exit = status }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.ExplicitGroups(p.Groups),
		kong.Help(printHelp),
	)
	if err != nil {
		fmt.Fprintf(p.Err, "%s: %v\n", p.Name, err)
		return 2
	}
	if len(args) > 0 && args[0] == "help" {
		args = append(slices.Clone(args[1:]), "--help")
	}
	parsed, err := parser.Parse(args)
	if exit >= 0 {
		return exit
	}
	if err != nil {
		fmt.Fprintf(p.Err, "%s: %v\n%s\n", p.Name, err, p.whereToLook(err))
		return 2
	}
	if err := parsed.Run(bind()...); err != nil {
		fmt.Fprintf(p.Err, "%s: %v\n", p.Name, err)
		if own, ok := errors.AsType[*Ended](err); ok {
			return own.Status
		}
		return 1
	}
	return 0
}

// Ended is why a command ended as it did, with an exit status that tells it from others.
type Ended struct {
	Status int
	Err    error
}

func (e *Ended) Error() string { return e.Err.Error() }

// Unwrap returns why.
func (e *Ended) Unwrap() error { return e.Err }

// whereToLook names the help of the command that could not be read, as far as it was.
func (p Program) whereToLook(err error) string {
	if wrong, ok := errors.AsType[*kong.ParseError](err); ok && wrong.Context != nil {
		for _, step := range slices.Backward(wrong.Context.Path) {
			if step.Command != nil {
				return fmt.Sprintf("Run %s --help for its flags and an example.", step.Command.FullPath())
			}
		}
	}
	return fmt.Sprintf("Run %s --help for the commands and an example of each.", p.Name)
}

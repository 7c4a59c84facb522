package commandline

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// ExampleMark begins the paragraph of a command's help that is an example.
const ExampleMark = "Example: "

// printHelp prints kong's help, and after the whole program's an example of each command.
func printHelp(options kong.HelpOptions, ctx *kong.Context) error {
	if err := kong.DefaultHelpPrinter(options, ctx); err != nil || ctx.Selected() != nil {
		return err
	}
	fmt.Fprintln(ctx.Stdout, "\nExamples:")
	for _, command := range ctx.Model.Leaves(true) {
		for _, example := range Examples(command)[:1] {
			fmt.Fprintln(ctx.Stdout, "  "+example)
		}
	}
	return nil
}

// Examples are the examples in a command's help.
func Examples(command *kong.Node) (examples []string) {
	for paragraph := range strings.SplitSeq(command.Detail, "\n\n") {
		if example, found := strings.CutPrefix(paragraph, ExampleMark); found {
			examples = append(examples, example)
		}
	}
	return examples
}

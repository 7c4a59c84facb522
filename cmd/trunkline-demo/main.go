// Command trunkline-demo shows Trunkline at work on a sample PBX: private servers with a sample in them, and
// a simulated FreeSWITCH. It is the only program that contains the simulation.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"trunkline/internal/commandline"
)

func main() {
	ctx, stop := commandline.UntilStopped()
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// command is what each subcommand's Run gets: how long it may run and where it writes.
type command struct {
	ctx      context.Context
	out, err io.Writer
}

func (cmd *command) printf(format string, args ...any) { fmt.Fprintf(cmd.out, format, args...) }

type commandLine struct {
	ShowVersion commandline.VersionFlag `name:"version" help:"Print the version, the revision and the time of the build."`

	Demo demoCommand `cmd:"" help:"Show it working: a private sample PBX, and the main job done over HTTP."`
	PBX  pbxCommand  `cmd:"" name:"pbx" help:"Run the demo's PBX alone: a simulated FreeSWITCH on a sample in an empty database."`
}

// run is the program: its arguments in, its exit status out. Tests call it too.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	program := commandline.Program{
		Name:        "trunkline-demo",
		Description: "Trunkline on a sample PBX, to try it without a PBX of one's own.",
		Line:        &commandLine{},
		Out:         out,
		Err:         errOut,
	}
	return program.Run(args, func() []any { return []any{&command{ctx: ctx, out: out, err: errOut}} })
}

// Command trunkline is the front door of a FusionPBX: an HTTP API, the workers that run its jobs, and
// the scheduler. This package reads the command line and the settings, and asks the rooms to do what it says.
package main

import (
	"context"
	"io"
	"os"

	"github.com/alecthomas/kong"

	"trunkline/internal/commandline"
	"trunkline/internal/remote"
)

func main() {
	ctx, stop := commandline.UntilStopped()
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}

// command is what each subcommand's Run gets: where its settings come from and where it writes.
type command struct {
	ctx        context.Context
	configFile string
	environ    []string
	out, err   io.Writer
}

type commandLine struct {
	ConfigFile string `name:"config" short:"c" type:"path" placeholder:"FILE" help:"Read settings from FILE (lines KEY=VALUE); the environment wins over it."`

	ShowVersion commandline.VersionFlag `name:"version" help:"Print the version, the revision and the time of the build."`

	Serve        roleCommand         `cmd:"" help:"Run api, worker and scheduler in one process, for one PBX."`
	API          roleCommand         `cmd:"" name:"api" help:"Run the HTTP front end alone."`
	Worker       roleCommand         `cmd:"" help:"Run a worker alone."`
	Scheduler    roleCommand         `cmd:"" help:"Run the scheduler alone."`
	Health       healthCommand       `cmd:"" help:"Tell by the exit status whether the api, worker or scheduler of this host works."`
	Check        checkCommand        `cmd:"" help:"Test every part and say what to do if one is not right."`
	Audit        auditCommand        `cmd:"" help:"List who was denied what and who changed what."`
	Config       configCommand       `cmd:"" help:"List the settings, their values and where each comes from."`
	CDR          remote.CDR          `cmd:"" name:"cdr" help:"Export CDRs and download the files, over the HTTP API from anywhere."`
	Schedules    remote.Schedules    `cmd:"" help:"Make, list, run, change and pause schedules of CDR exports, over the HTTP API from anywhere."`
	Destinations remote.Destinations `cmd:"" help:"Make, list, change, test and delete the destinations of files and messages, over the HTTP API from anywhere."`
	Deliveries   remote.Deliveries   `cmd:"" help:"List, show and retry deliveries, over the HTTP API from anywhere."`
	Gateways     remote.Gateways     `cmd:"" help:"List, import, export, change and compare gateways, over the HTTP API from anywhere."`
	Jobs         remote.Jobs         `cmd:"" help:"List, show, follow, cancel and retry jobs, over the HTTP API from anywhere."`
	Sessions     remote.Sessions     `cmd:"" help:"List and end sessions of the console, over the HTTP API from anywhere."`
	Queues       remote.Queues       `cmd:"" help:"List, pause and resume the queues that jobs wait in, over the HTTP API from anywhere."`
	Workers      remote.Workers      `cmd:"" help:"List the workers that are alive and what they run, over the HTTP API from anywhere."`
	Token        tokenCommand        `cmd:"" help:"Make, list, rotate and revoke the API tokens that callers send in place of a password."`
	Key          keyCommand          `cmd:"" help:"Rotate the secret key."`
	Migrate      migrateCommand      `cmd:"" help:"Create or update Trunkline's own tables, in schema trunkline."`
	Version      versionCommand      `cmd:"" help:"Print the version, the revision and the time of the build."`
	Whitelist    whitelistCommand    `cmd:"" help:"Show, check and edit the list of the addresses that may call."`
}

func newCommandLine() *commandLine {
	return &commandLine{Serve: serve, API: api, Worker: worker, Scheduler: scheduler}
}

// run is the program: its arguments, environment and input in, its exit status out. Tests call it too.
func run(ctx context.Context, args, environ []string, in io.Reader, out, errOut io.Writer) int {
	line := newCommandLine()
	program := commandline.Program{
		Name:        "trunkline",
		Description: "The programmable front door of a FusionPBX: gateways and CDR exports over HTTP, as jobs that do not get lost.",
		Line:        line,
		Groups:      []kong.Group{remote.ConnectionFlags},
		Out:         out,
		Err:         errOut,
	}
	return program.Run(args, func() []any {
		return []any{
			&command{ctx: ctx, configFile: line.ConfigFile, environ: environ, out: out, err: errOut},
			remote.NewProgram(ctx, environ, in, out, errOut),
		}
	})
}

package main

import (
	"fmt"

	"github.com/alecthomas/kong"

	"trunkline/internal/version"
)

type versionCommand struct{}

func (versionCommand) Help() string {
	return `The same is in the log's first line, in /readyz and in /openapi.json. Tell it with whatever you report.

Example: trunkline version`
}

func (versionCommand) Run(cmd *command) error {
	cmd.printf("trunkline %s\n", version.This())
	return nil
}

// versionFlag is trunkline --version: the same as the command.
type versionFlag bool

// BeforeReset prints the version before anything else is asked of the command line.
func (versionFlag) BeforeReset(app *kong.Kong) error {
	fmt.Fprintf(app.Stdout, "trunkline %s\n", version.This())
	app.Exit(0)
	return nil
}

package main

import "trunkline/internal/version"

type versionCommand struct{}

func (versionCommand) Help() string {
	return `The same is in the log's first line, in /readyz and in /openapi.json. Include it in whatever you report.

Example: trunkline version`
}

func (versionCommand) Run(cmd *command) error {
	cmd.printf("trunkline %s\n", version.This())
	return nil
}

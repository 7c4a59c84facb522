package commandline

import (
	"fmt"

	"github.com/alecthomas/kong"

	"trunkline/internal/version"
)

// VersionFlag is --version, which prints which build the program is, and ends it.
type VersionFlag bool

// BeforeReset prints the version before anything else is read from the command line.
func (VersionFlag) BeforeReset(app *kong.Kong) error {
	fmt.Fprintf(app.Stdout, "%s %s\n", app.Model.Name, version.This())
	app.Exit(0)
	return nil
}

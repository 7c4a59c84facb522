package main

import "trunkline/internal/config"

type configCommand struct{}

func (configCommand) Help() string {
	return `Passwords and keys are shown as [hidden]. Names are those of environment variables and of the lines in a file given by --config.

Example: trunkline --config /etc/trunkline/trunkline.env config`
}

func (configCommand) Run(cmd *command) error {
	settings, err := cmd.settings()
	for _, s := range config.Describe(settings) {
		if err != nil { // somebody with an invalid setting wants to see what can be set
			cmd.printf("%s\n    %s\n    default: %s\n", s.Name, s.Help, s.Default)
			continue
		}
		cmd.printf("%s=%s\n    %s\n    default: %s; this value is from: %s\n", s.Name, s.Value, s.Help, s.Default, s.Source)
	}
	return err
}

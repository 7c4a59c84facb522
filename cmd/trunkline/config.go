package main

import "trunkline/internal/config"

type configCommand struct{}

func (configCommand) Help() string {
	return `Secrets are shown as hidden. Names are those of environment variables and of the lines in a file given by --config.

Example: trunkline --config /etc/trunkline/trunkline.env config`
}

func (configCommand) Run(cmd *command) error {
	settings, err := cmd.settings()
	if err != nil {
		// Somebody with an invalid setting wants to see what can be set.
		for _, s := range config.Describe(settings) {
			cmd.printf("%s\n    %s\n    default: %s\n", s.Name, s.Help, s.Default)
		}
		return err
	}
	for _, s := range config.Describe(settings) {
		cmd.printf("%s=%s\n    %s\n    default: %s; this value is from: %s\n", s.Name, s.Value, s.Help, s.Default, s.Source)
	}
	return nil
}

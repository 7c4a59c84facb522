package main

import (
	"trunkline/internal/config"
)

// changed records that whoever runs this command changed something of Trunkline's own: what was done,
// such as whitelist.add, and to what.
func (cmd *command) changed(settings config.Settings, action, subject string) {
	newLog(settings, cmd.err).Info("change", "action", action, "subject", subject)
}

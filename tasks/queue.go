package tasks

import (
	"time"

	"trunkline/internal/config"
)

// Queue is one entry of the table of queues. A worker serves each by itself, so that what takes long never
// holds up somebody who waits.
type Queue struct {
	Name        string
	Concurrency func(config.Settings) int           // how many of its jobs one worker runs at a time
	Poll        func(config.Settings) time.Duration // how often an idle worker looks for a task
}

const (
	queueProvision = "provision"
	queueExport    = "export"
)

// Queues lists every queue.
var Queues = []Queue{
	{
		Name:        queueProvision,
		Concurrency: func(s config.Settings) int { return s.ProvisionConcurrency },
		Poll:        func(s config.Settings) time.Duration { return s.ProvisionPoll },
	},
	{
		Name:        queueExport,
		Concurrency: func(s config.Settings) int { return s.ExportConcurrency },
		Poll:        func(s config.Settings) time.Duration { return s.ExportPoll },
	},
}

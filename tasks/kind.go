package tasks

import (
	"slices"
	"time"

	"trunkline/internal/config"
	"trunkline/internal/token"
)

// Kind says what a job does. It is also the type of its task.
type Kind string

// The kinds of job.
const (
	KindProvision Kind = "provision"
	KindExport    Kind = "export"
	KindBulk      Kind = "bulk"
	KindDeliver   Kind = "deliver"
)

// kindEntry is one entry of the table of kinds: all that the rooms must know of a kind, but for what its
// parameters and its result hold. What a result counts is for the result to say, see Sized.
type kindEntry struct {
	kind           Kind
	queue          string
	scope          token.Scope
	timeout        func(config.Settings) time.Duration
	timeoutSetting string
	// unsure says what may be half done if too many workers were lost; "" if nothing.
	unsure string
	// needsSecrets is set if the job cannot be run again once its sealed part was wiped.
	needsSecrets bool
	// share is which part of the queue's slots one domain may hold, two of them in any case: 4 is a quarter; 0: all but the
	// last, since such jobs are short or end by themselves.
	share int
}

var kinds = []kindEntry{
	{
		kind:           KindProvision,
		queue:          queueProvision,
		scope:          token.ScopeProvision,
		timeout:        func(s config.Settings) time.Duration { return s.ProvisionTimeout },
		timeoutSetting: "TRUNKLINE_PROVISION_TIMEOUT",
		unsure:         "until then the gateway's row may be the new one, and the switches may have it loaded or not",
		needsSecrets:   true,
	},
	{
		kind:           KindExport,
		queue:          queueExport,
		scope:          token.ScopeExport,
		timeout:        func(s config.Settings) time.Duration { return s.ExportTimeout },
		timeoutSetting: "TRUNKLINE_EXPORT_TIMEOUT",
	},
	{
		kind:           KindBulk,
		queue:          queueBulk,
		scope:          token.ScopeProvision,
		timeout:        func(s config.Settings) time.Duration { return s.BulkTimeout },
		timeoutSetting: "TRUNKLINE_BULK_TIMEOUT",
		unsure:         "until then the rows of its gateways may be the new ones, and the switches may have them loaded or not",
		needsSecrets:   true,
	},
	{
		kind:           KindDeliver,
		queue:          queueDeliver,
		scope:          token.ScopeExport,
		timeout:        func(s config.Settings) time.Duration { return s.DeliverTimeout },
		timeoutSetting: "TRUNKLINE_DELIVER_TIMEOUT",
		unsure:         "until then it may have been delivered or not",
		share:          4, // a server that somebody else runs decides how long one takes
	},
}

// Kinds lists every kind.
var Kinds = func() (all []Kind) {
	for _, e := range kinds {
		all = append(all, e.kind)
	}
	return all
}()

// entry says nothing of a kind that this build does not know: the job is a newer one's.
func (k Kind) entry() kindEntry {
	if i := slices.Index(Kinds, k); i >= 0 {
		return kinds[i]
	}
	return kindEntry{timeout: func(config.Settings) time.Duration { return 0 }}
}

// Queue names the queue that the kind's tasks wait in.
func (k Kind) Queue() string { return k.entry().queue }

// Scope is what a caller needs to make, cancel and retry jobs of the kind.
func (k Kind) Scope() token.Scope { return k.entry().scope }

// Timeout is how long one attempt may take.
func (k Kind) Timeout(s config.Settings) time.Duration { return k.entry().timeout(s) }

// TimeoutSetting names the setting that Timeout reads.
func (k Kind) TimeoutSetting() string { return k.entry().timeoutSetting }

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
	queueBulk      = "bulk"
	queueDeliver   = "deliver"
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
	{
		Name:        queueBulk,
		Concurrency: func(s config.Settings) int { return s.BulkConcurrency },
		Poll:        func(s config.Settings) time.Duration { return s.BulkPoll },
	},
	{
		Name:        queueDeliver,
		Concurrency: func(s config.Settings) int { return s.DeliverConcurrency },
		Poll:        func(s config.Settings) time.Duration { return s.DeliverPoll },
	},
}

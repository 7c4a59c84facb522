// Package tasks is the contract between api, worker and scheduler: the kinds of job and their queues, the
// job record and its states, and how a job is enqueued, waited for, cancelled and swept up. It knows
// Postgres and Redis. It must not know the PBX, HTTP, or how a job is run: what a job's parameters, secrets
// and result hold is for its kind's worker and endpoint alone.
//
// The row in trunkline.jobs is the only truth. A task in Redis names a job and a dispatch number and
// nothing else; losing it loses nothing, because Sweep makes another.
package tasks

import (
	"encoding/json"
	"errors"
	"time"

	"trunkline/internal/fault"
)

// State is where a job stands: queued, running, or one of the four ends.
type State string

// A job's states, in the order of its life.
const (
	StateQueued    State = "queued"
	StateRunning   State = "running"
	StateSucceeded State = "succeeded"
	StatePartial   State = "partial"
	StateFailed    State = "failed"
	StateCancelled State = "cancelled"
)

// Done reports whether the job has ended.
func (s State) Done() bool { return s != StateQueued && s != StateRunning }

// States lists every state, for checking a caller's filter.
var States = []State{StateQueued, StateRunning, StateSucceeded, StatePartial, StateFailed, StateCancelled}

// Job is one row of trunkline.jobs without its secrets. DomainUUID is "" for a global gateway and
// for an export of all domains. Exactly one of Result and Error is set once State.Done. Its fields stand
// as in jobColumns.
type Job struct {
	ID              string
	Kind            Kind
	State           State
	DomainUUID      string
	CreatedBy       string // the uuid of the FusionPBX user or of the token
	CreatedByName   string // user@domain or the token's name, for people
	ExternalID      string
	OrderKeys       []string // what it takes its turn at
	Urgent          bool     // it goes before others of its domain that wait
	Items           int      // how many it has; 0: it is not a job of many
	Domains         []string // those that its items are about
	Params          json.RawMessage
	Progress        Progress
	Dispatch        int
	Attempt         int
	CancelRequested bool
	Result          json.RawMessage
	Left            []byte // a keyed hash of what a succeeded job left behind, or nil
	Error           *fault.Error
	CreatedAt       time.Time
	StartedAt       *time.Time
	FinishedAt      *time.Time
	RequestID       string     // of the request that asked for it, or ""
	WakesAt         *time.Time // of one that waits for something outside: when a worker takes it up again
}

// Progress is how far a running job has come.
type Progress struct {
	Done  int64 `json:"done"`
	Total int64 `json:"total,omitempty"` // an estimate; absent if there is none
	// Failed is how many of those that are done have failed.
	Failed int64  `json:"failed,omitempty"`
	Unit   string `json:"unit,omitempty"`
	// Rate is how many a second are done, and SecondsLeft how long the rest takes at that rate; absent while nobody knows.
	Rate        int64  `json:"rate,omitempty"`
	SecondsLeft int64  `json:"seconds_left,omitempty"`
	Note        string `json:"note,omitempty"`
}

// Errors that callers tell apart.
var (
	// ErrNotFound: no such job, or it is in another domain. It is a *fault.Error.
	ErrNotFound error = fault.Errorf(fault.NotFound, "there is no such job")
	// ErrKeyReused: the Idempotency-Key or external_id belongs to a request with another body.
	ErrKeyReused = errors.New("this key was used with another body")
	// ErrNotClaimed: the task is late; its job has ended, runs already, or was dispatched anew.
	ErrNotClaimed = errors.New("job not claimed")
	// ErrFenced: the job is no longer this attempt's to write to.
	ErrFenced = errors.New("this attempt no longer owns the job")
	// ErrState: the job is in a state that the transition does not leave.
	ErrState = errors.New("the job's state does not allow this")
)

package jobs

import (
	"trunkline/api/web"
	"trunkline/tasks"
)

// StateCounts are how many jobs are in each state.
type StateCounts struct {
	Queued    int64 `json:"queued"`
	Running   int64 `json:"running"`
	Succeeded int64 `json:"succeeded"`
	Partial   int64 `json:"partial"`
	Failed    int64 `json:"failed"`
	Cancelled int64 `json:"cancelled"`
}

// add counts a state's jobs; of a state that only a newer build knows there is no figure.
func (c *StateCounts) add(state tasks.State, jobs int64) {
	figures := map[tasks.State]*int64{
		tasks.StateQueued: &c.Queued, tasks.StateRunning: &c.Running, tasks.StateSucceeded: &c.Succeeded,
		tasks.StatePartial: &c.Partial, tasks.StateFailed: &c.Failed, tasks.StateCancelled: &c.Cancelled,
	}
	if figure := figures[state]; figure != nil {
		*figure += jobs
	}
}

// KindCounts are how many jobs of a kind there are.
type KindCounts struct {
	Kind   tasks.Kind  `json:"kind"`
	Jobs   int64       `json:"jobs"`
	States StateCounts `json:"states"`
}

// Counts are how many jobs a filter shows.
type Counts struct {
	Jobs   int64        `json:"jobs"`
	States StateCounts  `json:"states"`
	Kinds  []KindCounts `json:"kinds"` // those of which there are any
	// Exact: there are so many. Otherwise so many are among the newest CountedAmong that the filter shows but for its text,
	// and there may be more.
	Exact        bool `json:"exact"`
	CountedAmong int  `json:"counted_among,omitempty"`
}

// Count says how many jobs the user's filter shows.
func (s *Service) Count(r *web.Request) (counts Counts, err error) {
	f, err := filter(r)
	if err != nil {
		return counts, err
	}
	return s.count(r, f)
}

func (s *Service) count(r *web.Request, f tasks.Filter) (counts Counts, err error) {
	tallies, among, err := s.tasks.Count(r.Context(), f)
	if err != nil {
		return counts, err
	}
	counts = Counts{Kinds: []KindCounts{}, Exact: among == 0, CountedAmong: among}
	for _, t := range tallies {
		if n := len(counts.Kinds); n == 0 || counts.Kinds[n-1].Kind != t.Kind { // they come by kind
			counts.Kinds = append(counts.Kinds, KindCounts{Kind: t.Kind})
		}
		of := &counts.Kinds[len(counts.Kinds)-1]
		of.Jobs += t.Jobs
		of.States.add(t.State, t.Jobs)
		counts.Jobs += t.Jobs
		counts.States.add(t.State, t.Jobs)
	}
	return counts, nil
}

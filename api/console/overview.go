package console

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"trunkline/api/admin"
	"trunkline/api/params"
	"trunkline/api/schedules"
	"trunkline/api/status"
	"trunkline/api/web"
	"trunkline/internal/cdr"
	"trunkline/internal/fault"
	"trunkline/internal/gateway"
	"trunkline/internal/token"
	"trunkline/tasks"
)

var overviewPage = page{path: "", title: "Overview", template: "overview", show: (*Service).overview}

// overview is how everything is. What the session's holder may not see is not shown.
type overview struct {
	Health   section[[]health]
	Works    bool // all of it
	Detailed bool // they see the parts
	PBX      section[status.Status]
	Gateways section[[]gateway.Tally]
	Jobs     section[recent]
	Failing  section[schedules.SchedulePage]
	Denied   section[admin.AuditPage]
	Disk     section[disk]
}

// section is one part of a page, or why it is not there.
type section[T any] struct {
	Shown   bool
	Problem string
	Is      T
}

// health is how one part is.
type health struct {
	Part, Trouble, Remedy string
}

// disk is the room for export files.
type disk struct {
	Folder      string
	Bucket      bool // files are kept in a bucket: the folder holds them while they are written
	Free, Least uint64
}

const (
	// mostDenied and mostFailing are how many are shown.
	mostDenied  = "10"
	mostFailing = "20"
)

func (s *Service) overview(r *web.Request) (any, error) {
	var o overview
	var all sync.WaitGroup
	ofAll := r.Caller.Domains.All
	o.Detailed = ofAll
	look(&all, r, true, &o.Health, s.health)
	look(&all, r, r.Caller.May(token.ScopeRead), &o.PBX, s.Status.Status)
	look(&all, r, r.Caller.May(token.ScopeRead), &o.Gateways, s.Gateways.States)
	look(&all, r, r.Caller.May(token.ScopeRead), &o.Jobs, s.recent)
	look(&all, r.With(params.Values{"failing": "true", "limit": mostFailing}), r.Caller.May(token.ScopeExport), &o.Failing, s.Schedules.List)
	look(&all, r.With(params.Values{"kind": "denial", "limit": mostDenied}), r.Caller.May(token.ScopeAdmin), &o.Denied, s.Admin.Audit)
	look(&all, r, ofAll && r.Caller.May(token.ScopeExport), &o.Disk, s.disk)
	all.Wait()
	o.Works = !slices.ContainsFunc(o.Health.Is, func(h health) bool { return h.Trouble != "" })
	return o, nil
}

// look fills in a section beside others, if it is to be shown.
func look[T any](all *sync.WaitGroup, r *web.Request, shown bool, into *section[T], ask func(*web.Request) (T, error)) {
	if !shown {
		return
	}
	into.Shown = true
	all.Go(func() {
		var err error
		if into.Is, err = ask(r); err != nil {
			into.Problem = r.Words(err)
		}
	})
}

// remedies are what to do about a part, by how its name begins, where what is wrong with it may not say so.
var remedies = map[string]string{
	"workers":       "Start trunkline worker, or trunkline serve, and look at its log. Jobs wait meanwhile.",
	"database":      "Look whether Postgres runs and takes connections (TRUNKLINE_DATABASE_URL).",
	"redis":         "Look whether Redis runs (TRUNKLINE_REDIS_URL). Jobs are accepted meanwhile, and begin once it answers.",
	"switch":        "Look whether FreeSWITCH runs and takes this host's password at its event socket (TRUNKLINE_SWITCHES, TRUNKLINE_SWITCH_PASSWORD). What changes gateways waits as jobs.",
	"export folder": "Look whether workers and front ends see the same folder (TRUNKLINE_EXPORT_DIR) and may write there.",
	"export store":  "Look whether the bucket answers (TRUNKLINE_EXPORT_STORE).",
}

func (s *Service) health(r *web.Request) ([]health, error) {
	troubles := s.Troubles(context.WithoutCancel(r.Context()))
	var list []health
	for _, part := range slices.Sorted(maps.Keys(troubles)) {
		h := health{Part: part, Trouble: troubles[part]}
		for begins, remedy := range remedies {
			if h.Trouble != "" && strings.HasPrefix(part, begins) {
				h.Remedy = remedy
			}
		}
		list = append(list, h)
	}
	return list, nil
}

func (s *Service) disk(*web.Request) (disk, error) {
	free, err := cdr.FreeSpace(s.Settings.ExportDir)
	if err != nil {
		err = fault.Errorf(fault.Unavailable, "%s cannot be looked at; this front end has to see the folder that workers write to (TRUNKLINE_EXPORT_DIR): %w", s.Settings.ExportDir, err)
	}
	return disk{
		Folder: s.Settings.ExportDir, Bucket: s.Settings.ExportStore != "",
		Free: free, Least: uint64(s.Settings.ExportMinFreeBytes),
	}, err
}

// ends are the states in which jobs end, in the order in which they are shown.
var ends = slices.DeleteFunc(slices.Clone(tasks.States), func(s tasks.State) bool { return !s.Done() })

// recent are the jobs that ended within the last day, and the one that waits for longest.
type recent struct {
	Ends   []tasks.State
	Kinds  []ended // each kind, and last all of them
	Total  int64
	Oldest *tasks.Waiting
}

// ended is how many jobs ended in each of the states, and in all.
type ended struct {
	Kind   string
	Counts []int64
	Total  int64
}

func (s *Service) recent(r *web.Request) (recent, error) {
	found, err := s.Jobs.Lately(r)
	if err != nil {
		return recent{}, err
	}
	is := recent{Ends: ends, Oldest: found.Oldest}
	all := ended{Kind: "all", Counts: make([]int64, len(ends))}
	for _, kind := range tasks.Kinds {
		row := ended{Kind: string(kind), Counts: make([]int64, len(ends))}
		for _, one := range found.Ended {
			if i := slices.Index(ends, one.State); one.Kind == kind && i >= 0 {
				row.Counts[i] += one.Jobs
				row.Total += one.Jobs
				all.Counts[i] += one.Jobs
				all.Total += one.Jobs
			}
		}
		is.Kinds = append(is.Kinds, row)
	}
	is.Kinds, is.Total = append(is.Kinds, all), all.Total
	return is, nil
}

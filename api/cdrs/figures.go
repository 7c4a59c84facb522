package cdrs

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/api/web"
	"trunkline/internal/cache"
	"trunkline/internal/calendar"
	"trunkline/internal/cdr"
	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
)

const (
	// figuresLife is for how long figures are known: a page is drawn of the same figures that its tables have.
	figuresLife = 30 * time.Second
	// figuresKept is of how many filters, and mostKept of how many groups each.
	figuresKept = 200
	mostKept    = 500
)

// Figures are what the calls of a span come to, by day, and by cause of all days.
type Figures struct {
	cdr.Window
	Total  Sums
	Days   []SummaryGroup // those with calls, in order
	Causes []SummaryGroup // the most frequent first
}

func newFigures() *cache.Cache[Figures] {
	return cache.New[Figures](cache.Options{Most: figuresKept})
}

// Figures are those of the calls that Summary sums up by the same parameters, read in one go; unless they are to be read anew
// those that were read just now for the same domain and filter, which the caller may see in either case.
func (s *Service) Figures(r *web.Request, anew bool) (f Figures, err error) {
	asked, everyRow, err := s.summed(r)
	if err != nil {
		return f, err
	}
	key, err := json.Marshal([]any{asked.DomainUUID, asked.Start, asked.End, asked.TimeZone, asked.Filter, everyRow})
	if err != nil {
		return f, err
	}
	if !anew {
		if f, known := s.figures.Get(string(key)); known {
			f.Window = asked.Window
			return f, nil
		}
	}
	f.Window = asked.Window
	starts := asked.Periods(calendar.Day)
	var groups []fusionpbx.CDRGroup
	err = s.look(r, asked.DomainUUID, func(ctx context.Context, tx pgx.Tx) (err error) {
		groups, err = s.db.In(tx).SumUpCDRs(ctx, fusionpbx.CDRSummary{
			CDRFilter: asked.Holds(), Starts: starts, ByCause: true, Apart: true, EveryRow: everyRow, Limit: maxSummaryGroups + 1, // whether there are more
		})
		return err
	})
	if err != nil {
		return f, err
	}
	if len(groups) > maxSummaryGroups {
		return f, fault.Invalid("date_start", "the calls of this span have more than %d days and causes; ask for a shorter span, or for some causes", maxSummaryGroups)
	}
	var days []fusionpbx.CDRGroup
	for _, g := range groups {
		group := SummaryGroup{Sums: sumsOf(g.Calls, g.Answered, g.Seconds)}
		if g.Period < 0 {
			group.Cause = &g.Cause
			f.Causes = append(f.Causes, group)
			continue
		}
		days = append(days, g)
		group.Day = new(calendar.Day.Name(starts[g.Period]))
		f.Days = append(f.Days, group)
	}
	f.Total = totalOf(days)
	slices.SortStableFunc(f.Causes, func(a, b SummaryGroup) int { return int(b.Calls - a.Calls) })
	if len(groups) <= mostKept {
		s.figures.Put(string(key), f, time.Now().Add(figuresLife))
	}
	return f, nil
}

package cdrs

import (
	"context"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"trunkline/api/params"

	"trunkline/api/web"
	"trunkline/internal/calendar"
	"trunkline/internal/cdr"
	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/token"
)

// maxSummaryGroups bounds the groups of one answer: a year by hour has 8,784.
const maxSummaryGroups = 10_000

// Summary is what the calls of a span come to.
type Summary struct {
	cdr.Window
	By     []string       `json:"by"`     // what makes the groups
	Total  Sums           `json:"total"`  // of all groups
	Groups []SummaryGroup `json:"groups"` // those with calls, in the order of time, domain, direction and cause
	Peaks  *Peaks         `json:"peaks,omitempty"`
}

// SummaryGroup is what the calls of one group come to. It has the fields that calls are grouped by.
type SummaryGroup struct {
	Day        *string `json:"day,omitempty" format:"date"`         // in the time zone
	Hour       *string `json:"hour,omitempty" format:"date-time"`   // its beginning, in the time zone
	Domain     *string `json:"domain,omitempty"`                    // "": none that FusionPBX has
	DomainUUID string  `json:"domain_uuid,omitempty" format:"uuid"` // beside domain, if the calls are one's
	Direction  *string `json:"direction,omitempty"`                 // "": none
	Cause      *string `json:"cause,omitempty"`                     // "": none
	Sums
}

// Sums are what calls come to.
type Sums struct {
	Calls          int64   `json:"calls"`
	Answered       int64   `json:"answered"`
	AnsweredRatio  float64 `json:"answered_ratio"`  // answered calls of all, from 0 to 1
	Seconds        int64   `json:"seconds"`         // billed
	Minutes        float64 `json:"minutes"`         // the same, a sixtieth
	AverageSeconds float64 `json:"average_seconds"` // billed seconds of an answered call
}

// What a summary can be by.
const (
	byDay       = string(calendar.Day)
	byHour      = string(calendar.Hour)
	byDomains   = "domain"
	byDirection = "direction"
	byCause     = "cause"
)

var summaryBys = []string{byDay, byHour, byDomains, byDirection, byCause}

func (s *Service) summaryEndpoints() []web.Endpoint {
	return []web.Endpoint{{
		ID: "summarizeCDRs", Summary: "Sum up the CDRs of a span",
		Note: "For looking rather than exporting: without dates, those of the last 24 hours. A call is counted once, as in usage: leg b and calls that were answered elsewhere (LOSE_RACE) are left out, " +
			"unless leg or hangup_cause asks for them, or view=all for every row.",
		Methods: []string{"GET"}, Path: "/v1/cdr/summary", Entry: web.SignedIn, Scope: token.ScopeExport, AtOnce: []web.AtOnce{web.AtOnceReads},
		Answer: web.JSON(http.StatusOK, s.Summary),
		Params: slices.Concat([]web.Param{
			{Name: "by", About: "What makes the groups, separated by commas: " + strings.Join(summaryBys, ", ") + ". Left out: " + byDay + "."},
			peaksParam,
			{Name: "date_start", About: "The first day, or moment."}, {Name: "date_end", About: "The last day, or moment: inclusive."}, zoneParam,
		}, web.TenantParams, filterParams),
		Replies: []web.Reply{{Status: 200, About: "The sums of each group that has calls, and of all.", Body: Summary{}}},
		Faults:  []fault.Code{fault.MissingParameters, fault.NotFound, fault.Timeout},
	}}
}

// Summary sums up the CDRs of a span.
func (s *Service) Summary(r *web.Request) (summary Summary, err error) {
	if summary.By, err = summaryBy(r); err != nil {
		return summary, err
	}
	peaks, err := peaksOf(r)
	if err != nil {
		return summary, err
	}
	asked, everyRow, err := s.summed(r)
	if err != nil {
		return summary, err
	}
	by := func(what string) bool { return slices.Contains(summary.By, what) }
	question := fusionpbx.CDRSummary{
		CDRFilter: asked.Holds(), ByDomain: by(byDomains), ByDirection: by(byDirection), ByCause: by(byCause),
		EveryRow: everyRow, Limit: maxSummaryGroups + 1, // whether there are more
	}
	switch {
	case by(byHour):
		question.Starts = asked.Periods(calendar.Hour)
	case by(byDay):
		question.Starts = asked.Periods(calendar.Day)
	}
	var groups []fusionpbx.CDRGroup
	var found []fusionpbx.CDRPeak
	starts := peaks.starts(asked.Window)
	err = s.look(r, asked.DomainUUID, func(ctx context.Context, tx pgx.Tx) (err error) {
		db := s.db.In(tx)
		if groups, err = db.SumUpCDRs(ctx, question); err != nil || !peaks.any() {
			return err
		}
		found, err = db.CDRPeaks(ctx, asked.Holds(), starts, everyRow, maxPeaks+1)
		return err
	})
	if err != nil {
		return summary, err
	}
	if len(groups) > maxSummaryGroups {
		return summary, fault.Invalid("by", "%s makes more than %d groups of this span; leave one out, or ask for a shorter span", strings.Join(summary.By, ","), maxSummaryGroups)
	}
	if err := peaks.check(found); err != nil {
		return summary, err
	}
	summary.Window, summary.Groups, summary.Total = asked.Window, make([]SummaryGroup, len(groups)), totalOf(groups)
	for i, group := range groups {
		summary.Groups[i] = groupOf(group, by, question.Starts)
	}
	if peaks.any() {
		ofAll := peaks.of(starts, found)
		summary.Peaks = &ofAll
	}
	return summary, nil
}

// summed are the calls that are to be summed up, and whether every row counts, or else each call once.
func (s *Service) summed(r *web.Request) (asked cdr.Request, everyRow bool, err error) {
	t, err := tenantOf(r)
	if err != nil {
		return asked, false, err
	}
	asked = cdr.Request{DomainUUID: t.UUID, Window: usualWindowOf(r)}
	if asked.Filter, err = filterOf(r.Params); err != nil {
		return asked, false, err
	}
	if err := asked.Resolve(r.Context(), s.db); err != nil {
		return asked, false, err
	}
	return asked, strings.EqualFold(r.Params.Get("view"), viewAll), atMostAYear(asked.Window)
}

// summaryBy is what the groups are made by, each once, in the order of summaryBys.
func summaryBy(r *web.Request) ([]string, error) {
	asked := params.Split(strings.ToLower(r.Params.Get("by")))
	for _, one := range asked {
		if !slices.Contains(summaryBys, one) {
			return nil, fault.Invalid("by", "there is no summary by %.200q; write some of %s", one, strings.Join(summaryBys, ", "))
		}
	}
	if len(asked) == 0 {
		asked = []string{byDay}
	}
	return slices.DeleteFunc(slices.Clone(summaryBys), func(one string) bool { return !slices.Contains(asked, one) }), nil
}

// groupOf is a group as callers see it.
func groupOf(g fusionpbx.CDRGroup, by func(string) bool, starts []time.Time) SummaryGroup {
	group := SummaryGroup{Sums: sumsOf(g.Calls, g.Answered, g.Seconds)}
	set := func(field **string, what string, value func() string) {
		if by(what) {
			*field = new(value())
		}
	}
	set(&group.Day, byDay, func() string { return calendar.Day.Name(starts[g.Period]) })
	set(&group.Hour, byHour, func() string { return calendar.Hour.Name(starts[g.Period]) })
	set(&group.Domain, byDomains, func() string { return g.Domain })
	set(&group.Direction, byDirection, func() string { return g.Direction })
	set(&group.Cause, byCause, func() string { return g.Cause })
	group.DomainUUID = g.DomainUUID
	return group
}

// totalOf is what all groups come to.
func totalOf(groups []fusionpbx.CDRGroup) Sums {
	var calls, answered, seconds int64
	for _, g := range groups {
		calls, answered, seconds = calls+g.Calls, answered+g.Answered, seconds+g.Seconds
	}
	return sumsOf(calls, answered, seconds)
}

func sumsOf(calls, answered, seconds int64) Sums {
	s := Sums{Calls: calls, Answered: answered, Seconds: seconds, Minutes: rounded(float64(seconds)/60, 100)}
	if calls > 0 {
		s.AnsweredRatio = rounded(float64(answered)/float64(calls), 10_000)
	}
	if answered > 0 {
		s.AverageSeconds = rounded(float64(seconds)/float64(answered), 100)
	}
	return s
}

// rounded is the number to so many parts of one.
func rounded(n, parts float64) float64 { return math.Round(n*parts) / parts }

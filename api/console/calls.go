package console

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-analyze/charts"

	"trunkline/api/cdrs"
	"trunkline/api/params"
	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/token"
	"trunkline/tasks"
)

var callsPage = page{
	path: "/calls", title: "Calls", template: "calls", scope: token.ScopeExport, atOnce: []web.AtOnce{web.AtOnceReads}, show: (*Service).calls,
	params: slices.Concat(callFilter, []web.Param{{Name: "after"}, {Name: "limit"}}),
}

// callFilter are the parameters that say which calls are meant, as at /v1/cdr.
var callFilter = []web.Param{
	{Name: "date_start"}, {Name: "date_end"}, {Name: "tenant_domain"}, {Name: "view"}, {Name: "extension"}, {Name: "direction"}, {Name: "leg"},
	{Name: "answered"}, {Name: "hangup_cause"}, {Name: "min_billsec"}, {Name: "caller_prefix"}, {Name: "destination_prefix"}, {Name: "gateway"},
	{Name: "conference"}, {Name: "queue"},
}

const (
	// callColumns are what the list has of each call.
	callColumns = "start_stamp,domain_name,direction,caller_id_name,caller_id_number,destination_number,billsec,hangup_cause"
	// callsShown is how many calls a page has if nothing else is asked for.
	callsShown = "50"
	// mostLabels is how many days a chart names.
	mostLabels = 8
	// mostCauses is how many causes a chart has room for.
	mostCauses = 6
)

// callList is a page of the list of calls, with what the calls of the filter come to.
type callList struct {
	Start, End string // the span that is shown
	Filtered   bool
	Total      cdrs.Sums
	Days       []cdrs.SummaryGroup
	Causes     []cdrs.SummaryGroup // the most frequent first
	Charts     []callChart
	Export     string // where what is filtered is exported
	Calls      []shownCall
	Of         string // what leads to a call of a caller who has to name the domain
	Pager      pager
}

// callChart is a chart beside the table that has its figures.
type callChart struct {
	Light, Dark, Text string
}

// shownCall is a call as the list has it.
type shownCall struct {
	UUID        string     `json:"xml_cdr_uuid"`
	Start       *time.Time `json:"start_stamp"`
	Domain      string     `json:"domain_name"`
	Direction   string     `json:"direction"`
	CallerName  string     `json:"caller_id_name"`
	Caller      string     `json:"caller_id_number"`
	Destination string     `json:"destination_number"`
	Billsec     any        `json:"billsec"`
	Cause       string     `json:"hangup_cause"`
}

// callsAsked is the request as /v1/cdr has it, with these parameters in pairs beside the filter's: days are of the page's zone.
func callsAsked(r *web.Request, pairs ...string) (*web.Request, error) {
	zone, err := zoneOf(r)
	if err != nil {
		return nil, err
	}
	values := params.Values{"time_zone": zone.String()}
	for _, p := range callFilter {
		values[p.Name] = r.Params.Get(p.Name)
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		values[pairs[i]] = pairs[i+1]
	}
	return r.With(values), nil
}

func (s *Service) calls(r *web.Request) (any, error) {
	limit := r.Params.Get("limit")
	if limit == "" {
		limit = callsShown
	}
	asked, err := callsAsked(r, "columns", callColumns, "after", r.Params.Get("after"), "limit", limit)
	if err != nil {
		return nil, err
	}
	found, err := s.CDRs.List(asked)
	if err != nil {
		return nil, err
	}
	list := callList{Filtered: filtered(r), Pager: newPager(r, found.Next), Start: found.DateStart, End: found.DateEnd}
	if err := json.NewDecoder(bytes.NewReader(found.CDRs)).Decode(&list.Calls); err != nil {
		return nil, err
	}
	// Of the very span that is listed, whatever the time is by now.
	span := []string{"date_start", found.DateStart, "date_end", found.DateEnd}
	ofSpan, err := callsAsked(r, span...)
	if err != nil {
		return nil, err
	}
	figures, err := s.CDRs.Figures(ofSpan, r.Params.Get("after") == "")
	if err != nil {
		return nil, err
	}
	list.Total, list.Days, list.Causes = figures.Total, figures.Days, figures.Causes
	_, query, _ := strings.Cut(address(r, append(span, "after", "", "limit", "")...), "?")
	for _, of := range callCharts {
		at := home + "/charts/calls.svg?of=" + of.name + "&theme="
		list.Charts = append(list.Charts, callChart{Light: at + "light&" + query, Dark: at + "dark&" + query, Text: of.text})
	}
	list.Export = home + "/exports/new?" + query + "&time_zone=" + url.QueryEscape(found.TimeZone)
	if of := r.Params.Get("tenant_domain"); of != "" {
		list.Of = "?" + url.Values{"tenant_domain": {of}}.Encode()
	}
	return list, nil
}

// callCharts are the charts of the page.
var callCharts = []struct{ name, text string }{
	{"calls", "Calls by day, answered and not. The table by day has the figures."},
	{"minutes", "Minutes by day. The table by day has the figures."},
	{"causes", "Calls by cause, the most frequent. The table by cause has the figures."},
}

func (s *Service) callsChartEndpoint() web.Endpoint {
	return web.Endpoint{
		ID: "consoleCallsChart", Methods: []string{"GET"}, Path: home + "/charts/calls.svg", Entry: web.Console, Scope: token.ScopeExport,
		AtOnce: []web.AtOnce{web.AtOnceReads}, Failed: s.failed, NoSession: toSignIn,
		Params: slices.Concat(callFilter, []web.Param{{Name: "theme", Choices: []string{"light", "dark"}}, {Name: "of"}, zoneParam}),
		Answer: func(r *web.Request) error {
			look, known := themes[r.Params.Get("theme")]
			if !known {
				return fault.Invalid("theme", "is neither light nor dark")
			}
			for _, of := range callCharts {
				if of.name != r.Params.Get("of") {
					continue
				}
				asked, err := callsAsked(r)
				if err != nil {
					return err
				}
				figures, err := s.CDRs.Figures(asked, false)
				if err != nil {
					return err
				}
				groups := figures.Days
				if of.name == "causes" {
					groups = figures.Causes
				}
				image, err := callChartOf(of.name, groups, look)
				if err == nil {
					r.Data(http.StatusOK, "image/svg+xml", image)
				}
				return err
			}
			return fault.Invalid("of", "is none of calls, minutes and causes")
		},
	}
}

// callChartOf draws the groups of a summary.
func callChartOf(of string, groups []cdrs.SummaryGroup, look theme) ([]byte, error) {
	var labels []string
	colour := func(state tasks.State) charts.Color { return charts.ParseColor(look.states[state]) }
	if of == "causes" {
		calls := []float64{}
		for i, g := range groups {
			if i < mostCauses {
				labels, calls = append(labels, nameOfCause(*g.Cause)), append(calls, float64(g.Calls))
			}
		}
		return bars([]string{"calls"}, []charts.Color{colour(tasks.StatePartial)}, [][]float64{calls}, labels, look)
	}
	days := everyDay(groups)
	answered, others, minutes := make([]float64, len(days)), make([]float64, len(days)), make([]float64, len(days))
	labels = make([]string, len(days))
	for i, g := range days {
		answered[i], others[i], minutes[i] = float64(g.Answered), float64(g.Calls-g.Answered), g.Minutes
		if i%(len(days)/mostLabels+1) == 0 {
			labels[i] = *g.Day
		}
	}
	if of == "minutes" {
		return bars([]string{"minutes"}, []charts.Color{colour(tasks.StateSucceeded)}, [][]float64{minutes}, labels, look)
	}
	return bars([]string{"answered", "not answered"}, []charts.Color{colour(tasks.StateSucceeded), colour(tasks.StateCancelled)}, [][]float64{answered, others}, labels, look)
}

// everyDay has the days between those with calls too.
func everyDay(groups []cdrs.SummaryGroup) (days []cdrs.SummaryGroup) {
	for _, g := range groups {
		for len(days) > 0 {
			before, err := time.Parse(time.DateOnly, *days[len(days)-1].Day)
			next := before.AddDate(0, 0, 1).Format(time.DateOnly)
			if err != nil || next >= *g.Day {
				break
			}
			days = append(days, cdrs.SummaryGroup{Day: &next})
		}
		days = append(days, g)
	}
	return days
}

// mostCauseName is how much of a cause's name a chart has room for, in characters.
const mostCauseName = 12

func nameOfCause(cause string) string {
	if cause == "" {
		return "none"
	}
	if name := []rune(cause); len(name) > mostCauseName {
		return string(name[:mostCauseName]) + "…"
	}
	return cause
}

// percent is a ratio from 0 to 1, which is exact to a hundredth of a percent.
func percent(ratio float64) string { return strconv.FormatFloat(ratio*100, 'f', 2, 64) + " %" }

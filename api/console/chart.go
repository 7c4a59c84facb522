package console

import (
	"math"
	"net/http"
	"slices"
	"strconv"

	"github.com/go-analyze/charts"

	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/token"
	"trunkline/tasks"
)

const (
	chartWidth, chartHeight = 900, 260
	// chartFont is the size of a chart's texts.
	chartFont = 12
	// chartSteps is how many steps there are from 0 to the top.
	chartSteps = 4
	// hoursLabelled is of how many hours one is named.
	hoursLabelled = 4
)

// theme is how charts look on one of the style sheet's backgrounds.
type theme struct {
	dark       bool
	back, text string
	states     map[tasks.State]string
}

// themes have the colours of assets/style.css.
var themes = map[string]theme{
	"light": {false, "#ffffff", "#4d5761", map[tasks.State]string{
		tasks.StateSucceeded: "#1a6334", tasks.StatePartial: "#b7791f", tasks.StateFailed: "#a61b1b", tasks.StateCancelled: "#7a8590",
	}},
	"dark": {true, "#14181c", "#a9b4be", map[tasks.State]string{
		tasks.StateSucceeded: "#7fd39c", tasks.StatePartial: "#e5b567", tasks.StateFailed: "#ff9c94", tasks.StateCancelled: "#8a95a0",
	}},
}

func (s *Service) chartEndpoint() web.Endpoint {
	return web.Endpoint{
		ID: "consoleJobsChart", Methods: []string{"GET"}, Path: home + "/charts/jobs.svg", Entry: web.Console, Scope: token.ScopeRead,
		Params: []web.Param{{Name: "theme", Choices: []string{"light", "dark"}}}, Failed: s.failed, NoSession: toSignIn,
		Answer: func(r *web.Request) error {
			look, known := themes[r.Params.Get("theme")]
			if !known {
				return fault.Invalid("theme", "is neither light nor dark")
			}
			found, err := s.Jobs.Lately(r)
			if err != nil {
				return err
			}
			image, err := chartOf(found.Ended, look)
			if err == nil {
				r.Data(http.StatusOK, "image/svg+xml", image)
			}
			return err
		},
	}
}

// chartOf draws how many jobs ended in each of the last hours, by state, as SVG.
func chartOf(found []tasks.Outcome, look theme) ([]byte, error) {
	var names []string
	var colors []charts.Color
	var values [][]float64
	for _, state := range ends {
		hours := make([]float64, tasks.LatelyHours)
		for _, one := range found {
			if one.State == state && one.Ago < len(hours) {
				hours[len(hours)-1-one.Ago] += float64(one.Jobs)
			}
		}
		if slices.Max(hours) > 0 || state == tasks.StateSucceeded {
			names, colors, values = append(names, string(state)), append(colors, charts.ParseColor(look.states[state])), append(values, hours)
		}
	}
	labels := make([]string, tasks.LatelyHours)
	for i := range labels {
		if i%hoursLabelled == 0 {
			labels[i] = strconv.Itoa(i-tasks.LatelyHours) + " h"
		}
	}
	return bars(names, colors, values, labels, look)
}

// bars draws series of bars upon each other as SVG, with a label below each that has one.
func bars(names []string, colors []charts.Color, values [][]float64, labels []string, look theme) ([]byte, error) {
	most := 0.0
	for i := range labels {
		sum := 0.0
		for _, one := range values {
			sum += one[i]
		}
		most = max(most, sum)
	}
	top, bottom := chartSteps*max(math.Ceil(most/chartSteps), 1), 0.0 // so that each step is a whole number
	text := charts.ParseColor(look.text)
	style := charts.NewFontStyleWithSize(chartFont).WithColor(text)
	o := charts.NewBarChartOptionWithData(values)
	o.Theme = charts.MakeTheme(charts.ThemeOption{
		IsDarkMode: look.dark, BackgroundColor: charts.ParseColor(look.back), TextColor: text, AxisStrokeColor: text, AxisSplitLineColor: text.WithAlpha(60),
		SeriesColors: colors,
	})
	stack := true
	o.StackSeries = &stack
	o.CategoryAxis.Labels, o.CategoryAxis.LabelFontStyle, o.CategoryAxis.LabelCount = labels, style, len(labels)
	o.ValueAxis[0] = charts.ValueAxisOption{Min: &bottom, Max: &top, LabelCount: chartSteps + 1, LabelFontStyle: style, ValueFormatter: wholeNumber}
	o.Legend = charts.LegendOption{SeriesNames: names, FontStyle: style}
	p := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputSVG, Width: chartWidth, Height: chartHeight})
	if err := p.BarChart(o); err != nil {
		return nil, err
	}
	return p.Bytes()
}

func wholeNumber(v float64) string { return strconv.FormatFloat(v, 'f', 0, 64) }

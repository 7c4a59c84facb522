package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"time"
)

// summarySpan is the span that is summed up, in days: the sample's and some more.
const summarySpan = 365

// summary compares a year's summary by day, asked for over HTTP, with the same question written by hand and sent by
// psql. The figure is of a million rows unless -rows says otherwise, and without the index, as FusionPBX has its table.
func (b *bench) summary(ctx context.Context) error {
	if err := b.withoutIndex(ctx); err != nil {
		return err
	}
	front, err := b.start(ctx, "api")
	if err != nil {
		return err
	}
	defer front.stop()
	secret, err := b.newToken(ctx, "export")
	if err != nil {
		return err
	}
	end := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, 1) // the end of today
	start := end.AddDate(0, 0, -summarySpan)
	var ratios []float64
	for range pairs {
		ours, calls, err := b.summaryByHTTP(ctx, front, secret, start, end)
		if err != nil {
			return err
		}
		theirs, err := b.summaryByPsql(ctx, start, end, calls)
		if err != nil {
			return err
		}
		fmt.Printf("# a summary of %d rows: trunkline %.3f s, psql %.3f s\n", b.rows, ours, theirs)
		ratios = append(ratios, theirs/ours)
	}
	figure("cdr_summary_year_1m_vs_sql", median(ratios), "ratio")
	return nil
}

// summaryByHTTP is how many seconds the answer takes, and the calls of each day.
func (b *bench) summaryByHTTP(ctx context.Context, p *process, secret string, start, end time.Time) (seconds float64, calls map[string]int, err error) {
	query := url.Values{
		"date_start": {start.Format(time.DateOnly)}, "date_end": {end.AddDate(0, 0, -1).Format(time.DateOnly)}, "time_zone": {"UTC"}, "by": {"day"},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.base+"/v1/cdr/summary?"+query.Encode(), nil)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+secret)
	began := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	var answer struct {
		Detail string `json:"detail"`
		Groups []struct {
			Day   string `json:"day"`
			Calls int    `json:"calls"`
		} `json:"groups"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return 0, nil, err
	}
	seconds = time.Since(began).Seconds()
	if resp.StatusCode != http.StatusOK {
		return 0, nil, fmt.Errorf("the summary answered %d: %s", resp.StatusCode, answer.Detail)
	}
	calls = map[string]int{}
	for _, group := range answer.Groups {
		calls[group.Day] = group.Calls
	}
	return seconds, calls, nil
}

// summaryByPsql is how many seconds psql takes for the same days, which must have the same calls.
func (b *bench) summaryByPsql(ctx context.Context, start, end time.Time, calls map[string]int) (seconds float64, err error) {
	question := fmt.Sprintf(`select date_trunc('day', start_stamp)::date, count(*), count(*) filter (where answer_epoch > 0), sum(billsec)
		from v_xml_cdr where start_stamp >= '%s' and start_stamp < '%s' and leg = 'a' and hangup_cause is distinct from 'LOSE_RACE'
		group by 1 order by 1`, start.Format(time.RFC3339), end.Format(time.RFC3339))
	cmd := exec.CommandContext(ctx, "psql", "--quiet", "--no-psqlrc", "--no-align", "--tuples-only", "--command", question, b.Database)
	cmd.Env = append(cmd.Environ(), "PGTZ=UTC")
	began := time.Now()
	output, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("psql: %w", err)
	}
	seconds = time.Since(began).Seconds()
	days := 0
	for line := range strings.Lines(string(output)) {
		columns := strings.Split(line, "|")
		if days++; len(columns) < 2 || columns[1] != fmt.Sprint(calls[columns[0]]) {
			return 0, fmt.Errorf("psql has %q, and the summary %d", line, calls[columns[0]])
		}
	}
	if days == 0 || days != len(calls) {
		return 0, fmt.Errorf("psql has %d days and the summary %d", days, len(calls))
	}
	return seconds, nil
}

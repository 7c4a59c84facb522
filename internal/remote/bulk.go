package remote

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	"trunkline/internal/client"
	"trunkline/internal/commandline"
)

// bulk is something that is done to many gateways, as one job.
type bulk struct {
	*session
	what  string // such as import, for messages
	keyed bool   // the command takes --idempotency-key
	ask   func(dryRun bool) client.Request
}

// Agreement are the flags by which one agrees to a change.
type Agreement struct {
	DryRun bool `help:"Show what would be done, and change nothing."`
	Yes    bool `short:"y" help:"Do it without showing it first and asking."`
}

// agreed says whether anybody can be asked, if somebody has to be.
func (p *Program) agreed(a Agreement) error {
	if a.DryRun && a.Yes {
		return errors.New("--dry-run changes nothing, and --yes agrees to a change; give one of them")
	}
	if !a.Yes && !a.DryRun && p.ask == nil {
		return errors.New("nobody can be asked whether to do it, since this is no terminal; --dry-run shows what would be done, and --yes does it")
	}
	return nil
}

// mostShown is how many rows of a difference are shown before somebody is asked.
const mostShown = 50

// difference is what a dry run says would be done.
type difference struct {
	counts map[string]int // of the rows by their action, with their total
	rows   []item         // those that would not stay as they are
	raw    []json.RawMessage
}

// nothing says whether there is nothing to do.
func (d difference) nothing() bool { return len(d.rows) == 0 }

// conflicts is how many rows cannot be done.
func (d difference) conflicts() int { return d.counts["conflict"] + d.counts[client.Failed] }

// compare makes a dry run.
func (b bulk) compare() (d difference, err error) {
	job, err := b.run(true, newKey())
	if err != nil {
		return d, err
	}
	items, raw, err := b.itemsOf(job.JobID, "")
	if err != nil {
		return d, err
	}
	if len(items) == 0 && job.State != client.Succeeded { // it did not come so far
		return d, endOf(job)
	}
	d.raw, d.counts = raw, map[string]int{"total": len(items)}
	for _, i := range items {
		action := i.Action
		if i.State == client.Failed || i.Error != nil {
			action = "conflict"
		}
		d.counts[action]++
		if action != "unchanged" && action != "absent" {
			i.Action = action
			d.rows = append(d.rows, i)
		}
	}
	return d, nil
}

// run asks for it and follows the job to its end. key makes it safe to send again.
func (b bulk) run(dryRun bool, key string) (client.Job, error) {
	r := b.ask(dryRun)
	r.Method, r.IdempotencyKey = http.MethodPost, key
	job, err := b.api.Ask(b.ctx, r)
	switch {
	case err == nil:
		return b.follow(job)
	case dryRun, !client.Unclear(err):
		return job, b.worded(err)
	}
	remedy := fmt.Sprintf("trunkline jobs list --kind bulk shows whether the %s was accepted", b.what)
	if b.keyed {
		remedy += fmt.Sprintf(", and with --idempotency-key %s it can be sent again without being done twice", key)
	}
	if b.ctx.Err() != nil {
		return job, &commandline.Ended{Status: statusInterrupted, Err: errors.New("interrupted before the answer came; " + remedy)}
	}
	return job, fmt.Errorf("%w; %s", b.worded(err), remedy)
}

var differenceHeadings = []string{"LINE", "ACTION", "GATEWAY", "DOMAIN", "DETAILS"}

// table is the difference as rows of a table.
func (d difference) table(rows []item) [][]string {
	cells := make([][]string, len(rows))
	for n, i := range rows {
		line := i.Line
		if line == 0 {
			line = i.Number
		}
		name := i.GatewayName
		if name == "" {
			name = i.GatewayUUID
		}
		cells[n] = []string{number(line), i.Action, name, i.Domain, i.what()}
	}
	return cells
}

// show prints the difference whole.
func (b bulk) show(f Format, d difference) error {
	if f.Output != "table" {
		return b.print(f, listing{headings: differenceHeadings, rows: d.table(d.rows), raw: d.raw})
	}
	if !d.nothing() {
		if err := writeTable(b.out, differenceHeadings, d.table(d.rows)); err != nil {
			return err
		}
	}
	b.printf("%s\n", visible(d.summary()))
	return nil
}

// summary is how many rows there are of which action.
func (d difference) summary() string {
	if d.counts["total"] == 0 {
		return "there is no such gateway"
	}
	return counted(d.counts)
}

// agree shows the beginning of the difference and asks.
func (b bulk) agree(d difference) error {
	rows := d.rows[:min(len(d.rows), mostShown)]
	if err := writeTable(b.err, differenceHeadings, d.table(rows)); err != nil {
		return err
	}
	if left := len(d.rows) - len(rows); left > 0 {
		b.tell("and %d more, which --dry-run shows", left)
	}
	b.tell("%s", visible(d.summary()))
	return b.agreeTo(fmt.Sprintf("%s %d of %d gateways?", strings.ToUpper(b.what[:1])+b.what[1:], len(d.rows)-d.conflicts(), d.counts["total"]))
}

// agreeTo asks, and is an error unless the answer is yes.
func (p *Program) agreeTo(question string) error {
	yes, err := p.ask(question)
	if err == nil && !yes {
		err = errors.New("nothing was changed, since you did not agree")
	}
	return err
}

// do shows what would be done and asks, as far as that was not agreed to, and does it. ended is the job's end, which
// has no id if nothing was to be done.
func (b bulk) do(a Agreement, f Format, key string, allOrNone bool) (ended client.Job, err error) {
	if err := b.agreed(a); err != nil {
		return ended, err
	}
	if !a.Yes {
		d, err := b.compare()
		if err != nil {
			return ended, err
		}
		refused := d.conflicts() > 0 && (allOrNone || d.conflicts() == len(d.rows))
		switch {
		case a.DryRun, refused, d.nothing():
			if err := b.show(f, d); err != nil {
				return ended, err
			}
			if refused {
				return ended, fmt.Errorf("conflicts, for which nothing %s done: %d", map[bool]string{true: "would be", false: "is"}[a.DryRun], d.conflicts())
			}
			return ended, nil
		}
		if err := b.agree(d); err != nil {
			return ended, err
		}
	}
	if key == "" {
		key = newKey()
	}
	return b.run(false, key)
}

// newKey is an Idempotency-Key that nobody else has.
func newKey() string { return uuid.NewString() }

// printEnd prints how a job ended: in a line, as itself in JSON, or its rows as CSV.
func (s *session) printEnd(f Format, job client.Job) error {
	switch f.Output {
	case "json":
		return s.printJSON(job.Raw)
	case "csv":
		return s.printItems(f, job.JobID, "")
	}
	s.printf("job %s %s: %s\n", visible(job.JobID), visible(job.State), visible(counted(resultCounts(job))))
	return nil
}

// resultCounts are a bulk job's own counts of what was done, else those of its rows by their state.
func resultCounts(job client.Job) map[string]int {
	var result struct {
		Counts map[string]int `json:"counts"`
	}
	if json.Unmarshal(job.Result, &result) == nil && len(result.Counts) > 0 {
		return result.Counts
	}
	return job.Counts
}

// failed are the rows of a job that are not in effect, by their number.
func (s *session) failed(job client.Job) (map[int]item, error) {
	rows := map[int]item{}
	for _, state := range []string{client.Failed, "skipped"} {
		if job.Counts != nil && job.Counts[state] == 0 {
			continue
		}
		items, _, err := s.itemsOf(job.JobID, state)
		if err != nil {
			return nil, err
		}
		for _, i := range items {
			rows[i.Number] = i
		}
	}
	return rows, nil
}

// tellFailed shows why rows failed, the first of them.
func (s *session) tellFailed(rows map[int]item) error {
	var cells [][]string
	left := 0
	for _, n := range slices.Sorted(maps.Keys(rows)) {
		switch {
		case rows[n].State != client.Failed:
		case len(cells) == mostShown:
			left++
		default:
			i := rows[n]
			i.Action = i.State
			cells = append(cells, difference{}.table([]item{i})...)
		}
	}
	if len(cells) == 0 {
		return nil
	}
	if err := writeTable(s.err, differenceHeadings, cells); err != nil {
		return err
	}
	if left > 0 {
		s.tell("and %d more", left)
	}
	return nil
}

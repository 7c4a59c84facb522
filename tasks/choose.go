package tasks

import (
	"context"
	"fmt"
)

// Change is what a caller does with jobs that there are.
type Change string

// The changes.
const (
	ChangeCancel Change = "cancel"
	ChangeRetry  Change = "retry"
)

// changeable is an SQL condition: the change can be made to the job. order is how the jobs are taken: what is retried takes
// its turn anew, and so in the order in which it was asked for; what is cancelled has none begin that is cancelled next.
var changeable = map[Change]struct{ condition, order string }{
	ChangeCancel: {"state in ('queued', 'running') and cancel_requested_at is null", "desc"},
	ChangeRetry:  {"state in ('failed', 'partial', 'cancelled') and (sealed is not null or kind <> all(%s))", ""},
}

// Choose returns up to most of the filter's jobs to which the change can be made now, in the order in which it is to be,
// and how many there are. more: that is as far as it was counted, and there are more. The filter's page does not matter.
func (c *Client) Choose(ctx context.Context, change Change, f Filter, most int) (jobs []Job, matching int, more bool, err error) {
	f.After = ""
	w := f.where()
	if f.Text != "" {
		w.and(textIn(w.arg(f.Text)))
	}
	is := changeable[change]
	if change == ChangeRetry {
		is.condition = fmt.Sprintf(is.condition, w.arg(kindsWithSecrets()))
	}
	w.and(is.condition)
	limit := w.arg(most)
	jobs, err = all[Job](ctx, c.pool, "select "+jobColumns+" from trunkline.jobs where "+w.sql+" order by jobs.id "+is.order+" limit "+limit, w.args...)
	if err != nil {
		return nil, 0, false, fmt.Errorf("choosing jobs: %w", err)
	}
	if len(jobs) < most {
		return jobs, len(jobs), false, nil
	}
	w.args[len(w.args)-1] = countAmong + 1
	counted, err := one[struct{ Jobs int }](ctx, c.pool, "select count(*) from (select from trunkline.jobs where "+w.sql+" limit "+limit+") as chosen", w.args...)
	if err != nil {
		return nil, 0, false, fmt.Errorf("counting the jobs that are chosen: %w", err)
	}
	return jobs, min(counted.Jobs, countAmong), counted.Jobs > countAmong, nil
}

// kindsWithSecrets are those that cannot be run again without them.
func kindsWithSecrets() (of []Kind) {
	for _, e := range kinds {
		if e.needsSecrets {
			of = append(of, e.kind)
		}
	}
	return of
}

package ratelimit

// question is what one caller asks, and the answer.
type question struct {
	steps []Step
	ids   []string // of the steps, as Redis has them

	allowed  bool
	stand    []Decision
	counts   []count   // the steps', after it and those that were asked together with it; nil: a later one has them
	answered chan bool // whether there is an answer
}

func newQuestion(steps []Step) *question {
	q := &question{steps: steps, ids: make([]string, len(steps))}
	for i, s := range steps {
		q.ids[i] = hashed(s.Key)
	}
	return q
}

// decide answers the question by how its budgets stood before it, and changes counts to how they stand after.
func (q *question) decide(counts []count) {
	q.allowed, q.stand = true, make([]Decision, len(q.steps))
	used := func(i int) int {
		if with := q.steps[i].With; with > 0 {
			return counts[i].n + counts[with-1].n
		}
		return counts[i].n
	}
	for i, s := range q.steps {
		q.stand[i].Allowed = used(i) < s.Limit
		q.allowed = q.allowed && (q.stand[i].Allowed || s.Amount <= 0)
	}
	for i, s := range q.steps {
		switch {
		case !q.allowed:
		case s.Amount == Forget:
			counts[i].n = 0
		default:
			counts[i].n = max(counts[i].n+s.Amount, 0)
		}
	}
	for i, s := range q.steps {
		q.stand[i].Limit, q.stand[i].Remaining, q.stand[i].Reset = s.Limit, max(s.Limit-used(i), 0), counts[i].until
	}
}

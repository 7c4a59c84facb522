package gateway

import (
	"context"
	"sync"

	"trunkline/internal/fusionpbx"
)

// passesAtOnce is how many passes one transaction writes the rows of. They are of few changes each.
const passesAtOnce = 100

// writing is the rows that one pass has to write.
type writing struct {
	*pass
	ctx   context.Context // the pass's
	works []*work
}

// shareWriting writes the rows, which are of one domain, together with those of whoever else writes in it at the same
// time: by themselves they would wait for each other at its lock. Another domain's wait for none of these.
func (p *pass) shareWriting(ctx context.Context, works []*work) {
	if _, err := p.writes.Do(ctx, works[0].DomainUUID, &writing{pass: p, ctx: ctx, works: works}); err != nil {
		fail(works, err) // ctx ended before it began
	}
}

// writeTogether writes the rows of several passes in one transaction. If that fails, for one of them or for all, each
// writes by itself.
func (a *Applier) writeTogether(ctx context.Context, all []*writing) []struct{} {
	var works []*work
	for _, w := range all {
		works = append(works, w.works...)
	}
	if len(all) > 1 && independent(all) {
		together := &pass{Applier: a}
		if together.transact(ctx, works, together.writeRows) == nil {
			return nil
		}
	}
	var alone sync.WaitGroup
	for _, w := range all {
		alone.Go(func() { w.inParts(w.ctx, w.works, w.writeRows, fail) })
	}
	alone.Wait()
	return nil
}

// independent reports whether no two of the passes are about the same gateway or label: what the later one does would
// have to be planned by what the earlier one has left.
func independent(all []*writing) bool {
	of := map[fusionpbx.Label]*writing{}
	for _, w := range all {
		for _, work := range w.works {
			for _, label := range append(work.labels(), fusionpbx.Label{Name: work.meantUUID()}) {
				if other := of[label]; label.Name != "" && other != nil && other != w {
					return false
				}
				of[label] = w
			}
		}
	}
	return true
}

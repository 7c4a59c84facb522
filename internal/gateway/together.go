package gateway

import (
	"context"
	"errors"
	"strings"

	"trunkline/internal/fusionpbx"
	"trunkline/internal/postgres"
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

// writeTogether writes the rows of several passes in one transaction. If that fails for one of them, or two are about the
// same gateway, it does the same with either half, one after the other: each that waits for the domain's lock holds a
// connection.
func (a *Applier) writeTogether(ctx context.Context, all []*writing) []struct{} {
	if len(all) == 1 {
		w := all[0]
		w.inParts(w.ctx, w.works, w.writeRows, fail)
		return nil
	}
	if independent(all) {
		var works []*work
		for _, w := range all {
			works = append(works, w.works...)
		}
		together := &pass{Applier: a}
		err := together.transact(ctx, works, together.writeRows)
		if postgres.Away(err) || errors.Is(err, context.DeadlineExceeded) {
			fail(works, err)
			return nil
		}
		if err == nil {
			return nil
		}
	}
	half := len(all) / 2
	a.writeTogether(ctx, all[:half])
	return a.writeTogether(ctx, all[half:])
}

// independent reports whether no two of the passes are about the same gateway, or labels that are the same but for case:
// what the later one does would have to be planned by what the earlier one has left.
func independent(all []*writing) bool {
	of := map[fusionpbx.Label]*writing{}
	for _, w := range all {
		for _, work := range w.works {
			for _, label := range append(work.labels(), fusionpbx.Label{Name: work.meantUUID()}) {
				label.Name = strings.ToLower(label.Name)
				if other := of[label]; label.Name != "" && other != nil && other != w {
					return false
				}
				of[label] = w
			}
		}
	}
	return true
}

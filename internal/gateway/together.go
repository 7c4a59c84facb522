package gateway

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway/file"
	"trunkline/internal/postgres"
)

const (
	// passesAtOnce is how many passes do something together. They are of few changes each.
	passesAtOnce = 100
	// checkTimeout bounds a check together, which a request to cancel does not interrupt.
	checkTimeout = 20 * time.Second
)

// sharing is what one pass has to do together with others.
type sharing struct {
	*pass
	ctx   context.Context // the pass's
	works []*work
}

// found is the folder that gateways are kept in, nil for the database, or why that is not known.
type found struct {
	folder *file.Folder
	err    error
}

// findFolder finds it once for all who ask.
func (a *Applier) findFolder(ctx context.Context, asked []struct{}) []found {
	ctx, stop := context.WithTimeout(ctx, checkTimeout)
	defer stop()
	folder, err := file.FindFolder(ctx, a.pbx)
	return slices.Repeat([]found{{folder, err}}, len(asked))
}

// shareChecking checks the works together with those of whoever else checks at the same time: rows are read once for all,
// and each switch is asked each question once.
func (p *pass) shareChecking(ctx context.Context, works []*work) {
	if _, err := p.checks.Do(ctx, "", &sharing{pass: p, ctx: ctx, works: works}); err != nil {
		fail(works, err) // ctx ended before it began
	}
}

// checkTogether checks the works of several passes or, if gateways are kept elsewhere by now or the database refuses what
// one of the works asks, each pass's by themselves.
func (a *Applier) checkTogether(ctx context.Context, all []*sharing) []struct{} {
	if len(all) == 1 {
		all[0].checkAll(all[0].ctx, all[0].works)
		return nil
	}
	together := &pass{Applier: a, folder: all[0].folder}
	apart := slices.ContainsFunc(all, func(s *sharing) bool { return modeOf(s.folder) != modeOf(together.folder) })
	if !apart {
		ctx, stop := context.WithTimeout(ctx, checkTimeout)
		defer stop()
		together.checkAll(ctx, worksOf(all))
		apart = postgres.Refused(all[0].works[0].err)
	}
	if apart {
		for _, s := range all {
			fail(s.works, nil)
			a.checkTogether(ctx, []*sharing{s})
		}
	}
	return nil
}

func worksOf(all []*sharing) (works []*work) {
	for _, s := range all {
		works = append(works, s.works...)
	}
	return works
}

// shareWriting writes the rows, which are of one domain, together with those of whoever else writes in it at the same
// time: by themselves they would wait for each other at its lock. Another domain's wait for none of these.
func (p *pass) shareWriting(ctx context.Context, works []*work) {
	if _, err := p.writes.Do(ctx, works[0].DomainUUID, &sharing{pass: p, ctx: ctx, works: works}); err != nil {
		fail(works, err) // ctx ended before it began
	}
}

// writeTogether writes the rows of several passes in one transaction. If that fails for one of them, or two are about the
// same gateway, it does the same with either half, one after the other: each that waits for the domain's lock holds a
// connection.
func (a *Applier) writeTogether(ctx context.Context, all []*sharing) []struct{} {
	if len(all) == 1 {
		w := all[0]
		w.inParts(w.ctx, w.works, w.writeRows, fail)
		return nil
	}
	if independent(all) {
		works := worksOf(all)
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
func independent(all []*sharing) bool {
	of := map[fusionpbx.Label]*sharing{}
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

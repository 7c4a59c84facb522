package gateway

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"trunkline/internal/fusionpbx"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// rowsAtOnce is how many rows one transaction writes, unless it has to write all: enough that ten thousand take some
	// dozens of round trips, and so few that a domain's other gateways and the rows are not locked for long.
	rowsAtOnce = 2500
	// writeTimeout bounds one such transaction, which a request to cancel does not interrupt, and writeEachTime is what
	// each of its rows adds.
	writeTimeout  = 20 * time.Second
	writeEachTime = 2 * time.Millisecond
)

// write writes the rows, and has the journal keep those that stood there, in the same transactions. One that
// has begun is finished even if the work is being cancelled: half a commit could not be undone.
func (p *pass) write(ctx context.Context, works []*work) {
	slices.SortStableFunc(works, func(a, b *work) int { return strings.Compare(a.DomainUUID, b.DomainUUID) })
	for some := range slices.Chunk(works, p.rowsAtOnce(works)) {
		if err := context.Cause(ctx); err != nil {
			fail(some, err)
			continue
		}
		switch {
		case p.whole:
			p.writeWhole(ctx, some)
		case len(some) <= listAbove && some[0].DomainUUID == some[len(some)-1].DomainUUID:
			p.shareWriting(ctx, some)
		default:
			p.inParts(ctx, some, p.writeRows, fail)
		}
	}
}

// rowsAtOnce is how many of the works one transaction may have.
func (p *pass) rowsAtOnce(works []*work) int {
	if p.whole {
		return max(len(works), 1)
	}
	return rowsAtOnce
}

// rowsWork is what one transaction does over some works. What it returns is called once that is committed.
type rowsWork func(ctx context.Context, tx pgx.Tx, works []*work) (done func(), err error)

// transact carries out a transaction over some works.
func (p *pass) transact(ctx context.Context, works []*work, do rowsWork) error {
	var done func()
	err := p.pbx.FusionPBX.Again(ctx, func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout+time.Duration(len(works))*writeEachTime)
		defer cancel()
		return pgx.BeginFunc(ctx, p.pbx.Pool, func(tx pgx.Tx) (err error) {
			done, err = do(ctx, tx, works)
			return err
		})
	})
	if err == nil {
		done()
	}
	return err
}

// inParts carries out do, a transaction over some works. If the database refuses what one of them writes, it
// does the same with either half, so that no other fails for it; failed is told which could not be done, and
// why.
func (p *pass) inParts(ctx context.Context, works []*work, do rowsWork, failed func([]*work, error)) {
	err := p.transact(ctx, works, do)
	switch {
	case err == nil:
	case len(works) > 1 && p.refused(ctx, err):
		half := len(works) / 2
		p.inParts(ctx, works[:half], do, failed)
		p.inParts(ctx, works[half:], do, failed)
	default:
		failed(works, err)
	}
}

// refused reports whether the database refuses what one of the works writes.
func (p *pass) refused(ctx context.Context, err error) bool {
	_, refused := errors.AsType[*pgconn.PgError](err)
	return refused && !p.handsOver(ctx, err)
}

// rowStep is what one transaction does for one work. It counts once that is committed.
type rowStep struct {
	*work
	plan    Plan
	written *Written
	routes  int
	err     error
}

// stands reports whether there is a row once the step is done.
func (s *rowStep) stands() bool { return s.err == nil && s.written != nil && !s.written.Deleted }

// writeRows writes the rows and has the journals keep what stood there.
func (p *pass) writeRows(ctx context.Context, tx pgx.Tx, works []*work) (done func(), err error) {
	steps, err := p.planAndWrite(ctx, tx, works)
	if err != nil {
		return nil, err
	}
	entries := map[*pass]map[int]*Written{}
	for _, s := range steps {
		if s.err != nil {
			continue
		}
		if entries[s.pass] == nil {
			entries[s.pass] = map[int]*Written{}
		}
		entries[s.pass][s.index] = s.written
	}
	batch := &pgx.Batch{}
	for pass, written := range entries {
		if err := pass.journal.Keep(ctx, tx, batch, written); err != nil {
			return nil, err
		}
	}
	return func() { finish(steps) }, tx.SendBatch(ctx, batch).Close()
}

// finish notes on the works what the steps did.
func finish(steps []*rowStep) {
	for _, s := range steps {
		if s.work.err = s.err; s.err == nil {
			s.work.written, s.work.action, s.work.routes = s.written, s.plan.Action, s.routes
		}
	}
}

// planAndWrite plans again, now that nobody else writes these domains' gateways, and writes what is planned.
func (p *pass) planAndWrite(ctx context.Context, tx pgx.Tx, works []*work) ([]*rowStep, error) {
	db := p.pbx.FusionPBX.In(tx)
	if err := db.LockGateways(ctx, each(works, (*work).domain)...); err != nil {
		return nil, err
	}
	existing, err := existing(ctx, p.pbx.FusionPBX.Locking(tx), works)
	if err != nil {
		return nil, err
	}
	routes, err := routesOf(ctx, db, works, existing)
	if err != nil {
		return nil, err
	}
	steps, writes := make([]*rowStep, len(works)), db.Writes()
	for i, w := range works {
		steps[i] = w.pass.planRow(w, existing[w], routes)
	}
	if err := p.refuseSimilar(ctx, db, steps); err != nil {
		return nil, err
	}
	if err := p.requireProviders(ctx, tx, db, steps); err != nil {
		return nil, err
	}
	if p.whole && faulty(steps) {
		return nil, errFaulty
	}
	for _, s := range steps {
		s.addTo(writes)
	}
	if err := writes.Send(ctx); err != nil {
		return nil, err
	}
	if err := readBack(ctx, writes, steps); err != nil {
		return nil, err
	}
	return steps, p.writeProviders(ctx, tx, steps)
}

// routesOf are the outbound routes of the gateways that are to be deleted: their calls fail from then on.
func routesOf(ctx context.Context, db *fusionpbx.DB, works []*work, existing map[*work][]fusionpbx.Gateway) (map[string][]string, error) {
	var deleted []string
	for _, w := range works {
		if w.Delete {
			deleted = append(deleted, each(existing[w], func(g fusionpbx.Gateway) string { return g.UUID })...)
			if w.written != nil { // an earlier attempt deleted it
				deleted = append(deleted, w.uuid())
			}
		}
	}
	return db.OutboundRoutes(ctx, deleted)
}

// stillNew reports whether the gateway is to be made and nothing bears on it, now as when it was checked: it would be
// planned the same.
func (w *work) stillNew(existing []fusionpbx.Gateway) bool {
	return w.plan.Insert && w.plan.Previous == nil && w.CopyOf == "" && w.written == nil && len(existing) == 0
}

// planRow plans one work.
func (p *pass) planRow(w *work, existing []fusionpbx.Gateway, routes map[string][]string) *rowStep {
	s := &rowStep{work: w, plan: w.plan}
	if !w.stillNew(existing) {
		if s.plan, s.err = p.plan(w, existing); s.err != nil {
			return s
		}
	}
	if w.Delete && w.written != nil {
		s.routes = len(routes[w.uuid()])
	}
	if s.written = w.written; s.plan.Action == Absent || w.Delete && !s.plan.Delete {
		return s // it was never there, or an earlier attempt deleted it
	}
	if s.plan.Delete {
		s.routes = len(routes[s.plan.Row.UUID])
		if s.err = w.CheckRoutes(s.plan.Row, routes[s.plan.Row.UUID]); s.err != nil {
			return s
		}
	}
	s.written = &Written{Row: s.plan.Row, Previous: s.plan.Previous, Deleted: w.Delete}
	if w.written != nil {
		s.written.Providers = w.written.Providers
	}
	s.written.Files, s.err = p.filesBefore(w, s.plan)
	return s
}

// addTo adds what the step writes, if it can be done.
func (s *rowStep) addTo(writes *fusionpbx.GatewayWrites) {
	switch {
	case s.err != nil:
	case s.plan.Insert:
		writes.Insert(s.plan.Row, s.By)
	case s.plan.Update:
		writes.Update(s.plan.Row, s.By)
	case s.plan.Delete:
		writes.Delete(s.plan.Row.UUID)
	}
}

// readBack gives the steps the rows as the database keeps them, so that later comparisons compare like with like.
func readBack(ctx context.Context, writes *fusionpbx.GatewayWrites, steps []*rowStep) error {
	kept, err := writes.Kept(ctx)
	if err != nil {
		return err
	}
	for _, s := range steps {
		if !s.stands() {
			continue
		}
		if row, otherwise := kept[s.written.Row.UUID]; otherwise {
			s.written.Row = row
		}
	}
	return nil
}

package gateway

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway/file"
	"trunkline/internal/pbx"
	"trunkline/internal/sealing"
)

// Applier brings changes to one PBX. It may be used from several goroutines.
type Applier struct {
	pbx     *pbx.PBX
	keys    *sealing.Keys
	limits  Limits
	batches []*batch // one a switch, in the order of the settings
}

// New returns an applier. A keyed hash of what each switch was told to load is kept under keys.
func New(p *pbx.PBX, keys *sealing.Keys, log *slog.Logger, limits Limits) *Applier {
	a := &Applier{pbx: p, keys: keys, limits: limits}
	for _, sw := range p.Switches {
		a.batches = append(a.batches, &batch{sw: sw, pbx: p, keys: keys, log: log, limits: limits})
	}
	return a
}

// Wait returns when no round runs any more: a switch is never left between a kill and its rescan.
func (a *Applier) Wait() {
	for _, b := range a.batches {
		b.working.Wait()
	}
}

// Apply makes, changes and deletes gateways in the order that is safe on a real switch: everything is
// checked first, then the rows are written, then each switch takes them up and shows that it did. What fails
// of one change fails no other, and is put back; so is what has not been taken up when ctx ends.
func (a *Applier) Apply(ctx context.Context, changes []Change, journal Journal) []Outcome {
	earlier := journal.Earlier()
	all := make([]*work, len(changes))
	for i, change := range changes {
		all[i] = &work{Change: change, index: i, written: earlier[i]}
	}
	for _, wave := range waves(all) {
		p := &pass{Applier: a, journal: journal}
		p.run(ctx, wave)
	}
	return each(all, a.outcome)
}

// work is one change on its way.
type work struct {
	Change
	index    int
	written  *Written // what an earlier attempt wrote, later what this one did; nil: nothing
	action   string
	routes   int     // the dial plans that still name a gateway that was deleted
	taken    []taken // by each switch; nil: this attempt has not come so far
	rowStays bool    // nothing was asked that changes its row
	undoing  undoing
	err      error
}

func (w *work) uuid() string   { return w.written.Row.UUID }
func (w *work) domain() string { return w.DomainUUID }

func (w *work) label() fusionpbx.Label {
	return fusionpbx.Label{DomainUUID: w.DomainUUID, Name: w.Name}
}

// meant is what tells works of one gateway from those of another: its label, or its uuid if it has none.
func (w *work) meant() fusionpbx.Label {
	return fusionpbx.Label{DomainUUID: w.DomainUUID, Name: cmp.Or(w.Name, w.GatewayUUID)}
}

// each is what of says of all of them, in their order.
func each[S, T any](all []S, of func(S) T) []T {
	each := make([]T, len(all))
	for i, one := range all {
		each[i] = of(one)
	}
	return each
}

// waves splits the works so that none has a gateway twice: the later change starts from what the earlier one
// left.
func waves(all []*work) (split [][]*work) {
	seen := map[fusionpbx.Label]int{}
	for _, w := range all {
		n := seen[w.meant()]
		seen[w.meant()]++
		if n == len(split) {
			split = append(split, nil)
		}
		split[n] = append(split[n], w)
	}
	return split
}

// pass is the way of works that do not touch each other.
type pass struct {
	*Applier
	journal Journal
	folder  *file.Folder // where gateways are kept as files; nil: in the database
	came    []func()     // tells each batch that this pass is on its way no more
}

func (p *pass) run(ctx context.Context, works []*work) {
	for _, b := range p.batches {
		came := func() {}
		if len(works) <= listAbove { // nobody has to wait for a large one
			b.expect()
			came = sync.OnceFunc(b.came)
		}
		p.came = append(p.came, came)
		defer came()
	}
	var err error
	if p.folder, err = file.FindFolder(ctx, p.pbx); err != nil {
		fail(works, err)
	}
	p.reregister(ctx, unfinished(works))
	p.reconcile(ctx, unfinished(works))
	p.show(ctx, unfinished(works))
	p.check(ctx, unfinished(works))
	p.write(ctx, unfinished(works))
	p.load(ctx, unfinished(works))
	p.undo(ctx, works)
}

// unfinished are the works that have more to do.
func unfinished(works []*work) []*work {
	return slices.DeleteFunc(slices.Clone(works), func(w *work) bool { return w.err != nil || w.rowStays })
}

func unfailed(works []*work) []*work {
	return slices.DeleteFunc(slices.Clone(works), func(w *work) bool { return w.err != nil })
}

func fail(works []*work, err error) {
	for _, w := range works {
		w.err = err
	}
}

// handsOver reports whether another attempt goes on, because of err or because of what ended ctx.
func (p *pass) handsOver(ctx context.Context, err error) bool {
	return p.journal.HandsOver(err) || p.journal.HandsOver(context.Cause(ctx))
}

// load has every switch take up the rows as they stand, and see that it did.
func (p *pass) load(ctx context.Context, works []*work) {
	works = slices.DeleteFunc(works, func(w *work) bool { return w.written == nil }) // nothing was there to delete
	p.takeUp(ctx, works, func(w *work) *want {
		return &want{uuid: w.uuid(), previous: w.written.Previous, row: w.written.Stands(), asked: w.names(fusionpbx.LoadedColumns...), folder: p.folder}
	})
	for _, w := range works {
		w.err = joined(w.taken)
	}
}

// takeUp has every switch take up what is wanted of each work, and notes what they say.
func (p *pass) takeUp(ctx context.Context, works []*work, wanted func(*work) *want) {
	if len(works) == 0 {
		return
	}
	for _, w := range works {
		w.taken = make([]taken, len(p.batches))
	}
	p.eachSwitch(func(i int, b *batch) {
		for n, result := range b.takeUp(ctx, each(works, wanted), p.journal.Note, p.came[i]) {
			works[n].taken[i] = result
		}
	})
}

// eachSwitch calls f for every switch at once, and returns when all have returned.
func (a *Applier) eachSwitch(f func(i int, b *batch)) {
	var group sync.WaitGroup
	for i, b := range a.batches {
		group.Go(func() { f(i, b) })
	}
	group.Wait()
}

// joined makes one fault of what several switches say.
func joined(taken []taken) error {
	var errs []error
	for _, t := range taken {
		if t.err != nil {
			errs = append(errs, t.err)
		}
	}
	if len(errs) < 2 {
		return errors.Join(errs...)
	}
	first, ok := errors.AsType[*fault.Error](errs[0])
	if !ok {
		return errs[0]
	}
	return &fault.Error{
		Code: first.Code, Message: strings.Join(each(errs, error.Error), "; "),
		Passes: !slices.ContainsFunc(errs, func(err error) bool { return !fault.Passes(err) }),
	}
}

package gateway

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"trunkline/internal/batching"
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
	log     *slog.Logger
	limits  Limits
	batches []*batch // one a switch, in the order of the settings
	// What several passes do at the same time they do together: find out where gateways are kept, check, and write rows.
	folders *batching.Batches[struct{}, found]
	checks  *batching.Batches[*sharing, struct{}]
	writes  *batching.Batches[*sharing, struct{}]
}

// New returns an applier. A keyed hash of what each switch was told to load is kept under keys.
func New(p *pbx.PBX, keys *sealing.Keys, log *slog.Logger, limits Limits) *Applier {
	a := &Applier{pbx: p, keys: keys, log: log, limits: limits}
	a.folders = batching.New(passesAtOnce, nil, a.findFolder)
	a.checks = batching.New(passesAtOnce, nil, a.checkTogether)
	a.writes = batching.New(passesAtOnce, nil, a.writeTogether)
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
// of one change fails no other, and is put back; so is what has not been taken up when ctx ends. The changes are
// Apply's until it returns, and stay as they are.
func (a *Applier) Apply(ctx context.Context, changes []*Change, journal Journal) []Outcome {
	all := works(changes, journal.Earlier())
	for _, wave := range waves(all) {
		p := &pass{Applier: a, journal: journal}
		p.run(ctx, wave)
	}
	return each(all, a.outcome)
}

// works are the changes on their way, with what earlier attempts wrote.
func works(changes []*Change, earlier map[int]*Written) []*work {
	all := make([]*work, len(changes))
	for i, change := range changes {
		all[i] = &work{Change: change, index: i, written: earlier[i], err: change.Refused}
	}
	return all
}

// work is one change on its way.
type work struct {
	*Change
	pass     *pass // the one that it is on its way in
	index    int
	written  *Written // what an earlier attempt wrote, later what this one did; nil: nothing
	plan     Plan     // by the rows as they stood when it was checked
	action   string
	routes   int     // the dial plans that still name a gateway that was deleted
	taken    []taken // by each switch; nil: this attempt has not come so far
	lists    []taken // what each switch said when it was to read the list that was put back; nil: none was asked to
	rowStays bool    // nothing was asked that changes its row
	undoing  undoing
	skipped  bool // err is not of its own making
	err      error
}

func (w *work) uuid() string   { return w.written.Row.UUID }
func (w *work) domain() string { return w.DomainUUID }

// meantUUID is the gateway's uuid, also of one without a row.
func (w *work) meantUUID() string {
	if w.written != nil {
		return w.uuid()
	}
	return w.GatewayUUID
}

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
	whole   bool         // all works or none
	folder  *file.Folder // where gateways are kept as files; nil: in the database
	came    []func()     // tells each batch that this pass is on its way no more
}

func (p *pass) run(ctx context.Context, works []*work) {
	for _, w := range works {
		w.pass = p
	}
	for _, b := range p.batches {
		came := func() {}
		if len(works) <= listAbove { // nobody has to wait for a large one
			b.expect()
			came = sync.OnceFunc(b.came)
		}
		p.came = append(p.came, came)
		defer came()
	}
	found, err := p.folders.Do(ctx, "", struct{}{})
	if err = cmp.Or(err, found.err); err != nil {
		fail(works, err)
	}
	p.folder = found.folder
	for _, stage := range []func(context.Context, []*work){p.reregister, p.reconcile, p.show, p.check, p.write, p.reloadProviders, p.load} {
		if p.spoilt(works) {
			break
		}
		stage(ctx, unfinished(works))
	}
	p.skip(ctx, works)
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
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	ended := p.counting()
	p.takeUp(ctx, works, func(w *work) *want {
		return &want{uuid: w.uuid(), previous: w.written.Previous, row: w.written.Stands(), asked: w.named().some(fusionpbx.LoadedColumns...), folder: p.folder}
	}, func(w *want) {
		ended(w)
		if p.whole && w.err != nil {
			stop(errAnother)
		}
	})
	for _, w := range works {
		w.err = joined(w.taken)
	}
}

// counting tells the journal, if it wants to know, how many works every switch has taken up, each time one more has
// on one of them.
func (p *pass) counting() (ended func(*want)) {
	counter, counts := p.journal.(Counter)
	if !counts {
		return func(*want) {}
	}
	var n atomic.Int64
	return func(*want) { counter.Ended(int(n.Add(1)) / len(p.batches)) }
}

// takeUp has every switch take up what is wanted of each work, and notes what they say. ended is called with each
// want that ends.
func (p *pass) takeUp(ctx context.Context, works []*work, wanted func(*work) *want, ended func(*want)) {
	if len(works) == 0 {
		return
	}
	for _, w := range works {
		w.taken = make([]taken, len(p.batches))
	}
	p.eachSwitch(func(i int, b *batch) {
		for n, result := range b.takeUp(ctx, each(works, wanted), ended, p.journal.Note, p.came[i]) {
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
	// What is wrong with the work itself counts, and not that the waiting for another switch was ended for it.
	if own := slices.DeleteFunc(slices.Clone(errs), func(err error) bool { return errors.Is(err, errAnother) }); len(own) > 0 {
		errs = own
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

package gateway

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway/file"
	"trunkline/internal/pbx"
	"trunkline/internal/sealing"
)

// Change is one gateway that is to be made, changed or deleted.
type Change struct {
	Request
	Password *string // nil: not named
	By       string  // who asks, a uuid, for FusionPBX's own columns; "" for nobody
}

func (c Change) asks() bool { return c.Asks(c.Password) }

// Journal keeps what stood before the changes of one Apply until they have ended, so that a second attempt
// at them goes on where the first was lost. A change is named by its place among those given to Apply.
type Journal interface {
	// Earlier is what earlier attempts at the changes wrote and did not put back.
	Earlier() map[int]*Written
	// Keep replaces what is kept of some changes, in the transaction that writes their rows; nil: nothing is
	// to be put back. It fails if the changes are another attempt's by now, and nothing is written then.
	Keep(ctx context.Context, tx pgx.Tx, entries map[int]*Written) error
	// HandsOver reports whether err means that another attempt goes on from the journal, so that this one
	// has to leave everything as it is. nil does not.
	HandsOver(err error) bool
	// Note tells whoever follows the work something about it. It may be called from any goroutine.
	Note(text string)
}

// Written is the row that a change wrote and the one that stood there before, nil for none. Of a deleted
// one both are the row as it was.
type Written struct {
	Row      fusionpbx.Gateway  `json:"row"`
	Previous *fusionpbx.Gateway `json:"previous,omitempty"`
	Deleted  bool               `json:"deleted,omitempty"`
	// Files are the gateway's files as they stood before; nil if FusionPBX keeps gateways in the database.
	Files []file.File `json:"files"`
}

// Stands is the row as the change left it, nil if it deleted it.
func (w *Written) Stands() *fusionpbx.Gateway {
	if w.Deleted {
		return nil
	}
	return &w.Row
}

// Applier brings changes to one PBX. It may be used from several goroutines.
type Applier struct {
	pbx     *pbx.PBX
	limits  Limits
	batches []*batch // one a switch, in the order of the settings
}

// New returns an applier. A keyed hash of what each switch was told to load is kept under keys.
func New(p *pbx.PBX, keys *sealing.Keys, log *slog.Logger, limits Limits) *Applier {
	a := &Applier{pbx: p, limits: limits}
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
// of one change fails no other, and is put back. When ctx ends, what has not been taken up by then is put
// back too.
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
	outcomes := make([]Outcome, len(all))
	for i, w := range all {
		outcomes[i] = a.outcome(w)
	}
	return outcomes
}

// work is one change on its way.
type work struct {
	Change
	index     int
	written   *Written // what an earlier attempt wrote, later what this one did; nil: nothing
	action    string
	routes    int     // the dial plans that still name a gateway that was deleted
	taken     []taken // by each switch; nil: this attempt has not come so far
	onlyShown bool    // nothing was asked of it
	err       error
}

func (w *work) label() fusionpbx.Label {
	return fusionpbx.Label{DomainUUID: w.DomainUUID, Name: w.Name}
}

// waves splits the works so that none has a gateway twice: the later change starts from what the earlier one
// left.
func waves(all []*work) (split [][]*work) {
	seen := map[fusionpbx.Label]int{}
	for _, w := range all {
		n := seen[w.label()]
		seen[w.label()]++
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
	p.show(ctx, unfinished(works))
	p.check(ctx, unfinished(works))
	p.write(ctx, unfinished(works))
	p.load(ctx, unfinished(works))
	p.undo(ctx, works)
}

// unfinished are the works that have more to do.
func unfinished(works []*work) []*work {
	return slices.DeleteFunc(slices.Clone(works), func(w *work) bool { return w.err != nil || w.onlyShown })
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
		c := &want{uuid: w.written.Row.UUID, previous: w.written.Previous, row: w.written.Stands()}
		c.asked, c.folder = w.asks(), p.folder
		return c
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
		wants := make([]*want, len(works))
		for n, w := range works {
			wants[n] = wanted(w)
		}
		for n, result := range b.apply(ctx, wants, p.journal.Note, p.came[i]) {
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
	var first *fault.Error
	if !errors.As(errs[0], &first) {
		return errs[0]
	}
	messages := make([]string, len(errs))
	for i, err := range errs {
		messages[i] = err.Error()
	}
	return &fault.Error{Code: first.Code, Message: strings.Join(messages, "; ")}
}

// Package batching has what several callers ask for at the same time done in one go, as databases do with commits.
// It knows nothing of what is done.
package batching

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
)

// Batches does what is asked of it about each of several things, one batch a thing at a time: who comes while one is
// being done is part of the next. A caller who is alone is a batch of one, and waits for nobody.
type Batches[Asked, Answer any] struct {
	most  int
	slots Slots
	do    func(context.Context, []Asked) []Answer

	mu      sync.Mutex
	waiting map[string][]*call[Asked, Answer] // by what it is about; there while a batch of that is being done
}

type call[Asked, Answer any] struct {
	ctx      context.Context
	asked    Asked
	answer   Answer
	panicked any
	done     chan struct{}
}

// Slots bound how many batches are done at once, also of several Batches together. The things that batches are about get
// one in turn, however much is asked about each. nil: as many as there are things.
type Slots chan struct{}

// NewSlots returns n slots; 0: no bound.
func NewSlots(n int) Slots {
	if n == 0 {
		return nil
	}
	return make(Slots, n)
}

// New returns batches of up to most, done by do, each in one of the slots, which gives one answer for each that was asked,
// in their order, or none. The context that do gets has the values of one of the callers' and does not end with it, since others wait too:
// do bounds its time by itself.
func New[Asked, Answer any](most int, slots Slots, do func(ctx context.Context, asked []Asked) []Answer) *Batches[Asked, Answer] {
	return &Batches[Asked, Answer]{most: most, slots: slots, do: do, waiting: map[string][]*call[Asked, Answer]{}}
}

// Do has it done in the next batch about that, and returns the answer. If ctx ends before that batch has begun it returns
// why, and nothing was done; afterwards it waits for the end. A panic in what is done is every caller's.
func (b *Batches[Asked, Answer]) Do(ctx context.Context, about string, asked Asked) (Answer, error) {
	c := &call[Asked, Answer]{ctx: ctx, asked: asked, done: make(chan struct{})}
	b.mu.Lock()
	before, running := b.waiting[about]
	b.waiting[about] = append(before, c)
	b.mu.Unlock()
	if !running {
		go b.run(about)
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		if b.leave(about, c) {
			return c.answer, context.Cause(ctx)
		}
		<-c.done
	}
	if c.panicked != nil {
		panic(c.panicked)
	}
	return c.answer, nil
}

// Waiting is how many wait for the next batch about that.
func (b *Batches[Asked, Answer]) Waiting(about string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.waiting[about])
}

// leave takes back what is not begun yet.
func (b *Batches[Asked, Answer]) leave(about string, c *call[Asked, Answer]) (left bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.Index(b.waiting[about], c)
	if i >= 0 {
		b.waiting[about] = slices.Delete(b.waiting[about], i, i+1)
	}
	return i >= 0
}

// run does batches until nobody waits.
func (b *Batches[Asked, Answer]) run(about string) {
	for b.some(about) {
	}
}

// some does the next batch about that, and reports whether there was one. Those who come while it waits for a slot are
// part of it.
func (b *Batches[Asked, Answer]) some(about string) bool {
	if b.slots != nil {
		b.slots <- struct{}{} // whoever has waited longest for it is served first
		defer func() { <-b.slots }()
	}
	calls := b.next(about)
	if len(calls) == 0 {
		return false
	}
	b.carryOut(calls)
	for _, c := range calls {
		close(c.done)
	}
	return true
}

func (b *Batches[Asked, Answer]) next(about string) []*call[Asked, Answer] {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := min(len(b.waiting[about]), b.most)
	if n == 0 {
		delete(b.waiting, about)
		return nil
	}
	calls := slices.Clone(b.waiting[about][:n])
	b.waiting[about] = slices.Delete(b.waiting[about], 0, n)
	return calls
}

func (b *Batches[Asked, Answer]) carryOut(calls []*call[Asked, Answer]) {
	defer func() {
		if p := recover(); p != nil {
			for _, c := range calls {
				c.panicked = fmt.Sprintf("%v\n%s", p, debug.Stack()) // its own stack, which the caller's lacks
			}
		}
	}()
	asked := make([]Asked, len(calls))
	for i, c := range calls {
		asked[i] = c.asked
	}
	for i, answer := range b.do(context.WithoutCancel(calls[0].ctx), asked) {
		calls[i].answer = answer
	}
}

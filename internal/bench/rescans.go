package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// atOnce is how many gateways are provisioned at the same time.
const atOnce = 100

// rescans counts the rescans that a switch sees while many callers provision a new gateway each, at once.
func (b *bench) rescans(ctx context.Context) error {
	p, err := b.start(ctx, "serve")
	if err != nil {
		return err
	}
	defer p.stop()
	before := b.Switch.CountCommands("sofia profile external rescan")
	errs := make([]error, atOnce)
	var callers sync.WaitGroup
	for i := range errs {
		callers.Go(func() { errs[i] = b.provisionByHTTP(ctx, p, fmt.Sprintf("at-once-%d", i)) })
	}
	callers.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	after := b.Switch.CountCommands("sofia profile external rescan")
	figure(fmt.Sprintf("rescans_for_%d_concurrent_provisions", atOnce), float64(after-before), "rescans")
	return nil
}

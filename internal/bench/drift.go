package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"trunkline/internal/freeswitch"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/pbxtest/fssim"
)

// compared is how many gateways the report of drift is measured with.
const compared = 5_000

// drift measures the report over what it cannot do without: the switch's list, parsed, and the rows.
func (b *bench) drift(ctx context.Context) error {
	db, err := fusionpbx.Probe(ctx, b.pool)
	if err != nil {
		return err
	}
	sw := freeswitch.New(b.Switch.Addr(), fssim.Password, freeswitch.Options{MaxReply: 64 << 20})
	defer sw.Close()
	m := &bulkBench{bench: b, sw: sw}
	p, err := b.start(ctx, "serve")
	if err != nil {
		return err
	}
	defer p.stop()
	if _, err := m.load(ctx, p, compared); err != nil {
		return err
	}
	var ratios []float64
	for range pairs + 1 { // the first warms up
		floor, err := m.timed(func() error {
			_, err1 := sw.Gateways(ctx)
			_, err2 := db.Gateways(ctx, true, "")
			return errors.Join(err1, err2)
		})
		if err != nil {
			return err
		}
		var report map[string]any
		ours, err := m.timed(func() error { return m.ask(ctx, p, http.MethodGet, "/v1/gateways/drift", "", nil, &report) })
		if err != nil {
			return err
		}
		ratios = append(ratios, float64(ours)/float64(floor))
	}
	figure(fmt.Sprintf("drift_%d_vs_list", compared), median(ratios[1:]), "ratio")
	return m.clear(ctx)
}

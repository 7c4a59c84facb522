package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// changedAtOnce is how many registered gateways are changed at the same time.
const changedAtOnce = 10

// changed measures what changing some registered gateways at once takes, over one: a changed gateway is killed,
// which takes FreeSWITCH up to two seconds, and those that wait share a round.
func (b *bench) changed(ctx context.Context) error {
	p, err := b.start(ctx, "serve")
	if err != nil {
		return err
	}
	defer p.stop()
	names := make([]string, changedAtOnce)
	for i := range names {
		names[i] = fmt.Sprintf("changed-%d", i)
	}
	if err := b.changeAtOnce(ctx, p, names, url.Values{"gateway_domain": {"sip.carrier.example"}, "gateway_username": {"account"}, "gateway_password": {"first"}}); err != nil {
		return err
	}
	var ratios []float64
	for pair := range pairs {
		var took [2]time.Duration
		for side, some := range [][]string{names[:1], names} {
			if err := b.changeAtOnce(ctx, p, some, url.Values{"wait_for": {"registered"}}); err != nil {
				return err
			}
			began := time.Now()
			if err := b.changeAtOnce(ctx, p, some, url.Values{"gateway_password": {fmt.Sprintf("other-%d-%d", pair, side)}}); err != nil {
				return err
			}
			took[side] = time.Since(began)
		}
		ratios = append(ratios, float64(took[1])/float64(took[0]))
	}
	figure(fmt.Sprintf("changed_%d_at_once_vs_one", changedAtOnce), median(ratios), "ratio")
	return nil
}

// changeAtOnce asks the same of each of the gateways, at the same time.
func (b *bench) changeAtOnce(ctx context.Context, p *process, names []string, values url.Values) error {
	errs := make([]error, len(names))
	var callers sync.WaitGroup
	for i, name := range names {
		form := url.Values{"gateway_name": {name}, "wait": {"20"}}
		for key, value := range values {
			form[key] = value
		}
		callers.Go(func() {
			var answer struct {
				Message string `json:"message"`
			}
			status, err := b.post(ctx, p, "/app/gateways/provision.php", form, &answer)
			if err == nil && status != http.StatusOK {
				err = fmt.Errorf("changing %s answered %d: %s", name, status, answer.Message)
			}
			errs[i] = err
		})
	}
	callers.Wait()
	return errors.Join(errs...)
}

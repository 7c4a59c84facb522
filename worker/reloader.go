package worker

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"trunkline/internal/fault"
	"trunkline/internal/freeswitch"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway/file"
	"trunkline/internal/postgres"
	"trunkline/internal/sealing"
)

// roundTimeout bounds one round on a switch, once it has the switch to itself, and the wait for that:
// up to 2.5 s for a killed gateway to go, twice, and the commands around it.
const roundTimeout = 30 * time.Second

// change is what one job wants one switch to take up.
type change struct {
	uuid     string
	previous *fusionpbx.Gateway // the row that the switch may have loaded; nil: none
	row      *fusionpbx.Gateway // the row that has to stand now; nil: none
	// asked: the caller named settings, so that the switch must have these and no others, also those
	// that it does not show.
	asked bool
	// asItStands takes up whatever row stands, since somebody else changed it.
	asItStands bool
	folder     *file.Folder // where gateways are kept as files; nil: in the database
	filesStand bool         // the gateway's files are right already

	meant   bool                // the row is for this switch (its hostname)
	touched bool                // something may have been changed on the switch on its behalf
	seen    *freeswitch.Gateway // as the switch showed it in the end; nil: not loaded
	done    chan error
}

func newChange(uuid string, previous, row *fusionpbx.Gateway) *change {
	return &change{uuid: uuid, previous: previous, row: row, done: make(chan error, 1)}
}

// reloader brings changes to one switch. Whoever comes while a round runs shares the next one, so
// that any number of new gateways that wait costs one rescan of each profile.
type reloader struct {
	sw      *freeswitch.Switch
	pool    *pgxpool.Pool
	db      *fusionpbx.DB
	keys    *sealing.Keys
	log     *slog.Logger
	working sync.WaitGroup // the rounds that run
	mu      sync.Mutex
	waiting []*change
	running bool
}

func newReloader(sw *freeswitch.Switch, o Options) *reloader {
	return &reloader{sw: sw, pool: o.PBX.Pool, db: o.PBX.FusionPBX, keys: o.Tasks.Keys(), log: o.Log}
}

// ready reports whether the row is meant for this switch, and fails where the switch could not take
// it up: it does not answer, or the profile does not run there.
func (r *reloader) ready(ctx context.Context, row fusionpbx.Gateway) (meant bool, err error) {
	meant, err = r.meant(ctx, row)
	if err != nil {
		return false, r.sw.Fault(err)
	}
	if meant && row.Enabled() {
		err = r.sw.ProfileRunning(ctx, row.Profile())
	} else {
		_, err = r.sw.Gateway(ctx, row.UUID)
	}
	if err != nil && !errors.Is(err, freeswitch.ErrNoGateway) {
		return false, r.sw.Fault(err)
	}
	return meant, nil
}

// meant reports whether FusionPBX gives the row to this switch: its hostname is empty or the switch's.
func (r *reloader) meant(ctx context.Context, row fusionpbx.Gateway) (bool, error) {
	host := row.Get("hostname")
	if host == "" {
		return true, nil
	}
	names, err := r.sw.Names(ctx)
	return names.Mean(host), err
}

// errAbandoned: the caller stopped waiting in the middle of a round, and whether the switch took the
// change up is not known.
var errAbandoned = errors.New("the change was abandoned")

// apply returns once the switch shows what the row says, or why it does not. When ctx ends it leaves
// the change: errAbandoned where its round runs already, the cause where the switch never heard of it.
func (r *reloader) apply(ctx context.Context, c *change) error {
	r.mu.Lock()
	r.waiting = append(r.waiting, c)
	if !r.running {
		r.running = true
		r.working.Go(func() { r.rounds(context.WithoutCancel(ctx)) })
	}
	r.mu.Unlock()
	select {
	case err := <-c.done:
		return err
	case <-ctx.Done():
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.Index(r.waiting, c); i >= 0 {
		r.waiting = slices.Delete(r.waiting, i, i+1)
		return context.Cause(ctx)
	}
	// The round goes on for those who share it, and c is still the round's to write to.
	return errAbandoned
}

// rounds serves whoever waits until nobody does.
func (r *reloader) rounds(ctx context.Context) {
	for {
		r.mu.Lock()
		changes := r.waiting
		r.waiting = nil
		r.running = len(changes) > 0
		r.mu.Unlock()
		if len(changes) == 0 {
			return
		}
		r.serve(ctx, changes)
	}
}

// serve runs one round and tells each change how it went.
func (r *reloader) serve(ctx context.Context, changes []*change) {
	b := &round{reloader: r, failed: map[*change]error{}}
	err := func() (err error) {
		defer func() {
			if p := recover(); p != nil {
				r.log.Error("panic", "panic", p, "stack", string(debug.Stack()))
				err = fault.Errorf(fault.ServerError, "an error in Trunkline itself ended the work on switch %s; the worker's log has the details", r.sw.Addr())
			}
		}()
		return r.locked(ctx, slices.ContainsFunc(changes, func(c *change) bool { return c.folder != nil }), func(ctx context.Context) error { return b.run(ctx, changes) })
	}()
	for _, c := range changes {
		outcome := b.failed[c]
		if outcome == nil {
			outcome = err
		}
		c.done <- outcome
	}
}

// locked calls f with the switch to itself, so that no other worker's rescan falls between a kill and
// its end; with files also all gateway files, since switches may share them and a file must not be older
// than the row that another switch's round has read.
func (r *reloader) locked(ctx context.Context, files bool, f func(ctx context.Context) error) error {
	waiting, stop := context.WithTimeout(ctx, roundTimeout)
	defer stop()
	lock, err := postgres.AcquireLock(waiting, r.pool, "switch "+r.sw.Addr())
	if err != nil && waiting.Err() != nil {
		return fault.Errorf(fault.SwitchTimeout, "switch %s: another worker has been busy with it for %s; send the request again", r.sw.Addr(), roundTimeout)
	}
	if err != nil {
		return err
	}
	defer lock.Release(ctx)
	if files {
		lock, err := lockFiles(waiting, r.pool)
		if err != nil {
			return err
		}
		defer lock.Release(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, roundTimeout)
	defer cancel()
	return f(ctx)
}

// eachSwitch calls f for every switch at once and joins what failed into one failure.
func eachSwitch(switches []*reloader, f func(i int, sw *reloader) error) error {
	errs := make([]error, len(switches))
	var group errgroup.Group
	for i, sw := range switches {
		group.Go(func() error {
			errs[i] = f(i, sw)
			return nil
		})
	}
	_ = group.Wait() // its functions return nil; the errors are in errs
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
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

package gateway

import (
	"context"
	"errors"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"

	"trunkline/internal/freeswitch"
)

const (
	// maxCopies bounds how often one gateway is killed in a row: FreeSWITCH can have a copy of it under
	// each profile, and killgw removes one at a time.
	maxCopies = 8
	// killsAtOnce leaves one of a switch's connections to others.
	killsAtOnce = freeswitch.DefaultMaxConns - 1
)

// perform kills what has to go, sees it gone, and rescans each profile concerned.
//
// A gateway that leaves its profile for another goes first: a rescan before its kill would load a
// second copy. What stays in its profile is killed only after a rescan has shown that it can come
// back, since that fails for broken XML, a stopped profile or one without configuration; it loads what
// is new meanwhile. So new gateways cost one rescan of each profile, and changed ones a second.
func (r *round) perform(ctx context.Context, steps []*step) error {
	for _, s := range steps {
		s.changed = s.changed || s.kill != "" || s.load
	}
	r.checkMoves(ctx, steps)
	if err := r.kill(ctx, steps, func(s *step) bool { return s.moves() || s.linger }); err != nil {
		return err
	}
	if err := r.rescan(ctx, steps, func(s *step) bool { return s.load }); err != nil {
		return err
	}
	if err := r.endLoaded(ctx, steps); err != nil {
		return err
	}
	if err := r.kill(ctx, steps, func(s *step) bool { return s.kill != "" && !s.moves() }); err != nil {
		return err
	}
	r.reread(ctx, steps)
	return r.rescan(ctx, steps, func(s *step) bool { return s.load && s.kill != "" && !s.moves() })
}

// reread has the switch read its files again if any of those that were killed for good had one. It would keep what these
// held otherwise, and load it once more with the first rescan after somebody breaks a file of its configuration.
func (r *round) reread(ctx context.Context, steps []*step) {
	if !slices.ContainsFunc(steps, func(s *step) bool { return s.err == nil && s.folder != nil && s.leaves() }) {
		return
	}
	if err := r.sw.ReloadXML(ctx); err != nil {
		r.log.Warn("a switch keeps a configuration with gateways that were disabled or deleted, and a rescan may load them: repair its files", "switch", r.sw.Addr(), "error", err)
	}
}

// endLoaded ends those that are loaded as they should be, if others of the round are still to be killed: nobody
// waits for another's kill.
func (r *round) endLoaded(ctx context.Context, steps []*step) error {
	toKill := func(s *step) bool { return s.err == nil && s.kill != "" && !s.moves() && !s.leaves() }
	if !slices.ContainsFunc(steps, toKill) {
		return nil
	}
	loaded := slices.DeleteFunc(slices.Clone(steps), func(s *step) bool { return s.err != nil || toKill(s) || s.leaves() })
	if len(loaded) == 0 || len(loaded) > listAbove {
		return nil // many wait for each other anyway
	}
	again, err := r.verify(ctx, loaded)
	if err != nil {
		return err
	}
	loaded = slices.DeleteFunc(loaded, func(s *step) bool { return slices.Contains(again, s) })
	if err := r.remember(ctx, loaded); err != nil {
		return err
	}
	for _, s := range loaded {
		r.batch.end(s.want, nil)
	}
	return nil
}

// checkMoves sees that what leaves its profile could come back under the other.
func (r *round) checkMoves(ctx context.Context, steps []*step) {
	profiles := byProfile(steps, (*step).moves)
	if len(profiles) == 0 {
		return
	}
	reloaded := r.sw.ReloadXML(ctx)
	for profile, moving := range profiles {
		if err := errors.Join(reloaded, r.sw.ProfileRunning(ctx, profile)); err != nil {
			for _, s := range moving {
				s.err = r.failure(ctx, s, err)
			}
		}
	}
}

// byProfile are the steps that want it and have not failed, by the profiles of their rows.
func byProfile(steps []*step, wants func(*step) bool) map[string][]*step {
	profiles := map[string][]*step{}
	for _, s := range steps {
		if s.err == nil && wants(s) {
			profiles[s.now.Profile()] = append(profiles[s.now.Profile()], s)
		}
	}
	return profiles
}

// kill kills the gateways of the steps that want it, every copy, and waits until the last one has left
// the switch's list, unless it leaves for good. One that does not go fails alone.
func (r *round) kill(ctx context.Context, steps []*step, wants func(*step) bool) error {
	doomed := slices.DeleteFunc(slices.Clone(steps), func(s *step) bool { return s.err != nil || !wants(s) })
	if len(doomed) == 0 {
		return nil
	}
	if err := r.stillLocked(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, r.limits.killPhaseTime(len(doomed)))
	defer cancel()
	var group errgroup.Group
	group.SetLimit(killsAtOnce)
	for _, s := range doomed {
		group.Go(func() error {
			s.err = r.sw.Fault(r.killCopies(ctx, s))
			return nil
		})
	}
	_ = group.Wait() // its functions return nil
	going := map[string]*step{}
	for _, s := range doomed {
		if s.err == nil && !s.leaves() {
			going[s.uuid] = s
		}
	}
	left, err := r.sw.WaitGone(ctx, slices.Collect(maps.Keys(going)))
	for _, uuid := range left {
		going[uuid].err = r.sw.Fault(err)
	}
	return nil
}

func (r *round) killCopies(ctx context.Context, s *step) error {
	if s.kill == "" {
		return nil
	}
	s.touched = true
	for range maxCopies {
		found, err := r.sw.KillGateway(ctx, s.kill, s.uuid)
		if err != nil || !found {
			return err
		}
	}
	return nil
}

// rescan rescans, once each, the profiles of the steps that want it.
func (r *round) rescan(ctx context.Context, steps []*step, wants func(*step) bool) error {
	profiles := byProfile(steps, wants)
	for _, profile := range slices.Sorted(maps.Keys(profiles)) {
		if err := r.stillLocked(ctx); err != nil {
			return err
		}
		err := r.sw.Rescan(ctx, profile)
		for _, s := range profiles[profile] {
			// If no answer came, the switch may have loaded it all the same.
			s.touched = s.touched || s.kill == "" && !refused(err)
			if err != nil {
				s.err = r.failure(ctx, s, err)
			}
		}
	}
	return nil
}

// refused reports whether the switch said that it did not rescan.
func refused(err error) bool {
	_, reload := errors.AsType[*freeswitch.ReloadError](err)
	_, profile := errors.AsType[*freeswitch.ProfileError](err)
	return reload || profile
}

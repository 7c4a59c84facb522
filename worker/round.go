package worker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"trunkline/internal/fault"
	"trunkline/internal/freeswitch"
	"trunkline/internal/fusionpbx"
)

// maxCopies bounds how often one gateway is killed in a row: FreeSWITCH can have a copy of it under
// each profile, and killgw removes one at a time.
const maxCopies = 8

// round is one pass over a switch for all the changes that wait.
type round struct {
	*reloader
	failed map[*change]error
	broken string // the files that keep the switch from reading its configuration, in words; "" until looked for
}

// step is a change together with what the switch has to do for it.
type step struct {
	*change
	now    *fusionpbx.Gateway // the row as it stands
	kill   string             // the profile it is loaded under and has to leave, or ""
	load   bool               // a rescan has to bring it
	linger bool               // it is not found by name, and may still be in the list of those that go
}

func (s *step) wanted() bool { return s.meant && s.now.Enabled() }

// moves reports whether the gateway has to leave one profile for another.
func (s *step) moves() bool { return s.kill != "" && s.load && s.kill != s.now.Profile() }

// run does the round. The error it returns is that of every change that has none of its own.
func (b *round) run(ctx context.Context, changes []*change) error {
	steps, err := b.steps(ctx, changes)
	if err != nil {
		return err
	}
	if err := b.publish(ctx, steps); err != nil {
		return err
	}
	if err := b.perform(ctx, steps); err != nil {
		return err
	}
	// A configuration that was cached, or a file that was written, while the rows changed shows as the wrong settings: once more.
	if again := b.verify(ctx, steps); len(again) > 0 {
		if err := b.publish(ctx, again); err != nil {
			return err
		}
		if err := b.perform(ctx, again); err != nil {
			return err
		}
		for _, s := range b.verify(ctx, again) {
			b.failed[s.change] = b.stillWrong(s)
		}
	}
	return b.remember(ctx, steps)
}

// publish has the switch's next reload see the rows as they stand.
func (b *round) publish(ctx context.Context, steps []*step) error {
	b.putFiles(steps)
	if !slices.ContainsFunc(steps, func(s *step) bool { return s.folder == nil }) {
		return nil
	}
	if err := b.sw.DeleteSofiaCache(ctx); err != nil {
		return b.sw.Fault(err)
	}
	return nil
}

// stillWrong says what the switch shows of a gateway after it was reloaded twice.
func (b *round) stillWrong(s *step) error {
	if !s.load {
		return fault.Errorf(fault.ServerError, "switch %s still has gateway %s loaded after killgw; look at it there", b.sw.Addr(), s.uuid)
	}
	return fault.Errorf(fault.GatewayNotLoaded, "switch %s loaded gateway %s with other settings than its row has: %s; "+
		"look for a gateway of the same name in another file or profile", b.sw.Addr(), s.uuid, strings.Join(differences(*s.seen, *s.now), ", "))
}

// steps reads the rows again, now that nobody else reloads this switch, and decides what each needs.
func (b *round) steps(ctx context.Context, changes []*change) ([]*step, error) {
	var steps []*step
	for _, c := range changes {
		s := &step{change: c}
		row, err := b.db.GatewayByUUID(ctx, c.uuid)
		if err != nil && !errors.Is(err, fusionpbx.ErrNotFound) {
			return nil, err
		}
		if err == nil {
			s.now = &row
		}
		if !c.asItStands && !sameRow(s.now, c.row) {
			b.failed[c] = fault.Errorf(fault.Conflict, "gateway %s was changed or deleted by somebody else, in FusionPBX or by a request to another worker, before switch %s could load it; "+
				"look at it, then send the request again", c.uuid, b.sw.Addr())
			continue
		}
		if err := b.decide(ctx, s); err != nil {
			return nil, err
		}
		steps = append(steps, s)
	}
	return steps, nil
}

func (b *round) decide(ctx context.Context, s *step) error {
	if s.now != nil {
		meant, err := b.reloader.meant(ctx, *s.now)
		if err != nil {
			return b.sw.Fault(err)
		}
		s.meant = meant
	}
	loaded, err := b.sw.Gateway(ctx, s.uuid)
	if err != nil && !errors.Is(err, freeswitch.ErrNoGateway) {
		return b.sw.Fault(err)
	}
	isLoaded := err == nil
	// Another round, or FusionPBX's page, may have loaded the row before this change came to its turn.
	s.touched = isLoaded && s.previous == nil
	s.linger = !isLoaded && s.previous != nil
	outdated := false
	if isLoaded && s.wanted() {
		if outdated, err = b.outdated(ctx, s, loaded); err != nil {
			return err
		}
	}
	// A rescan never changes or removes what is loaded: that takes a kill.
	if isLoaded && (!s.wanted() || outdated) {
		s.kill = loaded.Profile
	}
	s.load = s.wanted() && (!isLoaded || s.kill != "")
	return nil
}

// outdated reports whether what is loaded is not, or may not be, what the row says.
func (b *round) outdated(ctx context.Context, s *step, loaded freeswitch.Gateway) (bool, error) {
	if s.previous != nil && !s.previous.Same(*s.now, fusionpbx.SwitchColumns...) || len(differences(loaded, *s.now)) > 0 {
		return true, nil
	}
	known, same, err := b.loadedWith(ctx, *s.now)
	if err != nil {
		return false, err
	}
	if !known {
		// It was loaded by somebody else. Where the caller named settings they are made sure of, since
		// the switch does not show the password; a row that this job made itself it knows.
		return s.asked && s.previous != nil, nil
	}
	return !same, nil
}

// perform kills what has to go, sees it gone, and rescans each profile concerned.
//
// A gateway that leaves its profile for another goes first: a rescan before its kill would load a
// second copy. What stays in its profile is killed only after a rescan has shown that it can come
// back, since that fails for broken XML, a stopped profile or one without configuration; it loads what
// is new meanwhile. So new gateways cost one rescan of each profile, and changed ones a second.
func (b *round) perform(ctx context.Context, steps []*step) error {
	for _, s := range steps {
		if s.moves() && b.failed[s.change] == nil {
			if err := errors.Join(b.sw.ReloadXML(ctx), b.sw.ProfileRunning(ctx, s.now.Profile())); err != nil {
				b.failed[s.change] = b.failure(ctx, s, err)
			}
		}
	}
	if err := b.kill(ctx, steps, func(s *step) bool { return s.moves() || s.linger }); err != nil {
		return err
	}
	b.rescan(ctx, steps, func(s *step) bool { return s.load })
	if err := b.kill(ctx, steps, func(s *step) bool { return s.kill != "" && !s.moves() }); err != nil {
		return err
	}
	b.rescan(ctx, steps, func(s *step) bool { return s.load && s.kill != "" && !s.moves() })
	return nil
}

// kill kills the gateways of the steps that want it, every copy, and waits until the last one has left
// the switch's list.
func (b *round) kill(ctx context.Context, steps []*step, wants func(*step) bool) error {
	var gone []string
	for _, s := range steps {
		if b.failed[s.change] != nil || !wants(s) {
			continue
		}
		if err := b.killCopies(ctx, s); err != nil {
			b.failed[s.change] = b.sw.Fault(err)
			continue
		}
		gone = append(gone, s.uuid)
	}
	if len(gone) == 0 {
		return nil
	}
	if err := b.sw.WaitGone(ctx, gone); err != nil {
		return b.sw.Fault(err)
	}
	return nil
}

func (b *round) killCopies(ctx context.Context, s *step) error {
	if s.kill == "" {
		return nil
	}
	s.touched = true
	for range maxCopies {
		found, err := b.sw.KillGateway(ctx, s.kill, s.uuid)
		if err != nil || !found {
			return err
		}
	}
	return nil
}

// rescan rescans, once each, the profiles of the steps that want it.
func (b *round) rescan(ctx context.Context, steps []*step, wants func(*step) bool) {
	profiles := map[string][]*step{}
	for _, s := range steps {
		if b.failed[s.change] == nil && wants(s) {
			profiles[s.now.Profile()] = append(profiles[s.now.Profile()], s)
		}
	}
	for _, profile := range slices.Sorted(maps.Keys(profiles)) {
		err := b.sw.Rescan(ctx, profile)
		for _, s := range profiles[profile] {
			// Where no answer came, the switch may have loaded it all the same.
			s.touched = s.touched || s.kill == "" && !refused(err)
			if err != nil {
				b.failed[s.change] = b.failure(ctx, s, err)
			}
		}
	}
}

// refused reports whether the switch said that it did not rescan.
func refused(err error) bool {
	var reload *freeswitch.ReloadError
	var profile *freeswitch.ProfileError
	return errors.As(err, &reload) || errors.As(err, &profile)
}

// verify looks each gateway up, since a rescan's reply proves nothing, and returns those that are
// loaded with other settings than their rows have.
func (b *round) verify(ctx context.Context, steps []*step) (again []*step) {
	for _, s := range steps {
		if b.failed[s.change] != nil {
			continue
		}
		s.seen = nil
		shown, err := b.sw.Gateway(ctx, s.uuid)
		switch {
		case errors.Is(err, freeswitch.ErrNoGateway):
			if s.wanted() {
				b.failed[s.change] = b.notLoaded(s)
			}
		case err != nil:
			b.failed[s.change] = b.sw.Fault(err)
		case !s.wanted() || len(differences(shown, *s.now)) > 0:
			s.seen = &shown
			s.kill, s.load, s.linger = shown.Profile, s.wanted(), false
			again = append(again, s)
		default:
			s.seen = &shown
		}
	}
	return again
}

// notLoaded says where to look for why the switch did not load a gateway.
func (b *round) notLoaded(s *step) error {
	where := ""
	if s.folder != nil {
		where = fmt.Sprintf("; or it does not read the gateway files in %s/%s, or may not", s.folder.Dir(), s.now.Profile())
	}
	return fault.Errorf(fault.GatewayNotLoaded, "switch %s rescanned profile %s and did not load gateway %s; "+
		"its log names the reason (look for the gateway's uuid in freeswitch.log)%s", b.sw.Addr(), s.now.Profile(), s.uuid, where)
}

package gateway

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"trunkline/internal/fault"
	"trunkline/internal/freeswitch"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/postgres"
)

// round is one pass over a switch for all the wants that wait.
type round struct {
	*batch
	wants  []*want
	over   map[*want]bool // those that are beyond the limits of this round
	leave  []*step        // those that were killed for good, and are not seen to be gone yet
	locks  []*postgres.Lock
	looked time.Time // when the switch was first asked what it has loaded
	broken string    // the files that keep the switch from reading its configuration, in words; "" until looked for
}

// step is a want together with what the switch has to do for it.
type step struct {
	*want
	now    *fusionpbx.Gateway // the row as it stands
	kill   string             // the profile it is loaded under and has to leave, or ""
	load   bool               // a rescan has to bring it
	linger bool               // it is not found by name, and may still be in the list of those that go
	listed bool               // it was found in the list, and may be one of those that go
	remove bool               // what is loaded goes although the row is enabled, which cannot be loaded
	twice  bool               // it is loaded under several profiles
	differ string             // what the switch showed otherwise than the row has it, in words
}

// name is what the switch knows the gateway by.
func (s *step) name() string { return s.uuid }

func (s *step) wanted() bool { return s.meant && s.now.Enabled() && !s.remove }

// leaves reports whether the gateway goes for good. Nothing that others do brings it back, so that it is seen to
// be gone when the round is over and the switch is somebody else's.
func (s *step) leaves() bool { return !s.load && (s.kill != "" || s.linger) }

// moves reports whether the gateway has to leave one profile for another.
func (s *step) moves() bool { return s.kill != "" && s.load && s.kill != s.now.Profile() }

// profile is the profile that the gateway belongs to by its row; "": there is no row.
func (s *step) profile() string {
	if s.now == nil {
		return ""
	}
	return s.now.Profile()
}

// run does the round. The error it returns is that of every want that has none of its own.
func (r *round) run(ctx context.Context) error {
	r.over, r.leave = map[*want]bool{}, nil
	steps, err := r.read(ctx)
	if err != nil {
		return err
	}
	if steps, err = r.decide(ctx, steps); err != nil {
		return err
	}
	pending := steps
	// A configuration that was cached, or a file that was written, while the rows changed shows as the wrong
	// settings: once more.
	for range 2 {
		pending = r.withinLimits(pending)
		if err := r.publish(ctx, pending); err != nil {
			return err
		}
		if err := r.perform(ctx, pending); err != nil {
			return err
		}
		goes := func(s *step) bool { return s.err == nil && s.leaves() }
		r.leave = append(r.leave, slices.DeleteFunc(slices.Clone(pending), func(s *step) bool { return !goes(s) })...)
		pending = slices.DeleteFunc(pending, func(s *step) bool { return goes(s) || s.turn == hasEnded })
		if pending, err = r.verify(ctx, pending); err != nil {
			return err
		}
	}
	for _, s := range pending {
		s.err = r.stillWrong(s)
	}
	return r.remember(ctx, steps)
}

// withinLimits leaves what the round may not kill any more for the next one.
func (r *round) withinLimits(steps []*step) []*step {
	kills := 0
	return slices.DeleteFunc(slices.Clone(steps), func(s *step) bool {
		if s.kill != "" {
			kills++
		}
		over := s.kill != "" && kills > r.limits.RoundKills
		if over {
			r.over[s.want] = true
		}
		return over
	})
}

// publish has the switch's next reload see the rows as they stand.
func (r *round) publish(ctx context.Context, steps []*step) error {
	if err := r.putFiles(ctx, steps); err != nil {
		return err
	}
	if !slices.ContainsFunc(steps, func(s *step) bool { return s.folder == nil }) {
		return nil
	}
	return r.sw.Fault(r.sw.DeleteSofiaCache(ctx))
}

// stillWrong says what the switch shows of a gateway after it was reloaded twice.
func (r *round) stillWrong(s *step) error {
	if !s.load {
		return r.stillLoaded(s.uuid)
	}
	return fault.Errorf(fault.GatewayNotLoaded, "switch %s loaded gateway %s with other settings than its row has: %s; "+
		"look for a gateway of the same name in another file or profile", r.sw.Addr(), s.uuid, s.differ)
}

// read reads the rows again, now that nobody else reloads this switch.
func (r *round) read(ctx context.Context) (steps []*step, err error) {
	rows, err := r.rows(ctx)
	if err != nil {
		return nil, err
	}
	for _, w := range r.wants {
		if w.err != nil || w.turn == hasEnded {
			continue // from before the round lost its lock
		}
		s := &step{want: w, now: rows[w.uuid]}
		if w.reconcile != nil {
			w.previous = s.now // nothing is known to have been loaded but this
			if w.err = r.checkLoadable(s); w.err != nil {
				continue
			}
		} else if !w.asItStands && !sameRow(s.now, w.row) {
			w.err = fault.Errorf(fault.Conflict, "gateway %s was changed or deleted by somebody else, in FusionPBX or by a request to another worker, before switch %s could load it; "+
				"look at it, then send the request again", w.uuid, r.sw.Addr())
			continue
		}
		steps = append(steps, s)
	}
	return steps, nil
}

// checkLoadable refuses to kill what is loaded of a gateway whose row FreeSWITCH would not load in its place. The row may
// have been changed since the round was waited for.
func (r *round) checkLoadable(s *step) error {
	if s.now == nil {
		return nil
	}
	o := obstacleOf(*s.now, s.reconcile.profiles)
	switch {
	case o == nil:
	case s.reconcile.leftover[at{s.uuid, r.sw.Addr()}]:
		s.remove = true
	default:
		return o.fault(*s.now, fmt.Sprintf("switch %s was left as it is", r.sw.Addr()))
	}
	return nil
}

// rows are the gateways' rows as they stand, by uuid. Those that are as they have to be are not held once more.
func (r *round) rows(ctx context.Context) (map[string]*fusionpbx.Gateway, error) {
	wanted := make(map[string]*fusionpbx.Gateway, len(r.wants))
	for _, w := range r.wants {
		wanted[w.uuid] = w.row
	}
	rows := make(map[string]*fusionpbx.Gateway, len(r.wants))
	return rows, r.pbx.FusionPBX.EachGatewayByUUID(ctx, slices.Collect(maps.Keys(wanted)), func(row fusionpbx.Gateway) {
		if same := wanted[row.UUID]; same != nil && same.Same(row, fusionpbx.GatewayColumns...) {
			rows[row.UUID] = same
		} else {
			rows[row.UUID] = &row
		}
	})
}

// decide says what each step needs, and returns those of which that is known.
func (r *round) decide(ctx context.Context, steps []*step) ([]*step, error) {
	names, sight := naming{sw: r.sw}, r.lookFirst(ctx, steps)
	r.looked = time.Now()
	loaded := map[*step]*glimpse{}
	var doubtful []*step
	for _, s := range steps {
		if s.now != nil {
			if s.meant, s.err = names.meant(ctx, *s.now); s.err != nil {
				continue
			}
		}
		if loaded[s], s.err = sight.of(s.uuid, s.profile()); s.err != nil {
			continue
		}
		if s.twice, s.err = r.loadedTwice(ctx, s, sight); s.err != nil {
			continue
		}
		if loaded[s] == nil {
			s.touched = s.touched || sight.unasked
			s.linger, s.load = s.previous != nil && !sight.listed, s.wanted()
			continue
		}
		// Another round, or FusionPBX's page, may have loaded the row before this want came to its turn.
		s.touched, s.listed = s.touched || s.previous == nil, sight.listed
		switch {
		// A rescan never changes or removes what is loaded: that takes a kill.
		case !s.wanted() || s.twice || s.previous != nil && !s.previous.Same(*s.now, fusionpbx.LoadedColumns...) || len(differences(s.mode(), loaded[s].gateway(), *s.now)) > 0:
			s.kill, s.load = loaded[s].profile, s.wanted()
		default:
			doubtful = append(doubtful, s)
		}
	}
	settings, err := r.loadedWith(ctx, doubtful)
	if err != nil {
		return nil, err
	}
	for _, s := range doubtful {
		if r.outdated(s, settings) {
			s.kill, s.load = loaded[s].profile, true
		}
	}
	return slices.DeleteFunc(steps, func(s *step) bool { return s.err != nil }), nil
}

// outdated reports whether what is loaded may not be what the row says, although all that the switch shows is.
func (r *round) outdated(s *step, settings map[string][]byte) bool {
	hash, known := settings[s.uuid]
	if !known {
		// It was loaded by somebody else. If the caller named settings they are made sure of, since the
		// switch does not show the password; a row that this work made itself it knows.
		return (s.asked || s.reconcile != nil) && s.previous != nil
	}
	return !r.keys.SameBody(hash, settingsOf(*s.now)...)
}

// look asks what the switch has loaded of the steps' gateways.
func (r *round) look(ctx context.Context, steps []*step) *sight {
	return look(ctx, r.sw, r.log, each(steps, (*step).name), r.note)
}

// lookFirst is look, but that it reads the list if copies matter: by name a switch shows one of them.
func (r *round) lookFirst(ctx context.Context, steps []*step) *sight {
	if len(steps) > listAbove && allNew(steps) {
		return &sight{unasked: true}
	}
	if slices.ContainsFunc(steps, func(s *step) bool { return s.reconcile != nil }) {
		return lookInList(ctx, r.sw, r.log, each(steps, (*step).name), r.note)
	}
	return r.look(ctx, steps)
}

// allNew reports whether no switch can have loaded any of these but as their rows say: they are new, and still as they
// were written. If another round has loaded one, a rescan leaves it, and it is seen afterwards.
func allNew(steps []*step) bool {
	return !slices.ContainsFunc(steps, func(s *step) bool {
		return s.previous != nil || s.now == nil || s.asItStands || s.reconcile != nil || !s.now.Enabled()
	})
}

// loadedTwice reports whether a gateway that is to be reconciled is loaded under several profiles. The list also has
// copies that were killed and go: those the switch denies by name.
func (r *round) loadedTwice(ctx context.Context, s *step, sight *sight) (bool, error) {
	if s.reconcile == nil || len(sight.found[s.uuid]) < 2 {
		return false, nil
	}
	profiles := map[string]bool{}
	for _, copied := range sight.found[s.uuid] {
		_, err := r.sw.GatewayUnder(ctx, copied.profile, s.uuid)
		switch {
		case err == nil:
			profiles[copied.profile] = true
		case !errors.Is(err, freeswitch.ErrNoGateway):
			return false, r.sw.Fault(err)
		}
	}
	return len(profiles) > 1, nil
}

// note tells everybody who shares the round.
func (r *round) note(text string) {
	told := map[*group]bool{}
	for _, w := range r.wants {
		if !told[w.group] {
			told[w.group] = true
			w.group.note(text)
		}
	}
}

// verify looks at each gateway, since a rescan's reply proves nothing, and returns those that are loaded
// with other settings than their rows have.
func (r *round) verify(ctx context.Context, steps []*step) (again []*step, err error) {
	steps = slices.DeleteFunc(slices.Clone(steps), func(s *step) bool { return s.err != nil })
	// What the round found in the list and left alone may have been killed before, and be gone in a moment.
	kept := slices.DeleteFunc(slices.Clone(steps), func(s *step) bool { return !s.listed || s.kill != "" || !s.wanted() })
	if len(kept) > listAbove {
		select {
		case <-time.After(time.Until(r.looked.Add(freeswitch.DropTime))):
		case <-ctx.Done():
			return nil, r.sw.Fault(ctx.Err())
		}
		kept = nil
	}
	sight, byName := r.look(ctx, steps), r.look(ctx, kept)
	for _, s := range steps {
		in := sight
		if slices.Contains(kept, s) {
			in = byName
		}
		var shown *glimpse
		shown, s.err = in.of(s.uuid, s.profile())
		s.seen = shown
		switch {
		case s.err != nil:
		case shown == nil && s.wanted() && s.listed && !s.load:
			s.load, s.linger = true, true // it was one of those that go
			again = append(again, s)
		case shown == nil && s.wanted():
			s.err = settling(ctx, r.pbx, r.sw, r.limits.Settling, r.notLoaded(s))
		case shown == nil:
		case !s.wanted():
			s.kill, s.load, s.linger = shown.profile, false, false
			again = append(again, s)
		default:
			if s.differ = strings.Join(differences(s.mode(), shown.gateway(), *s.now), ", "); s.differ != "" {
				s.kill, s.load, s.linger = shown.profile, true, false
				again = append(again, s)
			}
		}
	}
	return again, nil
}

// notLoaded says where to look for why the switch did not load a gateway.
func (r *round) notLoaded(s *step) error {
	where := ""
	if s.folder != nil {
		where = fmt.Sprintf("; or it does not read the gateway files in %s/%s, or may not", s.folder.Dir(), s.now.Profile())
	}
	return fault.Errorf(fault.GatewayNotLoaded, "switch %s rescanned profile %s and did not load gateway %s; "+
		"its log names the reason (look for the gateway's uuid in freeswitch.log)%s", r.sw.Addr(), s.now.Profile(), s.uuid, where)
}

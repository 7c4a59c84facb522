package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"trunkline/internal/freeswitch"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/postgres"
	"trunkline/tasks"
)

// batchTimeout bounds one round on a switch: a wait of up to 2.5 s for a killed gateway to go, twice,
// and the commands around it.
const batchTimeout = 30 * time.Second

// change is what one job wants one switch to take up.
type change struct {
	uuid     string
	previous *fusionpbx.Gateway // the row that the switch may have loaded; nil: none
	row      *fusionpbx.Gateway // the row that has to stand now; nil: none
	// asItStands takes up whatever row stands, since somebody else changed it.
	asItStands bool
	// quiet only has the switch forget its cached configuration: nothing was done to it yet.
	quiet bool

	meant   bool                // the row is for this switch (its hostname)
	touched bool                // the switch was told to kill or to load the gateway
	seen    *freeswitch.Gateway // as the switch showed it in the end; nil: not loaded
	done    chan error
}

func newChange(uuid string, previous, row *fusionpbx.Gateway) *change {
	return &change{uuid: uuid, previous: previous, row: row, done: make(chan error, 1)}
}

// reloader brings changes to one switch. Whoever comes while a round runs shares the next one, so
// that any number of waiting jobs costs one rescan of each profile.
type reloader struct {
	sw      *freeswitch.Switch
	pool    *pgxpool.Pool
	db      *fusionpbx.DB
	log     *slog.Logger
	mu      sync.Mutex
	waiting []*change
	running bool
}

func newReloader(sw *freeswitch.Switch, pool *pgxpool.Pool, db *fusionpbx.DB, log *slog.Logger) *reloader {
	return &reloader{sw: sw, pool: pool, db: db, log: log}
}

// ready reports whether the row is meant for this switch, and fails where the switch could not take
// it up: it does not answer, or the profile does not run there.
func (r *reloader) ready(ctx context.Context, row fusionpbx.Gateway) (meant bool, err error) {
	meant, err = r.meant(ctx, row)
	if err != nil {
		return false, switchFailure(r.sw, err)
	}
	if meant && row.Enabled() {
		err = r.sw.ProfileRunning(ctx, row.Profile())
	} else {
		_, err = r.sw.Gateway(ctx, row.UUID)
	}
	if err != nil && !errors.Is(err, freeswitch.ErrNoGateway) {
		return false, switchFailure(r.sw, err)
	}
	return meant, nil
}

// meant reports whether FusionPBX gives the row to this switch: its hostname is empty or the switch's.
func (r *reloader) meant(ctx context.Context, row fusionpbx.Gateway) (bool, error) {
	host := row.Get("hostname")
	if host == "" {
		return true, nil
	}
	// From 5.5 FusionPBX compares with the hostname, before that with the switchname.
	hostname, err := r.sw.Hostname(ctx)
	if err != nil {
		return false, err
	}
	switchname, err := r.sw.SwitchName(ctx)
	if err != nil {
		return false, err
	}
	return host == hostname || host == switchname, nil
}

// apply returns once the switch shows what the row says, or why it does not.
func (r *reloader) apply(ctx context.Context, c *change) error {
	r.mu.Lock()
	r.waiting = append(r.waiting, c)
	if !r.running {
		r.running = true
		go r.rounds(context.WithoutCancel(ctx))
	}
	r.mu.Unlock()
	select {
	case err := <-c.done:
		return err
	case <-ctx.Done():
		// The round goes on for those who share it, and c is still the round's to write to.
		return errAbandoned
	}
}

// errAbandoned: the caller stopped waiting, and whether the switch took the change up is not known.
var errAbandoned = errors.New("the change was abandoned")

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

func (r *reloader) serve(ctx context.Context, changes []*change) {
	ctx, cancel := context.WithTimeout(ctx, batchTimeout)
	defer cancel()
	b := &round{reloader: r, failed: map[*change]error{}}
	err := b.run(ctx, changes)
	for _, c := range changes {
		outcome := b.failed[c]
		if outcome == nil {
			outcome = err
		}
		c.done <- outcome
	}
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
	var first *tasks.Failure
	if !errors.As(errs[0], &first) {
		return errs[0]
	}
	messages := make([]string, len(errs))
	for i, err := range errs {
		messages[i] = err.Error()
	}
	return &tasks.Failure{Code: first.Code, Message: strings.Join(messages, "; ")}
}

// switchFailure says in an operator's words what a switch answered.
func switchFailure(sw *freeswitch.Switch, err error) error {
	code := tasks.CodeServerError
	var (
		unavailable *freeswitch.UnavailableError
		timeout     *freeswitch.TimeoutError
		reload      *freeswitch.ReloadError
		profile     *freeswitch.ProfileError
	)
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &timeout), errors.Is(err, context.DeadlineExceeded):
		code = tasks.CodeSwitchTimeout
	case errors.As(err, &unavailable):
		code = tasks.CodeSwitchUnavailable
	case errors.As(err, &reload):
		code = tasks.CodeSwitchConfiguration
	case errors.As(err, &profile):
		code = tasks.CodeProfileUnavailable
	}
	return tasks.Failf(code, "switch %s: %w", sw.Addr(), err)
}

// round is one pass over a switch for all the changes that wait.
type round struct {
	*reloader
	failed map[*change]error
}

// step is a change together with what the switch has to do for it.
type step struct {
	*change
	now  *fusionpbx.Gateway // the row as it stands
	kill string             // the profile it is loaded under and has to leave, or ""
	load bool               // a rescan has to bring it
}

// moves reports whether the gateway has to leave one profile for another.
func (s *step) moves() bool { return s.kill != "" && s.kill != s.now.Profile() }

// run does the round under the switch's lock, so that no other worker's rescan falls between a kill
// and its end. The error it returns is that of every change that has none of its own.
func (b *round) run(ctx context.Context, changes []*change) error {
	lock, err := postgres.AcquireLock(ctx, b.pool, "switch "+b.sw.Addr())
	if err != nil {
		return err
	}
	defer lock.Release(ctx)
	steps, err := b.steps(ctx, changes)
	if err != nil {
		return err
	}
	if err := b.sw.DeleteSofiaCache(ctx); err != nil {
		return switchFailure(b.sw, err)
	}
	if err := b.perform(ctx, steps); err != nil {
		return err
	}
	// A configuration that was cached while the rows changed shows as the wrong settings: once more.
	again := b.verify(ctx, steps)
	if len(again) == 0 {
		return nil
	}
	if err := b.sw.DeleteSofiaCache(ctx); err != nil {
		return switchFailure(b.sw, err)
	}
	if err := b.perform(ctx, again); err != nil {
		return err
	}
	for _, s := range b.verify(ctx, again) {
		if !s.load {
			b.failed[s.change] = tasks.Failf(tasks.CodeServerError, "switch %s still has gateway %s loaded after killgw; look at it there", b.sw.Addr(), s.uuid)
			continue
		}
		b.failed[s.change] = tasks.Failf(tasks.CodeGatewayNotLoaded, "switch %s loaded gateway %s with other settings than its row has: %s; "+
			"look for a gateway of the same name in another file or profile", b.sw.Addr(), s.uuid, strings.Join(differences(*s.seen, *s.now), ", "))
	}
	return nil
}

// steps reads the rows again, now that nobody else reloads this switch, and decides what each needs.
func (b *round) steps(ctx context.Context, changes []*change) ([]*step, error) {
	var steps []*step
	for _, c := range changes {
		if c.quiet {
			continue
		}
		s := &step{change: c}
		row, err := b.db.GatewayByUUID(ctx, b.pool, c.uuid)
		if err != nil && !errors.Is(err, fusionpbx.ErrNotFound) {
			return nil, err
		}
		if err == nil {
			s.now = &row
		}
		if !c.asItStands && !sameRow(s.now, c.row) {
			b.failed[c] = tasks.Failf(tasks.CodeConflict, "gateway %s was changed or deleted by somebody else before switch %s could load it; "+
				"look at it in FusionPBX, then send the request again", c.uuid, b.sw.Addr())
			continue
		}
		if err := b.decide(ctx, s); err != nil {
			return nil, switchFailure(b.sw, err)
		}
		steps = append(steps, s)
	}
	return steps, nil
}

func (b *round) decide(ctx context.Context, s *step) error {
	if s.now != nil {
		meant, err := b.meant(ctx, *s.now)
		if err != nil {
			return err
		}
		s.meant = meant
	}
	loaded, err := b.sw.Gateway(ctx, s.uuid)
	if err != nil && !errors.Is(err, freeswitch.ErrNoGateway) {
		return err
	}
	isLoaded := err == nil
	wanted := s.meant && s.now.Enabled()
	changed := s.previous != nil && s.now != nil && !s.previous.Same(*s.now, fusionpbx.SwitchColumns...)
	// A rescan never changes or removes what is loaded: that takes a kill.
	if isLoaded && (!wanted || changed || len(differences(loaded, *s.now)) > 0) {
		s.kill = loaded.Profile
	}
	s.load = wanted && (!isLoaded || s.kill != "")
	return nil
}

// perform rescans each profile concerned once, kills what has to go, sees it gone, and rescans the
// profiles that it has to come back to. Nothing is killed to come back before the switch has shown that
// it can: a rescan first, which fails for broken XML, a stopped profile or one without configuration,
// and loads what is new meanwhile.
func (b *round) perform(ctx context.Context, steps []*step) error {
	b.rescan(ctx, steps, func(s *step) bool { return s.load && !s.moves() })
	var gone []string
	for _, s := range steps {
		if s.kill == "" || b.failed[s.change] != nil {
			continue
		}
		// A rescan before the kill would load a second copy under the new profile.
		if s.load && s.moves() {
			if err := errors.Join(b.sw.ReloadXML(ctx), b.sw.ProfileRunning(ctx, s.now.Profile())); err != nil {
				b.failed[s.change] = switchFailure(b.sw, err)
				continue
			}
		}
		s.touched = true
		if _, err := b.sw.KillGateway(ctx, s.kill, s.uuid); err != nil {
			b.failed[s.change] = switchFailure(b.sw, err)
			continue
		}
		gone = append(gone, s.uuid)
	}
	if len(gone) == 0 {
		return nil
	}
	if err := b.sw.WaitGone(ctx, gone); err != nil {
		return switchFailure(b.sw, err)
	}
	b.rescan(ctx, steps, func(s *step) bool { return s.load && s.kill != "" })
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
				b.failed[s.change] = switchFailure(b.sw, err)
			}
		}
	}
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
		wanted := s.meant && s.now.Enabled()
		switch {
		case errors.Is(err, freeswitch.ErrNoGateway):
			if wanted {
				b.failed[s.change] = tasks.Failf(tasks.CodeGatewayNotLoaded, "switch %s rescanned profile %s and did not load gateway %s; "+
					"its log names the reason (look for the gateway's uuid in freeswitch.log)", b.sw.Addr(), s.now.Profile(), s.uuid)
			}
		case err != nil:
			b.failed[s.change] = switchFailure(b.sw, err)
		case !wanted || len(differences(shown, *s.now)) > 0:
			s.seen = &shown
			s.kill, s.load = shown.Profile, wanted
			again = append(again, s)
		default:
			s.seen = &shown
		}
	}
	return again
}

// refused reports whether the switch said that it did not rescan.
func refused(err error) bool {
	var reload *freeswitch.ReloadError
	var profile *freeswitch.ProfileError
	return errors.As(err, &reload) || errors.As(err, &profile)
}

// sameRow compares what reaches FreeSWITCH of two rows, either of which may be absent.
func sameRow(a, b *fusionpbx.Gateway) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Same(*b, fusionpbx.SwitchColumns...)
}

// differences names the settings that a switch shows otherwise than the row has them. It compares
// what xmlstatus gives back of the row unchanged; the password is not among it.
func differences(shown freeswitch.Gateway, row fusionpbx.Gateway) []string {
	var differ []string
	compare := func(setting, got string, wanted ...string) {
		wanted = slices.DeleteFunc(wanted, func(w string) bool { return w == "" })
		if len(wanted) > 0 && !slices.Contains(wanted, got) {
			differ = append(differ, fmt.Sprintf("%s is %q and not %q", setting, got, wanted[0]))
		}
	}
	compare("profile", shown.Profile, row.Profile())
	compare("username", shown.Username, row.Get("username"), row.Get("auth_username"))
	compare("realm", shown.Realm, row.Get("realm"))
	compare("proxy", withoutScheme(shown.Proxy), withoutScheme(row.Get("register_proxy")), withoutScheme(row.Get("proxy")))
	compare("context", shown.Context, row.Get("context"))
	compare("expire_seconds", shown.Expires, row.Get("expire_seconds"))
	return differ
}

// withoutScheme cuts the sip: or sips: that FreeSWITCH puts before a proxy that has none.
func withoutScheme(proxy string) string {
	return strings.TrimPrefix(strings.TrimPrefix(proxy, "sips:"), "sip:")
}

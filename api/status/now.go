package status

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"trunkline/internal/fault"
	"trunkline/internal/freeswitch"
	"trunkline/internal/tenant"
)

// pbxNow is what database and switches say of the PBX at one moment.
type pbxNow struct {
	version    string         // FusionPBX's
	extensions map[string]int // by domain_uuid; "" is of no domain
	total      int            // of all those
	switches   []switchNow
	registered tally // extensions (USER@DOMAIN) with at least one device, on whichever switch
	// devices are all registrations, in the order of their keys. It is worked out when it is first asked
	// for, since most who ask want numbers.
	devices func() []device
}

// switchNow is one switch's part.
type switchNow struct {
	addr    string
	status  freeswitch.Status
	calls   tally
	devices tally
	listed  []freeswitch.Registration
}

// pbxNow is what was last said of the PBX, no older than StatusMaxAge.
func (s *Service) pbxNow(ctx context.Context) (*pbxNow, error) { return s.now.Read(ctx, "", s.read) }

func (s *Service) read(ctx context.Context) (*pbxNow, time.Duration, error) {
	now, err := s.askPBX(ctx)
	return now, s.settings.StatusMaxAge, err
}

// askPBX asks the database and all switches at once. A count that leaves a switch out would be wrong, so
// one that does not answer is an error.
func (s *Service) askPBX(ctx context.Context) (*pbxNow, error) {
	version, err := s.db.Version(ctx)
	if err != nil {
		return nil, err
	}
	extensions, err := s.db.ExtensionCounts(ctx)
	if err != nil {
		return nil, err
	}
	profiles, err := s.db.EnabledProfiles(ctx)
	if err != nil {
		return nil, err
	}
	now := &pbxNow{version: version, extensions: extensions, switches: make([]switchNow, len(s.pbx.Switches))}
	group, groupCtx := errgroup.WithContext(ctx)
	var running runningProfiles
	for i, sw := range s.pbx.Switches {
		one := &now.switches[i]
		one.addr = sw.Addr()
		group.Go(func() (err error) {
			one.status, err = sw.Status(groupCtx)
			return sw.Fault(err)
		})
		group.Go(func() error {
			channels, err := sw.Channels(groupCtx)
			one.calls = callsOf(channels)
			return sw.Fault(err)
		})
		group.Go(func() (err error) {
			one.listed, err = running.ask(groupCtx, sw, profiles, sw.Registrations)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if err := running.check(profiles); err != nil {
		return nil, err
	}
	now.count()
	at := time.Now()
	now.devices = sync.OnceValue(func() []device { return sortedDevices(now.switches, at) })
	return now, nil
}

// count fills in what is counted of extensions and registrations.
func (n *pbxNow) count() {
	for _, extensions := range n.extensions {
		n.total += extensions
	}
	users := map[string][]string{} // the domains of each USER@DOMAIN
	for i := range n.switches {
		one := &n.switches[i]
		for _, registration := range one.listed {
			// FusionPBX takes a registration for a tenant's if either is its domain.
			domain, realm := registration.Domain(), registration.AuthRealm
			one.devices.add(domain, realm)
			user := strings.ToLower(registration.User)
			if of := users[user]; !slices.Contains(of, domain) || !slices.Contains(of, realm) {
				users[user] = append(of, domain, realm)
			}
		}
	}
	for _, domains := range users {
		n.registered.add(domains...)
	}
}

// extensionsOf is how many extensions the domains have.
func (n *pbxNow) extensionsOf(q tenant.Domains) int {
	if q.All {
		return n.total
	}
	sum := 0
	for _, domain := range q.List {
		sum += n.extensions[domain.UUID]
	}
	return sum
}

// calls is how many calls there are of the domains.
func (n *pbxNow) calls(q tenant.Domains) int {
	sum := 0
	for _, one := range n.switches {
		sum += one.calls.count(q)
	}
	return sum
}

// uptime is that of the switch that was started last.
func (n *pbxNow) uptime() time.Duration {
	latest := slices.MinFunc(n.switches, func(a, b switchNow) int { return cmp.Compare(a.status.Uptime, b.status.Uptime) })
	return latest.status.Uptime
}

// callsOf counts calls, not their legs. A call is a domain's if one of its legs is: FusionPBX routes
// a tenant's calls in a context that is named for its domain (a call from outside begins in public), gives
// its extensions the presence EXTENSION@DOMAIN, and account codes that are the domain unless set otherwise.
// `show calls` has neither context nor, of a call that is still ringing, the other leg.
func callsOf(channels []freeswitch.Channel) tally {
	domains := map[string][]string{}
	for _, c := range channels {
		domains[c.Call()] = append(domains[c.Call()], c.Context, c.InitialContext, c.PresenceDomain(), c.AccountCode)
	}
	var calls tally
	for _, of := range domains {
		calls.add(of...)
	}
	return calls
}

// runningProfiles notes whether any of the SIP profiles runs on any switch.
type runningProfiles struct {
	mu  sync.Mutex
	any bool
	why *freeswitch.ProfileError // of one that does not
}

// ask asks a switch about each profile at once, and passes over those that do not run there: a profile may
// be meant for another switch.
func (p *runningProfiles) ask(ctx context.Context, sw *freeswitch.Switch, profiles []string,
	question func(ctx context.Context, profile string) ([]freeswitch.Registration, error)) ([]freeswitch.Registration, error) {
	found := make([][]freeswitch.Registration, len(profiles))
	group, ctx := errgroup.WithContext(ctx)
	for i, profile := range profiles {
		group.Go(func() error {
			list, err := question(ctx, profile)
			profileErr, stopped := errors.AsType[*freeswitch.ProfileError](err)
			if err != nil && !stopped {
				return sw.Fault(err)
			}
			found[i] = list
			p.mu.Lock()
			defer p.mu.Unlock()
			if stopped {
				p.why = profileErr
			} else {
				p.any = true
			}
			return nil
		})
	}
	err := group.Wait()
	return slices.Concat(found...), err
}

// check fails if there are profiles and none runs: that nobody is registered would be the least of
// what there is to say then.
func (p *runningProfiles) check(profiles []string) error {
	if p.any || p.why == nil {
		return nil
	}
	return &fault.Error{
		Code:    fault.SwitchUnavailable,
		Message: fmt.Sprintf("none of the enabled SIP profiles (%s) runs; start one: %v", strings.Join(profiles, ", "), p.why),
		Cause:   p.why,
	}
}

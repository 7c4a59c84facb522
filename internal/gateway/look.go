package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"unique"

	"trunkline/internal/freeswitch"
	"trunkline/internal/fusionpbx"
)

// listAbove is how many gateways are looked up by name; about more the switch is asked once, for its whole
// list.
const listAbove = 20

// sight is what a switch has loaded of the gateways that were looked for.
type sight struct {
	found  map[string][]*glimpse // by name; the latest first, if there are copies
	failed map[string]error
	// listed: the switch was asked for its list. Unlike an answer by name it also holds gateways that were
	// killed, for up to freeswitch.DropTime.
	listed bool
	// unasked: the switch was not asked.
	unasked bool
}

// glimpse is what is kept of a gateway that a switch showed: what its row is compared with, and what is shown of it. It
// holds nothing of the list that it was in, and what is the same of thousands once.
type glimpse struct {
	profile, username, realm, proxy, context, expires string
	standing
}

// standing is how a gateway's registration stands.
type standing struct {
	state, status, retry, pingFreq, pingTime string
	uptimeUsec                               int64
}

func glimpseOf(g *freeswitch.Gateway) *glimpse {
	return &glimpse{
		profile: shared(g.Profile), username: strings.Clone(g.Username), realm: shared(g.Realm), proxy: shared(g.Proxy),
		context: shared(g.Context), expires: shared(g.Expires), standing: standingOf(g),
	}
}

func standingOf(g *freeswitch.Gateway) standing {
	return standing{shared(g.State), shared(g.Status), shared(g.Retry), shared(g.PingFreq), shared(g.PingTime), g.UptimeUsec}
}

// gateway is the gateway with what is kept of it.
func (g *glimpse) gateway() freeswitch.Gateway {
	whole := g.standing.gateway()
	whole.Profile, whole.Username, whole.Realm, whole.Proxy, whole.Context, whole.Expires = g.profile, g.username, g.realm, g.proxy, g.context, g.expires
	return whole
}

func (s standing) gateway() freeswitch.Gateway {
	return freeswitch.Gateway{State: s.state, Status: s.status, Retry: s.retry, PingFreq: s.pingFreq, PingTime: s.pingTime, UptimeUsec: s.uptimeUsec}
}

// shared is the text, which is held once however many have it.
func shared(text string) string { return unique.Make(text).Value() }

// of is the gateway as the switch shows it, of several copies the one under that profile; nil: not loaded.
func (s *sight) of(uuid, profile string) (*glimpse, error) {
	copies := s.found[uuid]
	if len(copies) == 0 {
		return nil, s.failed[uuid]
	}
	i := slices.IndexFunc(copies, func(g *glimpse) bool { return g.profile == profile })
	return copies[max(i, 0)], nil
}

// look asks what the switch has loaded of these gateways. note is told if that takes long.
func look(ctx context.Context, sw *freeswitch.Switch, log *slog.Logger, uuids []string, note func(string)) *sight {
	if len(uuids) <= listAbove {
		s := newSight()
		s.askByName(ctx, sw, uuids)
		return s
	}
	return lookInList(ctx, sw, log, uuids, note)
}

func newSight() *sight {
	return &sight{found: map[string][]*glimpse{}, failed: map[string]error{}}
}

// lookInList is look for any number.
func lookInList(ctx context.Context, sw *freeswitch.Switch, log *slog.Logger, uuids []string, note func(string)) *sight {
	s := newSight()
	wanted := make(map[string]string, len(uuids))
	for _, uuid := range uuids {
		wanted[uuid] = uuid
	}
	found := make(map[string][]*glimpse, len(uuids))
	err := sw.EachGateway(ctx, func(g *freeswitch.Gateway) {
		if uuid, is := wanted[g.Name]; is { // not the name, which holds a part of the list
			found[uuid] = append(found[uuid], glimpseOf(g))
		}
	})
	switch {
	case errors.Is(err, freeswitch.ErrReplyTooLong):
		log.Warn("the list of gateways cannot be read; each one is looked up by itself", "switch", sw.Addr(), "gateways", len(uuids), "error", err)
		note(fmt.Sprintf("the list of gateways of switch %s is longer than TRUNKLINE_SWITCH_MAX_REPLY, so that each one is looked up by itself", sw.Addr()))
		s.askByName(ctx, sw, uuids)
		return s
	case err != nil:
		s.fail(uuids, sw.Fault(err))
		return s
	}
	s.listed, s.found = true, found
	return s
}

// askByName stops asking at the first error that is not about one gateway alone.
func (s *sight) askByName(ctx context.Context, sw *freeswitch.Switch, uuids []string) {
	for i, uuid := range uuids {
		g, err := sw.Gateway(ctx, uuid)
		_, odd := errors.AsType[*freeswitch.ReplyError](err)
		switch {
		case err == nil:
			s.found[uuid] = []*glimpse{glimpseOf(&g)}
		case errors.Is(err, freeswitch.ErrNoGateway):
		case odd:
			s.failed[uuid] = sw.Fault(err)
		default:
			s.fail(uuids[i:], sw.Fault(err))
			return
		}
	}
}

func (s *sight) fail(uuids []string, err error) {
	for _, uuid := range uuids {
		s.failed[uuid] = err
	}
}

// naming tells which rows are meant for a switch. It asks the switch for its names once, and only if a row
// has a hostname.
type naming struct {
	sw    *freeswitch.Switch
	asked bool
	names freeswitch.Names
	err   error
}

func (n *naming) meant(ctx context.Context, row fusionpbx.Gateway) (bool, error) {
	host := row.Get("hostname")
	if host == "" {
		return true, nil
	}
	if !n.asked {
		n.asked = true
		n.names, n.err = n.sw.Names(ctx)
		n.err = n.sw.Fault(n.err)
	}
	return n.names.Mean(host), n.err
}

package console

import (
	"strconv"
	"strings"

	"trunkline/api/gateways"
	"trunkline/api/params"
	"trunkline/api/web"
	"trunkline/internal/audit"
	"trunkline/internal/token"
)

var gatewaysPage = page{
	path: "/gateways", title: "Gateways", template: "gateways", scope: token.ScopeRead, show: (*Service).gateways,
	params: []web.Param{
		{Name: "tenant_domain"}, {Name: "profile"}, {Name: "state"}, {Name: "status"}, {Name: "enabled"}, {Name: "external_id"}, {Name: "text"},
		{Name: "after"}, {Name: "limit"},
	},
}

var gatewayPage = page{
	path: "/gateways/:id", title: "Gateway", template: "gateway", unlisted: true, scope: token.ScopeRead, live: true, show: (*Service).gateway,
	params: []web.Param{{Name: "after"}},
}

const (
	// historyShown is how many jobs a page of a gateway has.
	historyShown = 20
	// auditShown is how many entries of the audit it has.
	auditShown = 50
)

// gatewayList is a page of the list of gateways.
type gatewayList struct {
	States   []tally
	Names    []string // of all states that there can be
	Filtered bool     // something is asked for
	MayMake  bool     // who looks may make one
	Gateways []gateways.FoundGateway
	Warnings []string
	Pager    pager
}

// gatewayView is one gateway.
type gatewayView struct {
	gateways.GatewayDetail
	MayChange bool
	History   []gateways.HistoryEntry
	Pager     pager         // of the history
	MayAudit  bool          // they see the audit
	Audit     []audit.Entry // about the gateway and those jobs
}

func (s *Service) gateways(r *web.Request) (any, error) {
	now := r.Params.Get("state")
	found, err := s.Gateways.SearchOfAll(r)
	if err != nil {
		return nil, err
	}
	list := gatewayList{Filtered: filtered(r), MayMake: r.Caller.May(token.ScopeProvision), Names: gateways.StateNames(), Gateways: found.Gateways, Warnings: found.Warnings, Pager: newPager(r, found.Next)}
	all := 0
	for _, n := range found.Counts {
		all += n
	}
	list.States = []tally{newTally(r, "state", "", "all", int64(all))}
	for _, state := range list.Names {
		if n := found.Counts[state]; n > 0 || state == now {
			list.States = append(list.States, newTally(r, "state", state, state, int64(n)))
		}
	}
	return list, nil
}

func (s *Service) gateway(r *web.Request) (any, error) {
	detail, _, err := s.Gateways.Show(r)
	if err != nil {
		return nil, err
	}
	v := gatewayView{GatewayDetail: detail, MayChange: r.Caller.May(token.ScopeProvision), MayAudit: r.Caller.May(token.ScopeAdmin)}
	history, err := s.Gateways.History(r.With(params.Values{"after": r.Params.Get("after"), "limit": strconv.Itoa(historyShown)}))
	if err != nil {
		return nil, err
	}
	v.History, v.Pager = history.Changes, newPager(r, history.Next)
	if !v.MayAudit {
		return v, nil
	}
	about := []string{detail.GatewayUUID}
	for _, one := range v.History {
		about = append(about, one.JobID)
	}
	found, err := s.Admin.Audit(r.With(params.Values{"about": strings.Join(about, ","), "limit": strconv.Itoa(auditShown)}))
	v.Audit = found.Entries
	return v, err
}

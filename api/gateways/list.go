package gateways

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync"

	"trunkline/api/web"
	"trunkline/internal/freeswitch"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway"
	"trunkline/internal/tenant"
)

// GatewayList is the documented answer.
type GatewayList struct {
	Status   string    `json:"status" enum:"success"`
	Message  string    `json:"message"`
	Gateways []Gateway `json:"gateways"`
	Warnings []string  `json:"warnings,omitempty"` // a switch that does not answer, so that what it has loaded is UNKNOWN
	web.Ignoring
}

// Gateway is a gateway: the five documented fields, and beside them where it belongs and how
// each switch shows it. There is never a password in it.
type Gateway struct {
	GatewayUUID    string          `json:"gateway_uuid" format:"uuid"` // FusionPBX's, and the name that FreeSWITCH knows
	GatewayName    string          `json:"gateway_name"`               // the label
	GatewayDomain  string          `json:"gateway_domain"`             // the carrier's address
	GatewayEnabled string          `json:"gateway_enabled" enum:"true,false"`
	GatewayStatus  string          `json:"gateway_status" enum:"UP,DOWN,UNKNOWN"` // UP if it is up on every switch that it is meant for; UNKNOWN if one does not answer
	GatewayState   string          `json:"gateway_state"`                         // FreeSWITCH's word for the registration, NOT_LOADED or UNKNOWN
	Profile        string          `json:"profile"`                               // the SIP profile
	TenantDomain   string          `json:"tenant_domain"`                         // its domain, or global
	Switches       []gateway.Shown `json:"switches"`
}

// List lists the gateways of FusionPBX as the switches show them now.
func (s *Service) List(r *web.Request) (list GatewayList, err error) {
	domains, err := r.DomainsOrGlobal()
	if err != nil {
		return list, err
	}
	all, warnings, err := s.find(r, filter{domains: domains})
	if err != nil {
		return list, err
	}
	rows, uuids := rowsOf(all)
	names, err := s.domainNames(r.Context(), rows)
	if err != nil {
		return list, err
	}
	history, err := gateway.ReadHistory(r.Context(), s.pbx.Pool, uuids)
	if err != nil {
		return list, err
	}
	list = GatewayList{Status: "success", Message: "Gateways retrieved successfully", Gateways: make([]Gateway, len(all)), Warnings: warnings, Ignoring: r.Ignoring}
	for i, one := range all {
		history.AddTo(one.row.UUID, one.shown)
		list.Gateways[i] = Gateway{
			GatewayUUID: one.row.UUID, GatewayName: one.row.Label(), GatewayDomain: one.row.Address(), GatewayEnabled: strconv.FormatBool(one.row.Enabled()),
			GatewayStatus: one.status, GatewayState: one.state, Profile: one.row.Profile(), TenantDomain: names[one.row.DomainUUID], Switches: one.shown,
		}
	}
	return list, nil
}

// shownBy is how the switches that the row is meant for show it.
func shownBy(row fusionpbx.Gateway, views []switchView) []gateway.Shown {
	shown := []gateway.Shown{}
	host := row.Get("hostname")
	elsewhere := slices.ContainsFunc(views, func(view switchView) bool { return view.err == nil && host != "" && view.names.Mean(host) })
	for _, view := range views {
		switch {
		case view.err == nil && view.names.Mean(host):
			shown = append(shown, gateway.ShownBy(view.addr, view.gateways[row.UUID]))
		case view.err != nil && !elsewhere:
			shown = append(shown, gateway.Shown{Switch: view.addr, State: gateway.StateUnknown, Status: gateway.StateUnknown})
		}
	}
	return shown
}

// domainNames are the names of the rows' domains by uuid; one that was deleted has none.
func (s *Service) domainNames(ctx context.Context, rows []fusionpbx.Gateway) (map[string]string, error) {
	uuids := map[string]bool{}
	for _, row := range rows {
		uuids[row.DomainUUID] = true
	}
	delete(uuids, "")
	names, err := s.db.DomainNames(ctx, slices.Collect(maps.Keys(uuids)))
	if err != nil {
		return nil, err
	}
	names[""] = tenant.Global
	return names, nil
}

// switchView is what one switch has loaded.
type switchView struct {
	addr     string
	gateways map[string]*freeswitch.Gateway // by name
	names    freeswitch.Names               // asked for if any row has a hostname
	err      error                          // why none of this is known
}

// viewSwitches asks all switches at once, each one question for all its gateways.
func (s *Service) viewSwitches(ctx context.Context, hostnames bool) []switchView {
	return s.view(ctx, hostnames, (*freeswitch.Switch).Gateways)
}

// viewGateway asks all switches at once for one gateway.
func (s *Service) viewGateway(ctx context.Context, uuid string, hostnames bool) []switchView {
	return s.view(ctx, hostnames, func(sw *freeswitch.Switch, ctx context.Context) ([]freeswitch.Gateway, error) {
		g, err := sw.Gateway(ctx, uuid)
		if errors.Is(err, freeswitch.ErrNoGateway) {
			return nil, nil
		}
		return []freeswitch.Gateway{g}, err
	})
}

func (s *Service) view(ctx context.Context, hostnames bool, ask func(*freeswitch.Switch, context.Context) ([]freeswitch.Gateway, error)) []switchView {
	views := make([]switchView, len(s.pbx.Switches))
	var group sync.WaitGroup
	for i, sw := range s.pbx.Switches {
		group.Go(func() {
			view := switchView{addr: sw.Addr(), gateways: map[string]*freeswitch.Gateway{}}
			loaded, err := ask(sw, ctx)
			if err == nil && hostnames {
				view.names, err = sw.Names(ctx)
			}
			if view.err = sw.Fault(err); err == nil {
				for i := range loaded {
					view.gateways[loaded[i].Name] = &loaded[i]
				}
			}
			views[i] = view
		})
	}
	group.Wait()
	return views
}

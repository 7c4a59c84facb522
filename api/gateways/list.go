package gateways

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"golang.org/x/sync/errgroup"

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
}

// Gateway is a gateway: the five documented fields, and beside them where it belongs and how
// each switch shows it. There is never a password in it.
type Gateway struct {
	GatewayUUID    string          `json:"gateway_uuid" format:"uuid"` // FusionPBX's, and the name that FreeSWITCH knows
	GatewayName    string          `json:"gateway_name"`               // the label
	GatewayDomain  string          `json:"gateway_domain"`             // the carrier's address
	GatewayEnabled string          `json:"gateway_enabled" enum:"true,false"`
	GatewayStatus  string          `json:"gateway_status" enum:"UP,DOWN"` // UP if it is up on every switch that it is meant for
	GatewayState   string          `json:"gateway_state"`                 // FreeSWITCH's word for the registration, or NOT_LOADED
	Profile        string          `json:"profile"`                       // the SIP profile
	TenantDomain   string          `json:"tenant_domain"`                 // its domain, or global
	Switches       []gateway.Shown `json:"switches"`
}

// List lists the gateways of FusionPBX as the switches show them now.
func (s *Service) List(r *web.Request) (list GatewayList, err error) {
	t, named, err := r.Tenant()
	if err != nil {
		return list, err
	}
	ctx := r.Context()
	rows, err := s.rows(r, t, named)
	if err != nil {
		return list, err
	}
	hostnames := slices.ContainsFunc(rows, func(row fusionpbx.Gateway) bool { return row.Get("hostname") != "" })
	views, err := s.viewSwitches(ctx, hostnames)
	if err != nil {
		return list, err
	}
	names, err := s.domainNames(ctx, rows)
	if err != nil {
		return list, err
	}
	list = GatewayList{Status: "success", Message: "Gateways retrieved successfully", Gateways: make([]Gateway, len(rows))}
	for i, row := range rows {
		list.Gateways[i] = listed(row, names[row.DomainUUID], views)
	}
	return list, nil
}

// rows are the gateways of the tenant that was named, else all that the caller may see.
func (s *Service) rows(r *web.Request, t tenant.Domain, named bool) ([]fusionpbx.Gateway, error) {
	ctx := r.Context()
	if named || r.Caller.Domains.All {
		return s.db.Gateways(ctx, !named, t.UUID)
	}
	var rows []fusionpbx.Gateway
	for _, own := range r.Caller.Domains.List {
		of, err := s.db.Gateways(ctx, false, own.UUID)
		if err != nil {
			return nil, err
		}
		rows = append(rows, of...)
	}
	return rows, nil
}

// listed sums up how the switches that the row is meant for show it.
func listed(row fusionpbx.Gateway, tenantName string, views []switchView) Gateway {
	g := Gateway{
		GatewayUUID:    row.UUID,
		GatewayName:    row.Label(),
		GatewayDomain:  row.Address(),
		GatewayEnabled: strconv.FormatBool(row.Enabled()),
		Profile:        row.Profile(),
		TenantDomain:   tenantName,
		Switches:       []gateway.Shown{},
	}
	var seen []*freeswitch.Gateway
	for _, view := range views {
		if !view.names.Mean(row.Get("hostname")) {
			continue
		}
		loaded := view.gateways[row.UUID]
		seen = append(seen, loaded)
		g.Switches = append(g.Switches, gateway.ShownBy(view.addr, loaded))
	}
	g.GatewayState, g.GatewayStatus = gateway.StateOf(seen)
	return g
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
}

// viewSwitches asks all switches at once, each one question for all its gateways. A list that leaves
// a switch out would show its gateways as down, so one that does not answer is an error.
func (s *Service) viewSwitches(ctx context.Context, hostnames bool) ([]switchView, error) {
	views := make([]switchView, len(s.pbx.Switches))
	group, ctx := errgroup.WithContext(ctx)
	for i, sw := range s.pbx.Switches {
		group.Go(func() (err error) {
			views[i], err = viewSwitch(ctx, sw, hostnames)
			return sw.Fault(err)
		})
	}
	return views, group.Wait()
}

func viewSwitch(ctx context.Context, sw *freeswitch.Switch, hostnames bool) (switchView, error) {
	view := switchView{addr: sw.Addr(), gateways: map[string]*freeswitch.Gateway{}}
	loaded, err := sw.Gateways(ctx)
	for i := range loaded {
		view.gateways[loaded[i].Name] = &loaded[i]
	}
	if err == nil && hostnames {
		view.names, err = sw.Names(ctx)
	}
	return view, err
}

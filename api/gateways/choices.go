package gateways

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"trunkline/api/params"
	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/freeswitch"
	"trunkline/internal/token"
)

// profileList is what a gateway's profile can be.
type profileList struct {
	Profiles []sipProfile `json:"profiles"`
	Warnings []string     `json:"warnings,omitempty"` // a switch that does not answer
}

// sipProfile is a SIP profile of FusionPBX.
type sipProfile struct {
	Name     string            `json:"name"`
	Enabled  bool              `json:"enabled"`  // else no gateway under it is ever loaded
	Switches []profileOnSwitch `json:"switches"` // of an enabled one, those that answer
}

// profileOnSwitch is a SIP profile on one switch.
type profileOnSwitch struct {
	Switch  string `json:"switch"` // its event socket, host:port
	Running bool   `json:"running"`
}

// domainPage is one page of the domains that the caller sees, by name.
type domainPage struct {
	Domains []domain `json:"domains"`
	Next    string   `json:"next,omitempty"` // the after of the next page; absent on the last one
}

// domain is a domain of FusionPBX.
type domain struct {
	DomainUUID      string `json:"domain_uuid" format:"uuid"`
	Name            string `json:"name"`
	Enabled         bool   `json:"enabled"`
	Gateways        int    `json:"gateways"`         // how many it has
	GatewaysEnabled int    `json:"gateways_enabled"` // how many of those are enabled
}

// choiceEndpoints are for who lets people choose what a gateway is to have.
func (s *Service) choiceEndpoints() []web.Endpoint {
	return []web.Endpoint{
		{
			ID: "listProfiles", Summary: "List the SIP profiles, and where they run", Methods: []string{"GET"}, Path: "/v1/profiles", Entry: web.SignedIn, Scope: token.ScopeRead,
			Limit: web.LimitGateways, Answer: web.JSON(http.StatusOK, s.profiles),
			Replies: []web.Reply{{Status: http.StatusOK, About: "The profiles.", Body: profileList{}}},
			Faults:  []fault.Code{fault.ServerError},
		},
		{
			ID: "listDomains", Summary: "List the domains that the caller sees", Methods: []string{"GET"}, Path: "/v1/domains", Entry: web.SignedIn, Scope: token.ScopeRead,
			Answer: web.JSON(http.StatusOK, s.domains), Params: web.PageParams,
			Replies: []web.Reply{{Status: http.StatusOK, About: "A page of domains.", Body: domainPage{}}},
			Faults:  []fault.Code{fault.ServerError},
		},
	}
}

// profiles lists the SIP profiles, and has each switch asked which of them run there.
func (s *Service) profiles(r *web.Request) (list profileList, err error) {
	ctx := r.Context()
	enabled, err := s.db.ProfileNames(ctx)
	if err != nil {
		return list, err
	}
	names := slices.Sorted(maps.Keys(enabled))
	asked := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !enabled[name] })
	running, failed := make([]map[string]bool, len(s.pbx.Switches)), make([]error, len(s.pbx.Switches))
	var group sync.WaitGroup
	for i, sw := range s.pbx.Switches {
		group.Go(func() { running[i], failed[i] = runningOn(ctx, sw, asked) })
	}
	group.Wait()
	if err := ctx.Err(); err != nil {
		return list, err
	}
	list.Profiles = make([]sipProfile, len(names))
	for n, name := range names {
		list.Profiles[n] = sipProfile{Name: name, Enabled: enabled[name], Switches: []profileOnSwitch{}}
		for i, sw := range s.pbx.Switches {
			if enabled[name] && failed[i] == nil {
				list.Profiles[n].Switches = append(list.Profiles[n].Switches, profileOnSwitch{Switch: sw.Addr(), Running: running[i][name]})
			}
		}
	}
	for _, err := range failed {
		if err != nil {
			list.Warnings = append(list.Warnings, err.Error())
		}
	}
	return list, nil
}

func runningOn(ctx context.Context, sw *freeswitch.Switch, profiles []string) (map[string]bool, error) {
	running := map[string]bool{}
	for _, profile := range profiles {
		if freeswitch.CheckProfile(profile) != nil {
			continue // FreeSWITCH runs none of such a name
		}
		err := sw.ProfileRunning(ctx, profile)
		if _, stopped := errors.AsType[*freeswitch.ProfileError](err); err != nil && !stopped {
			return nil, sw.Fault(err)
		}
		running[profile] = err == nil
	}
	return running, nil
}

// domains lists the domains that the caller may see.
func (s *Service) domains(r *web.Request) (page domainPage, err error) {
	limit, err := r.Params.Limit()
	if err != nil {
		return page, err
	}
	found, err := s.db.DomainsWithGateways(r.Context(), r.Caller.Domains, r.Params.Get("after"), limit+1)
	if err != nil {
		return page, err
	}
	if len(found) > limit {
		found = found[:limit]
		page.Next = found[limit-1].Name
	}
	page.Domains = make([]domain, len(found))
	for i, d := range found {
		page.Domains[i] = domain{DomainUUID: d.UUID, Name: d.Name, Enabled: d.Domain.Enabled, Gateways: d.Gateways, GatewaysEnabled: d.EnabledGateways}
	}
	return page, nil
}

// DomainNames are the names of the domains that the caller sees. all is false if they are more than a page of their list has.
func (s *Service) DomainNames(r *web.Request) (names []string, all bool, err error) {
	page, err := s.domains(r.With(params.Values{"limit": strconv.Itoa(params.MaxPage)}))
	for _, d := range page.Domains {
		names = append(names, d.Name)
	}
	return names, page.Next == "", err
}

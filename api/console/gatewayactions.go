package console

import (
	"trunkline/api/gateways"
	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/token"
	"trunkline/tasks"
)

// gatewayAction is what is done with one gateway after its own page has asked whether it is meant.
type gatewayAction struct {
	name, title, effect string
	force               bool // it may be done though outbound routes name the gateway
	do                  func(s *gateways.Service, r *web.Request, seen string) (tasks.Job, error)
}

var gatewayActions = []gatewayAction{
	{"enable", "Enable the gateway", "Every switch that it is meant for loads it, and calls can go through it.", false, (*gateways.Service).Enable},
	{"disable", "Disable the gateway", "Every switch unloads it, and no call goes through it until it is enabled again. Its settings stay.", false, (*gateways.Service).Disable},
	{"re-register", "Register the gateway again", "Every switch ends its registration at the carrier and begins a new one. Incoming calls may be missed meanwhile.", false, (*gateways.Service).Reregister},
	{"delete", "Delete the gateway", "Its row is deleted from FusionPBX, its password with it, and every switch unloads it. This cannot be undone.", true, (*gateways.Service).Delete},
}

// asking is a page that asks whether something is meant.
type asking struct {
	gateways.GatewayDetail
	Title, Effect, Path string
	Force               bool
	Routes              []string // outbound routes that name it, of a deletion
	More                int      // how many more there are
	Version             string   // of the gateway that it is about
	Problem             string   // why nothing was done
}

// mostRoutes is how many outbound routes a page names.
const mostRoutes = 50

// changedSince is why nothing was done with a gateway that is not any more what the page showed.
const changedSince = "The gateway was changed since that page was made, and nothing was done. This is about it as it stands now."

// gatewayActionPages are the pages at the actions' own paths: to read one asks, and its form does it.
func gatewayActionPages() (all []page) {
	for _, a := range gatewayActions {
		path := "/gateways/:id/" + a.name
		p := page{path: path, title: a.title, template: "gatewayaction", unlisted: true, scope: token.ScopeProvision}
		p.show = func(s *Service, r *web.Request) (any, error) { return s.asking(r, a) }
		does := action{path: path, scope: token.ScopeProvision, atOnce: []web.AtOnce{web.AtOnceJobs}, params: []web.Param{versionParam}}
		if a.force {
			does.params = append(does.params, web.Param{Name: "force", Kind: web.KindFlag})
		}
		does.do = func(s *Service, r *web.Request) (next string, err error) {
			job, err := a.do(s.Gateways, r, r.Params.Get(versionParam.Name))
			return "/jobs/" + job.ID, err
		}
		does.again = func(s *Service, r *web.Request, f *fault.Error) (any, error) {
			asked, err := s.asking(r, a)
			if asked.Problem = f.Message; f.Code == fault.PreconditionFailed {
				asked.Problem = changedSince
			}
			return asked, err
		}
		p.actions = []action{does}
		all = append(all, p)
	}
	return all
}

// versionParam is the gateway as a page showed it: what its form asks for is not done to another one.
var versionParam = web.Param{Name: "version"}

func (s *Service) asking(r *web.Request, a gatewayAction) (asked asking, err error) {
	detail, tag, err := s.Gateways.Show(r)
	if err != nil {
		return asked, err
	}
	asked = asking{GatewayDetail: detail, Title: a.title, Effect: a.effect, Path: home + "/gateways/" + detail.GatewayUUID + "/" + a.name, Force: a.force, Version: tag}
	if !a.force {
		return asked, nil
	}
	routes, err := s.Gateways.Routes(r)
	if asked.Routes = routes; len(routes) > mostRoutes {
		asked.Routes, asked.More = routes[:mostRoutes], len(routes)-mostRoutes
	}
	return asked, err
}

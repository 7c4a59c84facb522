package console

import (
	"trunkline/api/gateways"
	"trunkline/api/web"
	"trunkline/internal/token"
	"trunkline/tasks"
)

// gatewayAction is what is done with one gateway after its own page has asked whether it is meant.
type gatewayAction struct {
	name, title, effect string
	force               bool // it may be done though outbound routes name the gateway
	do                  func(*gateways.Service, *web.Request) (tasks.Job, error)
}

var gatewayActions = []gatewayAction{
	{"enable", "Enable the gateway", "Every switch that it is meant for loads it, and calls can go through it.", false, (*gateways.Service).Enable},
	{"disable", "Disable the gateway", "Every switch unloads it, and no call goes through it until it is enabled again. Its settings stay.", false, (*gateways.Service).Disable},
	{"re-register", "Register the gateway again", "Every switch ends its registration at the carrier and begins a new one. Incoming calls may be missed meanwhile.", false, (*gateways.Service).Reregister},
	{"delete", "Delete the gateway", "Its row is deleted from FusionPBX, its password with it, and every switch unloads it. This cannot be undone. If outbound routes name it, it is refused with their names.", true, (*gateways.Service).Delete},
}

// asking is a page that asks whether something is meant.
type asking struct {
	gateways.GatewayDetail
	Title, Effect, Path string
	Force               bool
}

// gatewayActionPages are the pages at the actions' own paths: to read one asks, and its form does it.
func gatewayActionPages() (all []page) {
	for _, a := range gatewayActions {
		path := "/gateways/:id/" + a.name
		p := page{path: path, title: a.title, template: "gatewayaction", unlisted: true, scope: token.ScopeProvision}
		p.show = func(s *Service, r *web.Request) (any, error) {
			detail, _, err := s.Gateways.Show(r)
			return asking{detail, a.title, a.effect, home + "/gateways/" + detail.GatewayUUID + "/" + a.name, a.force}, err
		}
		does := action{path: path, scope: token.ScopeProvision, atOnce: []web.AtOnce{web.AtOnceJobs}}
		if a.force {
			does.params = []web.Param{{Name: "force", Kind: web.KindFlag}}
		}
		does.do = func(s *Service, r *web.Request) (next string, err error) {
			job, err := a.do(s.Gateways, r)
			return "/jobs/" + job.ID, err
		}
		p.actions = []action{does}
		all = append(all, p)
	}
	return all
}

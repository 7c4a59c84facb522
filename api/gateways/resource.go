package gateways

import (
	"net/http"
	"slices"

	"trunkline/api/jobs"
	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/gateway/table"
	"trunkline/internal/token"
)

// The paths of gateways as a resource.
const (
	allPath          = "/v1/gateways"
	onePath          = allPath + "/:id"
	byExternalIDPath = allPath + "/by-external-id/:external_id"
)

// resourceEndpoints are those of gateways as a resource, by uuid and by external_id.
func (s *Service) resourceEndpoints() []web.Endpoint {
	reads := func(e web.Endpoint) web.Endpoint {
		e.Methods, e.Entry, e.Scope, e.Limit = []string{"GET"}, web.SignedIn, token.ScopeRead, web.LimitGateways
		e.Faults = append(e.Faults, fault.NotFound, fault.ServerError)
		return e
	}
	changes := func(method string, e web.Endpoint) web.Endpoint {
		e.Methods, e.Entry, e.Scope, e.Limit = []string{method}, web.SignedIn, token.ScopeProvision, web.LimitGateways
		e.AtOnce = []web.AtOnce{web.AtOnceJobs}
		e.Faults = slices.Concat(gatewayFaults, jobs.Faults)
		return e
	}
	asAsked := web.Reply{Status: http.StatusOK, About: "The gateway is as asked for on every switch that it is meant for.", Body: changedGateway{}, ETag: true}
	ofAbsent := web.Reply{Status: http.StatusOK, About: "The gateway takes no calls, or there is none.", Body: changedGateway{}}
	made := web.Reply{Status: http.StatusCreated, About: "It was made, and every switch that it is meant for has it.", Body: changedGateway{}, Location: true, ETag: true}
	gone := web.Reply{Status: http.StatusOK, About: "It is gone from FusionPBX and from every switch.", Body: deletedGateway{}}
	shown := web.Reply{Status: http.StatusOK, About: "The gateway.", Body: GatewayDetail{}, ETag: true}
	to := func(params []web.Param) []web.Param { return slices.Concat(web.OneTenantParams, params) }
	const twice = "Again is success."
	return []web.Endpoint{
		reads(web.Endpoint{
			ID: "searchGateways", Summary: "List gateways, with how the switches show them now", Path: allPath, Answer: s.searchOrExport,
			Note:   "As csv or ndjson all of them are a file that an import reads; of several external_ids it has the first.",
			Params: slices.Concat(filterParams, web.PageParams, exportParams),
			Replies: []web.Reply{{
				Status: http.StatusOK, About: "A page of gateways; or all of them as a file.", Body: GatewayPage{},
				Media: []string{exportMedia[table.CSV], exportMedia[table.NDJSON]},
			}},
			Faults: []fault.Code{fault.SwitchUnavailable},
		}),
		reads(web.Endpoint{
			ID: "getGateway", Summary: "Show a gateway, with how each switch shows it now", Path: onePath, Answer: s.show, Replies: []web.Reply{shown},
		}),
		s.historyEndpoint(),
		changes("POST", web.Endpoint{
			ID: "createGateway", Summary: "Make a gateway", Note: "One of that name is refused (409).", Path: allPath, Answer: s.create,
			Params: createParams(), Replies: []web.Reply{asAsked, made, jobs.NotFinished},
		}),
		changes("PUT", web.Endpoint{
			ID: "replaceGateway", Summary: "Have a gateway be as the request says", Path: onePath, Answer: s.put,
			Note:   "What is left out gets the default of FusionPBX's page; name and password are kept.",
			Params: to(editParams()), Replies: []web.Reply{asAsked, jobs.NotFinished},
		}),
		changes("PATCH", web.Endpoint{
			ID: "changeGateway", Summary: "Change what is named of a gateway", Path: onePath, Answer: s.patch,
			Params: to(editParams()), Replies: []web.Reply{asAsked, jobs.NotFinished},
		}),
		changes("DELETE", web.Endpoint{
			ID: "deleteGateway", Summary: "Delete a gateway", Note: "One that is absent is success.", Path: onePath, Answer: s.delete,
			Params: slices.Concat([]web.Param{forceParam, conditionParams[0]}, jobs.Params), Replies: []web.Reply{gone, jobs.NotFinished},
		}),
		changes("DELETE", web.Endpoint{
			ID: "deleteGatewayByName", Summary: "Delete a gateway by its name", Note: "One that is absent is success.", Path: allPath, Answer: s.delete,
			Params: slices.Concat([]web.Param{{Name: "gateway_name", About: "Its label; may be left out with external_id."}, forceParam, conditionParams[0]},
				web.OneTenantParams, jobs.Params), Replies: []web.Reply{gone, jobs.NotFinished},
		}),
		changes("POST", web.Endpoint{
			ID: "enableGateway", Summary: "Have a gateway take calls", Note: twice, Path: onePath + "/enable", Answer: s.enable,
			Params: switchParams(), Replies: []web.Reply{asAsked, jobs.NotFinished},
		}),
		changes("POST", web.Endpoint{
			ID: "disableGateway", Summary: "Have a gateway take no calls", Note: twice + " So is one that is absent.", Path: onePath + "/disable", Answer: s.disable,
			Params: switchParams(), Replies: []web.Reply{ofAbsent, jobs.NotFinished},
		}),
		changes("POST", web.Endpoint{
			ID: "reregisterGateway", Summary: "Have a gateway unregister and register again", Path: onePath + "/re-register", Answer: s.reregister,
			Params: switchParams(), Replies: []web.Reply{asAsked, jobs.NotFinished},
		}),
		changes("POST", web.Endpoint{
			ID: "copyGateway", Summary: "Make a gateway like this one, disabled, with its password", Path: onePath + "/copy", Answer: s.copy,
			Params:  slices.Concat([]web.Param{{Name: "gateway_name", About: "The copy's label; left out: this one's, and (copy)."}}, switchParams()[:len(switchParams())-1]),
			Replies: []web.Reply{asAsked, made, jobs.NotFinished},
		}),

		reads(web.Endpoint{
			ID: "getGatewayByExternalID", Summary: "Show the gateway that has an external_id", Path: byExternalIDPath, Answer: s.show,
			Params: web.OneTenantParams, Replies: []web.Reply{shown}, Faults: []fault.Code{fault.Conflict},
		}),
		changes("PUT", web.Endpoint{
			ID: "putGatewayByExternalID", Summary: "Have the gateway that has an external_id be as the request says, or make it", Path: byExternalIDPath, Answer: s.put,
			Note:   "What is left out gets the default of FusionPBX's page; name and password of one that there is are kept. Again is success.",
			Params: to(editParams()), Replies: []web.Reply{asAsked, made, jobs.NotFinished},
		}),
		changes("DELETE", web.Endpoint{
			ID: "deleteGatewayByExternalID", Summary: "Delete the gateway that has an external_id", Note: "One that is absent is success.", Path: byExternalIDPath, Answer: s.delete,
			Params: to(append([]web.Param{forceParam}, switchParams()...)), Replies: []web.Reply{gone, jobs.NotFinished},
		}),
		changes("POST", web.Endpoint{
			ID: "enableGatewayByExternalID", Summary: "Have the gateway that has an external_id take calls", Note: twice, Path: byExternalIDPath + "/enable", Answer: s.enable,
			Params: to(switchParams()), Replies: []web.Reply{asAsked, jobs.NotFinished},
		}),
		changes("POST", web.Endpoint{
			ID: "disableGatewayByExternalID", Summary: "Have the gateway that has an external_id take no calls", Note: twice + " So is one that is absent.",
			Path: byExternalIDPath + "/disable", Answer: s.disable, Params: to(switchParams()), Replies: []web.Reply{ofAbsent, jobs.NotFinished},
		}),
		{
			ID: "adoptGateway", Summary: "Have a gateway that there is be known by an external_id", Note: twice, Methods: []string{"POST"}, Path: byExternalIDPath + "/adopt",
			Entry: web.SignedIn, Scope: token.ScopeProvision, Limit: web.LimitGateways, Answer: s.adopt,
			Params: to([]web.Param{
				{Name: "gateway_uuid", About: "The gateway.", Kind: web.KindUUID, Required: true},
				{Name: "replace", About: "true: the external_ids that it has are taken from it; left out, one that has another is refused (409).", Kind: web.KindFlag},
			}),
			Replies: []web.Reply{{Status: http.StatusOK, About: "It is known by the external_id.", Body: adoptedGateway{}}},
			Faults:  []fault.Code{fault.MissingParameters, fault.NotFound, fault.Conflict, fault.ServerError},
		},
	}
}

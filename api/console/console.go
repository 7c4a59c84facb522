// Package console is the web console: pages for people, made on the server, which work without a script. What they show
// and do they get from the same functions as the endpoints of /v1, by a request whose caller is the session's holder. It
// must not know how anything is done, nor ask the database itself.
package console

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"trunkline/api/admin"
	"trunkline/api/cdrs"
	"trunkline/api/deliveries"
	"trunkline/api/gateways"
	"trunkline/api/jobs"
	"trunkline/api/schedules"
	"trunkline/api/status"
	"trunkline/api/web"
	"trunkline/internal/config"
	"trunkline/internal/fault"
)

// Options are what pages show and do things by.
type Options struct {
	Settings   config.Settings
	Status     *status.Service
	Gateways   *gateways.Service
	Jobs       *jobs.Service
	CDRs       *cdrs.Service
	Deliveries *deliveries.Service
	Schedules  *schedules.Service
	Admin      *admin.Service
	// Troubles are what is wrong with each part of Trunkline and the PBX, by its name; "" if nothing is.
	Troubles func(ctx context.Context) map[string]string
	OpenAPI  []byte // what describes the API
}

// Service answers with pages.
type Service struct {
	Options
	operations func() ([]operationGroup, error) // of the API
}

// New returns the console.
func New(o Options) *Service {
	return &Service{o, sync.OnceValues(func() ([]operationGroup, error) { return operationsOf(o.OpenAPI) })}
}

// home is the console's own path, below which all others lie.
const home = "/console"

// Pages are the endpoints that browsers ask for.
func (s *Service) Pages() web.Group {
	g := web.Group{Name: "console", Endpoints: append(s.doors(), assetEndpoint(), s.chartEndpoint(), s.callsChartEndpoint(), s.descriptionEndpoint(), s.exportFileEndpoint(), s.importTemplateEndpoint(), s.itemsEndpoint())}
	for _, p := range pages {
		g.Endpoints = append(g.Endpoints, s.pageEndpoint(p))
		for _, a := range p.actions {
			g.Endpoints = append(g.Endpoints, s.actionEndpoint(p, a))
			if !isPage(a.path) {
				g.Endpoints = append(g.Endpoints, s.backEndpoint(p, a))
			}
		}
	}
	return g
}

func isPage(path string) bool {
	return slices.ContainsFunc(pages, func(p page) bool { return p.path == path })
}

// backEndpoint leads to the page whoever reads the path of its form's action: after signing in anew, or by the browser's
// field of addresses.
func (s *Service) backEndpoint(p page, a action) web.Endpoint {
	return web.Endpoint{
		ID: "console" + a.path + ".back", Methods: []string{"GET"}, Path: home + a.path, Entry: web.Console, Scope: p.scope, Also: p.also,
		Failed: s.failed, NoSession: toSignIn,
		Answer: func(r *web.Request) error {
			parts := strings.Split(p.path, "/")
			for i, part := range parts {
				if name, is := strings.CutPrefix(part, ":"); is {
					parts[i] = url.PathEscape(r.Path(name))
				}
			}
			redirect(r, home+strings.Join(parts, "/"))
			return nil
		},
	}
}

func (s *Service) pageEndpoint(p page) web.Endpoint {
	return web.Endpoint{
		ID: "console" + p.path, Methods: []string{"GET"}, Path: home + p.path, Entry: web.Console, Scope: p.scope, Also: p.also,
		Params: append(slices.Clone(p.params), zoneParam), AtOnce: append(slices.Clone(p.atOnce), web.AtOnceStreams),
		Failed: s.failed, NoSession: toSignIn,
		Answer: func(r *web.Request) error {
			if _, err := zoneOf(r); err != nil {
				return err
			}
			if err := p.admits(r); err != nil {
				return err
			}
			if p.live && wantsEvents(r) {
				return s.stream(r, p)
			}
			data, err := p.show(s, r)
			if err != nil {
				return err
			}
			keepZone(r)
			v := s.viewOf(r, p.title, data)
			v.Live = p.live
			s.render(r, http.StatusOK, p.template, v)
			return nil
		},
	}
}

// admits fails if the page is not for the caller.
func (p page) admits(r *web.Request) error {
	if p.overall && !r.Caller.Domains.All {
		return fault.Errorf(fault.Forbidden, "this is everybody's, and you are here for %s alone; sign in as a superadmin or with a token for all domains", r.Caller.Domains.Names())
	}
	return nil
}

func (s *Service) actionEndpoint(p page, a action) web.Endpoint {
	return web.Endpoint{
		ID: "console" + a.path, Methods: []string{"POST"}, Path: home + a.path, Entry: web.Console, Scope: a.scope, Also: a.also, Params: a.params, AtOnce: a.atOnce, File: a.file,
		Failed: func(r *web.Request, status int, f *fault.Error) {
			if a.again != nil && r.Session.ID != "" && f.Code != fault.CrossSite && r.Caller.May(p.scope) && (p.also == "" || r.Caller.May(p.also)) && p.admits(r) == nil {
				if data, err := a.again(s, r, f); err == nil {
					s.render(r, status, p.template, s.viewOf(r, p.title, data))
					return
				}
			}
			s.failed(r, status, f)
		},
		NoSession: toSignIn,
		Answer: func(r *web.Request) error {
			if err := p.admits(r); err != nil {
				return err
			}
			if a.answer != nil {
				is, err := a.answer(s, r)
				if err == nil {
					s.render(r, is.status, is.template, s.viewOf(r, is.title, is.data))
				}
				return err
			}
			next, err := a.do(s, r)
			if err == nil {
				redirect(r, home+next)
			}
			return err
		},
	}
}

// redirect has the browser get the path.
func redirect(r *web.Request, path string) {
	r.SetHeader("Location", path)
	r.Data(http.StatusSeeOther, "text/plain; charset=utf-8", nil)
}

// failed shows an error as a page: in words, with what to do.
func (s *Service) failed(r *web.Request, status int, f *fault.Error) {
	s.render(r, status, "error", s.viewOf(r, http.StatusText(status), f))
}

// toSignIn sends who has no session to the page where one signs in, and from there back to where they were.
func toSignIn(r *web.Request) error {
	req := r.HTTP()
	back := req.URL.RequestURI()
	if req.Method != http.MethodGet {
		from, err := url.Parse(req.Referer())
		if back = home; err == nil {
			back = from.RequestURI()
		}
	}
	// A link on another site's page was followed: the browser sends no cookie along, but does if one of our pages asks.
	if req.Header.Get("Sec-Fetch-Site") == "cross-site" {
		r.SetHeader("Refresh", "0; url="+local(back))
		r.Data(http.StatusOK, "text/html; charset=utf-8", nil)
		return nil
	}
	redirect(r, home+"/sign-in?"+url.Values{"next": {local(back)}}.Encode())
	return nil
}

// local is the path and query if they lie within the console, else the console's own path: nobody is sent elsewhere.
func local(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "" || u.Host != "" || u.Path != home && !strings.HasPrefix(u.Path, home+"/") || strings.Contains(u.Path, "..") {
		return home
	}
	return u.RequestURI()
}

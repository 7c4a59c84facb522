package console

import (
	"trunkline/api/web"
	"trunkline/internal/session"
)

var sessionsPage = page{
	path: "/sessions", title: "Sessions", template: "sessions", show: (*Service).sessions,
	actions: []action{{
		path: "/sessions/end", params: []web.Param{{Name: "id", Kind: web.KindUUID}}, do: (*Service).endSession,
	}},
}

// sessions are who is signed in.
type sessions struct {
	Own    string // the id of the session that asks
	List   []session.Session
	Others bool // whether it may have other people's
}

func (s *Service) sessions(r *web.Request) (any, error) {
	list, err := r.Sessions()
	return sessions{Own: r.Session.ID, List: list, Others: len(r.SessionBounds().Domains.List) > 0 || r.SessionBounds().Domains.All}, err
}

func (s *Service) endSession(r *web.Request) (next string, err error) {
	return "/sessions", r.EndSession(r.Params.Get("id"))
}

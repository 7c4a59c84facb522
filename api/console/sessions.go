package console

import (
	"net/http"
	"time"

	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/session"
	"trunkline/internal/token"
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

// Session is somebody who is signed in to the console.
type Session struct {
	ID         string      `json:"id" format:"uuid"`
	Who        string      `json:"who"` // their name when they signed in
	Way        session.Way `json:"way"` // how they signed in
	DomainUUID string      `json:"domain_uuid,omitempty" format:"uuid"`
	Address    string      `json:"address"`    // from which they signed in
	Agent      string      `json:"agent"`      // what their browser calls itself
	CreatedAt  time.Time   `json:"created_at"` // when they signed in
	UsedAt     time.Time   `json:"used_at"`    // when it was last used, to the minute
	ExpiresAt  time.Time   `json:"expires_at"` // when it ends, however much it is used
}

// SessionList is who is signed in, the one whose session was used last first.
type SessionList struct {
	Sessions []Session `json:"sessions"` // up to 500
}

func sessionEndpoints() []web.Endpoint {
	return []web.Endpoint{
		{
			ID: "listSessions", Summary: "Who is signed in to the console", Note: "Those of the caller's domains; those who see all domains are shown to callers of all domains.",
			Methods: []string{"GET"}, Path: "/v1/console/sessions", Entry: web.SignedIn, Scope: token.ScopeAdmin,
			Answer:  web.JSON(http.StatusOK, listSessions),
			Replies: []web.Reply{{Status: 200, About: "The sessions that are not over.", Body: SessionList{}}},
		},
		{
			ID: "endSession", Summary: "End a session of the console", Note: "It cannot be used any more, from that moment on.",
			Methods: []string{"DELETE"}, Path: "/v1/console/sessions/:id", Entry: web.SignedIn, Scope: token.ScopeAdmin,
			Answer:  web.JSON(http.StatusOK, endSession),
			Replies: []web.Reply{{Status: 200, About: "The session that has ended.", Body: EndedSession{}}},
			Faults:  []fault.Code{fault.NotFound},
		},
	}
}

func listSessions(r *web.Request) (SessionList, error) {
	found, err := r.Sessions()
	list := SessionList{Sessions: []Session{}}
	for _, one := range found {
		list.Sessions = append(list.Sessions, Session{
			ID: one.ID, Who: one.Who, Way: one.Way, DomainUUID: one.DomainUUID, Address: one.Address, Agent: one.Agent,
			CreatedAt: one.CreatedAt, UsedAt: one.UsedAt, ExpiresAt: one.ExpiresAt,
		})
	}
	return list, err
}

// EndedSession is the session that has ended.
type EndedSession struct {
	ID string `json:"id" format:"uuid"`
}

func endSession(r *web.Request) (EndedSession, error) {
	id := r.Path("id")
	return EndedSession{ID: id}, r.EndSession(id)
}

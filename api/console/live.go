package console

import (
	"bytes"
	"errors"
	"strings"
	"time"

	"trunkline/api/web"
)

const (
	// liveEvery is how often it is looked whether the live part of a page has changed.
	liveEvery = 2 * time.Second
	// liveShare is of what part of its time a page is looked at most: one whose filter takes long is looked at less often.
	liveShare = 20
)

// wantsEvents reports whether the page's script asks for what changes.
func wantsEvents(r *web.Request) bool {
	return strings.HasPrefix(r.Header("Accept"), "text/event-stream")
}

// stream sends the page's template "live" whenever it has changed, as the event "live". What the session's holder may do is
// judged before each; the event "over" says why there are no more. The session is not used by that: who only watches is
// signed out in time.
func (s *Service) stream(r *web.Request, p page) error {
	ofDomain := ""
	if d := r.Caller.Domains; !d.All && len(d.List) == 1 {
		ofDomain = d.List[0].UUID
	}
	leave, err := r.Place(web.AtOnceStreams, ofDomain)
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := r.Lasting()
	defer cancel()
	looked := time.Now()
	data, err := p.show(s, r)
	if err != nil {
		return err
	}
	events, err := web.NewEventStream(r.Writer())
	for shown := ""; err == nil; data, err = p.show(s, r) {
		pause := min(max(liveEvery, liveShare*time.Since(looked)), web.KeepAlive)
		var now bytes.Buffer
		if err = s.write(&now, "live", p.template, s.viewOf(r, p.title, data)); err == nil && now.String() != shown {
			shown = now.String()
			err = events.Send("live", "", shown)
		}
		if err == nil {
			err = events.Quiet()
		}
		if err != nil {
			break
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		looked = time.Now()
		if err = r.StillMay(ctx); err == nil && p.scope != "" {
			err = r.Need(p.scope)
		}
		if err != nil {
			break
		}
	}
	if ctx.Err() == nil && !errors.Is(err, web.ErrGone) {
		err = events.Send("over", "", r.Words(err))
	}
	if errors.Is(err, web.ErrGone) {
		err = nil // they have gone
	}
	return err
}

package web

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"trunkline/internal/cache"
	"trunkline/internal/config"
	"trunkline/internal/fault"
)

// AtOnce is what only so many requests may do at once, as messages have it: what is heavy, or goes on for long.
type AtOnce string

// What an endpoint may have places of, each with a setting of its own.
const (
	AtOnceReads     AtOnce = "readings of CDRs"
	AtOnceJobs      AtOnce = "requests for jobs"
	AtOnceStreams   AtOnce = "streams of events"
	AtOnceDownloads AtOnce = "downloads"
	AtOnceUploads   AtOnce = "uploads"
	AtOnceTests     AtOnce = "tests of destinations"
)

const (
	// readPatience is how long a request waits for its turn to read. What goes on for long is not waited for.
	readPatience = 5 * time.Second
	// acceptPatience is how long a request waits for its turn to be judged and accepted.
	acceptPatience = 20 * time.Second
	// placeRetry is when whoever found no place is told to come back.
	placeRetry = 2 * time.Second
	// sharedAge is how old the knowledge may be that the PBX has several domains.
	sharedAge = time.Minute
)

// newPlaces are the places of a process.
func newPlaces(s config.Settings) map[AtOnce]*places {
	return map[AtOnce]*places{
		AtOnceReads:     {what: AtOnceReads, setting: "TRUNKLINE_CDR_READS", most: s.CDRReads, patience: readPatience},
		AtOnceJobs:      {what: AtOnceJobs, setting: "TRUNKLINE_JOB_REQUESTS", most: s.JobRequests, patience: acceptPatience},
		AtOnceStreams:   {what: AtOnceStreams, setting: "TRUNKLINE_EVENT_STREAMS", most: s.EventStreams},
		AtOnceUploads:   {what: AtOnceUploads, setting: "TRUNKLINE_BULK_UPLOADS", most: s.BulkUploads, patience: acceptPatience},
		AtOnceTests:     {what: AtOnceTests, setting: "TRUNKLINE_DESTINATION_TESTS", most: s.DestinationTests, patience: acceptPatience},
		AtOnceDownloads: {what: AtOnceDownloads, setting: "TRUNKLINE_DOWNLOADS", most: s.Downloads},
	}
}

// Place takes one of the places for what the request does of the domain ("": of none, or of all), or refuses it.
// The endpoint must declare it. leave gives it back, once.
func (r *Request) Place(of AtOnce, domainUUID string) (leave func(), err error) {
	if !slices.Contains(r.of.AtOnce, of) {
		return nil, fmt.Errorf("the endpoint %s does not declare that it has places of %s", r.endpoint, of)
	}
	shared, err := r.front.shared.Read(r.Context(), "", func(ctx context.Context) (bool, time.Duration, error) {
		several, err := r.front.DB.SeveralDomains(ctx)
		return several, sharedAge, err
	})
	if err != nil {
		return nil, err
	}
	return r.front.places[of].take(r.Context(), domainUUID, shared)
}

func newShared() *cache.Cache[bool] {
	return cache.New[bool](cache.Options{Most: 1, ReadTimeout: AnswerTimeout, Ahead: true})
}

// places bounds how much is done at once. Of places that are shared a domain gets another one only while it holds
// fewer than are free: alone it has half of them, with others a part that is the smaller the more they are, and
// none ever holds the last one. Of those that wait, the domain that holds the fewest goes first.
type places struct {
	what     AtOnce
	setting  string
	most     int
	patience time.Duration // how long a place is waited for

	mu      sync.Mutex
	held    map[string]int // by domain
	taken   int
	waiting []*inLine // who came first is first
}

// inLine is somebody who waits for a place.
type inLine struct {
	domain string
	shared bool
	got    chan struct{} // closed with the place
}

func (p *places) take(ctx context.Context, domain string, shared bool) (leave func(), err error) {
	w := &inLine{domain: domain, shared: shared, got: make(chan struct{})}
	p.mu.Lock()
	p.waiting = append(p.waiting, w)
	p.give()
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, p.patience)
	defer cancel()
	select {
	case <-w.got:
	case <-ctx.Done():
		if err := p.giveUp(w); err != nil {
			return nil, err
		}
	}
	return sync.OnceFunc(func() { p.leave(domain) }), nil
}

// give gives the free places to those who wait and may have one.
func (p *places) give() {
	for {
		next := -1
		for i, w := range p.waiting {
			if p.may(w) && (next < 0 || p.held[w.domain] < p.held[p.waiting[next].domain]) {
				next = i
			}
		}
		if next < 0 {
			return
		}
		w := p.waiting[next]
		p.waiting = slices.Delete(p.waiting, next, next+1)
		if p.held == nil {
			p.held = map[string]int{}
		}
		p.held[w.domain]++
		p.taken++
		close(w.got)
	}
}

func (p *places) may(w *inLine) bool {
	free := p.most - p.taken
	return free > 0 && (!w.shared || p.held[w.domain] < free)
}

// giveUp takes who waits out of the line and says why there was no place; nil: it has got one by now.
func (p *places) giveUp(w *inLine) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.waiting, w)
	if i < 0 {
		return nil
	}
	p.waiting = slices.Delete(p.waiting, i, i+1)
	err := fault.Errorf(fault.Unavailable, "there are %d %s already, the most there may be at once (%s); try again in a moment", p.most, p.what, p.setting)
	if p.taken < p.most {
		err = fault.Errorf(fault.RateLimited, "this domain has %d %s at once already, its share of %s; try again when one has ended", p.held[w.domain], p.what, p.setting)
	}
	err.RetryAfter = placeRetry
	return err
}

func (p *places) leave(domain string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken--
	if p.held[domain]--; p.held[domain] == 0 {
		delete(p.held, domain)
	}
	p.give()
}

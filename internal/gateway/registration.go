package gateway

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"trunkline/internal/fault"
	"trunkline/internal/freeswitch"
	"trunkline/internal/postgres"
)

// Registrations knows how the gateways' registrations stand: what the carriers answered last, as the switches' events
// told since the process began to listen, and what the switches' lists show. Events are hints, the lists are the truth.
type Registrations struct {
	applier *Applier
	changed chan struct{} // has a value if an event came

	mu     sync.Mutex
	heard  map[at]heard
	unkept map[at]bool // those whose answer has changed since Keep wrote them
	states map[at]showing
	moved  map[at]time.Time // when those came to be so whose state has changed since KeepStates wrote them
	blind  bool             // there is something since the last look that no event tells
}

// at is a gateway on a switch.
type at struct{ uuid, sw string }

func compareAt(a, b at) int { return cmp.Or(cmp.Compare(a.uuid, b.uuid), cmp.Compare(a.sw, b.sw)) }

// heard is what events told of a gateway since it was loaded.
type heard struct {
	state  string
	answer freeswitch.Answer
	since  time.Time // of the answer
	last   time.Time // when it was heard last
}

// Registrations returns a new Registrations of the applier's switches.
func (a *Applier) Registrations() *Registrations {
	return &Registrations{applier: a, changed: make(chan struct{}, 1), heard: map[at]heard{}, unkept: map[at]bool{},
		states: map[at]showing{}, moved: map[at]time.Time{}}
}

// Changed has a value when an event has come.
func (r *Registrations) Changed() <-chan struct{} { return r.changed }

// listenAgain is how long to wait before a switch is listened to again.
const listenAgain = time.Second

// Listen listens to the events of every switch until ctx is done.
func (r *Registrations) Listen(ctx context.Context) {
	r.applier.eachSwitch(func(_ int, b *batch) {
		for ctx.Err() == nil {
			// What happened while nobody listened is not known, so that nothing is from before.
			err := b.sw.GatewayEvents(ctx, func(e *freeswitch.GatewayEvent) { r.hear(b.sw.Addr(), e) })
			b.log.Debug("the switch's events end", "switch", b.sw.Addr(), "error", err)
			select {
			case <-time.After(listenAgain):
			case <-ctx.Done():
			}
		}
	})
}

// hear takes one event of a switch; nil: its events begin.
func (r *Registrations) hear(sw string, e *freeswitch.GatewayEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case e == nil:
		for key := range r.heard {
			if key.sw == sw {
				delete(r.heard, key)
			}
		}
		r.blind = true
		r.wake()
		return
	case !postgres.IsUUID(e.Gateway):
		return // not one of FusionPBX's
	}
	key := at{e.Gateway, sw}
	h := r.heard[key]
	switch {
	case e.Added: // what its carrier answered before was to other settings
		h = heard{since: time.Now()}
		r.unkept[key] = true
		r.blind = true // how it stands is not told
	case e.Answer.Code != 0 && e.Answer != h.answer:
		h.answer, h.since = e.Answer, time.Now()
		r.unkept[key] = true
	}
	if e.Answer.Code != 0 {
		h.last = time.Now()
	}
	h.state = e.State
	r.heard[key] = h
	if !e.Added {
		r.hearState(key, e.State)
	}
	r.wake()
}

// wake has Changed say so.
func (r *Registrations) wake() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// Blind reports, once, that there is something to see that no event tells: a switch is listened to anew, or has loaded
// a gateway.
func (r *Registrations) Blind() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	blind := r.blind
	r.blind = false
	return blind
}

// Keep writes the answers that have changed into our own table, for lists of gateways.
func (r *Registrations) Keep(ctx context.Context) error {
	r.mu.Lock()
	unkept := slices.Collect(maps.Keys(r.unkept))
	r.unkept = map[at]bool{}
	r.mu.Unlock()
	for len(unkept) > 0 {
		some := unkept[:min(len(unkept), keptAtOnce)]
		if err := r.keep(ctx, some); err != nil {
			r.mu.Lock()
			defer r.mu.Unlock()
			for _, key := range unkept {
				r.unkept[key] = true
			}
			return fmt.Errorf("keeping the carriers' answers: %w", err)
		}
		unkept = unkept[len(some):]
	}
	return nil
}

// keep writes what the carriers of these gateways answered last.
func (r *Registrations) keep(ctx context.Context, keys []at) error {
	var uuids, switches, phrases []string
	var codes []int
	var since []time.Time
	r.mu.Lock()
	for _, key := range keys {
		h := r.heard[key]
		uuids, switches, phrases = append(uuids, key.uuid), append(switches, key.sw), append(phrases, h.answer.Phrase)
		codes, since = append(codes, h.answer.Code), append(since, h.since)
	}
	r.mu.Unlock()
	_, err := r.applier.pbx.Pool.Exec(ctx, `
		insert into trunkline.gateway_answers as kept (gateway_uuid, switch, code, phrase, since)
		select * from unnest($1::uuid[], $2::text[], $3::integer[], $4::text[], $5::timestamptz[])
		on conflict (gateway_uuid, switch) do update set code = excluded.code, phrase = excluded.phrase, since = excluded.since
		where (kept.code, kept.phrase) <> (excluded.code, excluded.phrase)`, uuids, switches, codes, phrases, since)
	return err
}

// Seen is what every switch that answered has loaded, by the gateways' names.
type Seen map[string]map[string]standing

// Look asks each switch for its list, once for all who wait. A switch that does not answer is left out.
func (r *Registrations) Look(ctx context.Context) Seen {
	seen := Seen{}
	var mu sync.Mutex
	r.applier.eachSwitch(func(_ int, b *batch) {
		byName := map[string]standing{}
		err := b.sw.EachGateway(ctx, func(g *freeswitch.Gateway) {
			byName[strings.Clone(g.Name)] = standingOf(g)
		})
		if err != nil {
			b.log.Debug("registrations are not seen", "switch", b.sw.Addr(), "error", err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		seen[b.sw.Addr()] = byName
	})
	return seen
}

// Judge says what has become of a registration that is waited for: done once it is registered on every switch of
// the result, which then shows that, or refused by a carrier, which is the error. In the end, when there is no more
// time, it says why it was in vain. A gateway that registers again is not refused by what was answered before that
// began.
func (r *Registrations) Judge(result *Result, seen Seen, began time.Time, end bool) (done bool, err error) {
	up := true
	for i := range result.Switches {
		shown := &result.Switches[i]
		list, answered := seen[shown.Switch]
		var g *freeswitch.Gateway
		if stands, loaded := list[result.GatewayUUID]; loaded {
			g = new(stands.gateway())
		}
		if answered {
			*shown = ShownBy(shown.Switch, g)
			shown.CarrierAnswer = r.answer(at{result.GatewayUUID, shown.Switch})
		}
		if g == nil || !g.Up() {
			up = false
		}
	}
	result.sumUp()
	if up {
		return true, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, shown := range result.Switches {
		h := r.heard[at{result.GatewayUUID, shown.Switch}]
		refused := h.answer.Refuses() && (result.Action != Reregistered || h.last.After(began))
		if shown.Status != freeswitch.StatusUp && (refused || end) {
			return true, inVain(shown, h)
		}
	}
	return false, nil
}

// answer is what the gateway's carrier answered last since it was loaded, nil if that is not known.
func (r *Registrations) answer(of at) *CarrierAnswer {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.heard[of]
	if h.answer.Code == 0 {
		return nil
	}
	return &CarrierAnswer{Code: h.answer.Code, Phrase: h.answer.Phrase, Since: h.since.UTC().Format(time.RFC3339)}
}

// inVain words why a gateway is not registered.
func inVain(shown Shown, h heard) error {
	const stands = "the gateway is configured and loaded"
	failed := shown.State == freeswitch.StateFailed || shown.State == freeswitch.StateFailWait
	switch {
	case h.answer.Code >= 300:
		return fault.Errorf(fault.RegistrationFailed, "%s; its carrier refused the registration from switch %s: %s; correct what it refuses (username, password, domain), or ask the carrier", stands, shown.Switch, h.answer)
	case shown.State == StateNotLoaded:
		return fault.Errorf(fault.GatewayNotLoaded, "the gateway is configured and was loaded, and switch %s no longer has it; send the request again", shown.Switch)
	case failed && h.state == "":
		return fault.Errorf(fault.RegistrationFailed, "%s; switch %s shows its registration as %s: refused, reason not reported; look for it in freeswitch.log", stands, shown.Switch, shown.State)
	}
	return fault.Errorf(fault.Timeout, "%s, and did not register in time: its carrier does not answer switch %s, which shows %s; check gateway_domain and the way there", stands, shown.Switch, shown.State)
}

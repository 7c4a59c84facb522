package gateway

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/freeswitch"
	"trunkline/internal/postgres"
)

// StateChange is a gateway that a switch shows otherwise than before, or for the first time.
type StateChange struct {
	GatewayUUID string
	Switch      string
	State       string // FreeSWITCH's word for the registration
	Status      string // UP or DOWN
	Since       time.Time
}

// showing is how a switch shows a gateway.
type showing struct{ state, status string }

// hearState takes a state that an event told. What else there is to a gateway the next look sees.
func (r *Registrations) hearState(key at, state string) {
	before := r.states[key]
	now := showing{state, before.status}
	switch {
	case state == freeswitch.StateReged:
		now.status = freeswitch.StatusUp
	case before.status == "" || state == before.state || state == freeswitch.StateNoReg || state == freeswitch.StateRegister:
		return // a refresh passes through REGISTER, and a NOREG gateway's status is not told
	default:
		now.status = statusDown
	}
	r.note(key, now)
}

// note notes how a switch shows a gateway, if that is new.
func (r *Registrations) note(key at, now showing) {
	if r.states[key] != now {
		r.states[key] = now
		r.moved[key] = time.Now()
	}
}

// Correct puts right, by what each switch that answered has loaded, how the gateways are known to stand. What a switch
// does not have any more is forgotten.
func (r *Registrations) Correct(seen Seen) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for sw, list := range seen {
		for name, stands := range list {
			refreshes := stands.state == freeswitch.StateRegister && stands.status == freeswitch.StatusUp
			if postgres.IsUUID(name) && !refreshes {
				shown := ShownBy(sw, new(stands.gateway()))
				r.note(at{name, sw}, showing{shown.State, shown.Status})
			}
		}
		for key := range r.states {
			if _, listed := list[key.uuid]; key.sw == sw && !listed {
				delete(r.states, key)
				r.moved[key] = time.Now()
			}
		}
	}
}

// KeepStates writes how gateways stand into our own table, for lists of gateways, and returns those that stand
// otherwise than it had them.
func (r *Registrations) KeepStates(ctx context.Context) ([]StateChange, error) {
	r.mu.Lock()
	moved := r.moved
	r.moved = map[at]time.Time{}
	moves := make([]move, 0, len(moved))
	for key, when := range moved {
		now, stands := r.states[key]
		moves = append(moves, move{key, now, stands, when})
	}
	r.mu.Unlock()
	if len(moves) == 0 {
		return nil, nil
	}
	slices.SortFunc(moves, func(a, b move) int { return compareAt(a.at, b.at) })
	var changes []StateChange
	err := pgx.BeginFunc(ctx, r.applier.pbx.Pool, func(tx pgx.Tx) error {
		for some := range slices.Chunk(moves, keptAtOnce) {
			changed, err := keepStates(ctx, tx, some)
			if err != nil {
				return err
			}
			changes = append(changes, changed...)
		}
		return nil
	})
	if err == nil {
		return changes, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, when := range moved {
		if _, later := r.moved[key]; !later {
			r.moved[key] = when
		}
	}
	return nil, fmt.Errorf("keeping the gateways' states: %w", err)
}

// keptAtOnce is how many gateways one statement writes what is known of them: what pgx makes of its parameters is
// several times as much as they are.
const keptAtOnce = 1000

// move is how a gateway has come to stand, and when.
type move struct {
	at
	now    showing
	stands bool // the switch has it
	when   time.Time
}

func keepStates(ctx context.Context, tx pgx.Tx, moves []move) ([]StateChange, error) {
	var uuids, switches, states, statuses, goneUUIDs, goneSwitches []string
	var since []time.Time
	for _, m := range moves {
		if !m.stands {
			goneUUIDs, goneSwitches = append(goneUUIDs, m.uuid), append(goneSwitches, m.sw)
			continue
		}
		uuids, switches, states, statuses, since = append(uuids, m.uuid), append(switches, m.sw), append(states, m.now.state), append(statuses, m.now.status), append(since, m.when)
	}
	changes, err := postgres.Rows(ctx, tx, "keeping the gateways' states", pgx.RowToStructByPos[StateChange], `
		insert into trunkline.gateway_states as kept (gateway_uuid, switch, state, status, since, status_since)
		select *, since from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[]) as moved (gateway_uuid, switch, state, status, since)
		on conflict (gateway_uuid, switch) do update set state = excluded.state, status = excluded.status, since = excluded.since,
			status_since = case kept.status when excluded.status then kept.status_since else excluded.since end
		where (kept.state, kept.status) <> (excluded.state, excluded.status)
		returning gateway_uuid::text, switch, state, status, since`, uuids, switches, states, statuses, since)
	if err == nil && len(goneUUIDs) > 0 {
		_, err = tx.Exec(ctx, `
			delete from trunkline.gateway_states using unnest($1::uuid[], $2::text[]) as gone (gateway_uuid, switch)
			where gateway_states.gateway_uuid = gone.gateway_uuid and gateway_states.switch = gone.switch`, goneUUIDs, goneSwitches)
	}
	return changes, err
}

// Recall reads what was kept, so that what has gone since is forgotten there too.
func (r *Registrations) Recall(ctx context.Context) error {
	type kept struct{ UUID, Switch, State, Status string }
	found, err := postgres.Rows(ctx, r.applier.pbx.Pool, "reading the gateways' states", pgx.RowToStructByPos[kept], `
		select gateway_uuid::text, switch, state, status from trunkline.gateway_states`)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range found {
		r.states[at{k.UUID, k.Switch}] = showing{k.State, k.Status}
	}
	return err
}

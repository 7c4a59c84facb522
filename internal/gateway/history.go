package gateway

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/postgres"
)

// History is what Keep has written of gateways, by their uuids and the switches' addresses: what the carriers answered
// last, and since when the switches show them as they do.
type History map[string]map[string]past

type past struct {
	answer        *CarrierAnswer
	state, status string
	since         time.Time
}

// ReadHistory reads it of these gateways.
func ReadHistory(ctx context.Context, q postgres.Querier, uuids []string) (History, error) {
	type kept struct {
		UUID, Switch  string
		Code          int
		Phrase        string
		Answered      *time.Time
		State, Status string
		Since         *time.Time
	}
	found, err := postgres.Rows(ctx, q, "reading the gateways' history", pgx.RowToStructByPos[kept], `
		select gateway_uuid::text, switch, coalesce(code, 0), coalesce(phrase, ''), a.since, coalesce(state, ''), coalesce(status, ''), s.since
		from (select * from trunkline.gateway_answers where gateway_uuid = any($1::uuid[])) a
		full join (select * from trunkline.gateway_states where gateway_uuid = any($1::uuid[])) s using (gateway_uuid, switch)`, uuids)
	history := History{}
	for _, k := range found {
		p := past{state: k.State, status: k.Status}
		if k.Code != 0 {
			p.answer = &CarrierAnswer{Code: k.Code, Phrase: k.Phrase, Since: timeText(*k.Answered)}
		}
		if k.Since != nil {
			p.since = *k.Since
		}
		if history[k.UUID] == nil {
			history[k.UUID] = map[string]past{}
		}
		history[k.UUID][k.Switch] = p
	}
	return history, err
}

// AddTo has the switches' views of a gateway show its carrier's answer, and since when they are so, where one has it
// loaded.
func (h History) AddTo(uuid string, switches []Shown) {
	for i := range switches {
		shown := &switches[i]
		p, known := h[uuid][shown.Switch]
		if !known || shown.State == StateNotLoaded {
			continue
		}
		shown.CarrierAnswer = p.answer
		if p.state == shown.State && p.status == shown.Status {
			shown.StateSince = timeText(p.since)
		}
	}
}

func timeText(t time.Time) string { return t.UTC().Format(time.RFC3339) }

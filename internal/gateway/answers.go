package gateway

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/postgres"
)

// Answers are what the carriers answered last, by the gateways' uuids and the switches' addresses.
type Answers map[string]map[string]CarrierAnswer

// ReadAnswers reads what Keep has written of these gateways.
func ReadAnswers(ctx context.Context, q postgres.Querier, uuids []string) (Answers, error) {
	type kept struct {
		UUID, Switch string
		Code         int
		Phrase       string
		Since        time.Time
	}
	found, err := postgres.Rows(ctx, q, "reading the carriers' answers", pgx.RowToStructByPos[kept], `
		select gateway_uuid::text, switch, code, phrase, since from trunkline.gateway_answers where gateway_uuid = any($1::uuid[]) and code <> 0`, uuids)
	answers := Answers{}
	for _, k := range found {
		if answers[k.UUID] == nil {
			answers[k.UUID] = map[string]CarrierAnswer{}
		}
		answers[k.UUID][k.Switch] = CarrierAnswer{Code: k.Code, Phrase: k.Phrase, Since: k.Since.UTC().Format(time.RFC3339)}
	}
	return answers, err
}

// AddTo has the switches' views of a gateway show its carrier's answer, where one has it loaded.
func (a Answers) AddTo(uuid string, switches []Shown) {
	for i := range switches {
		if answer, told := a[uuid][switches[i].Switch]; told && switches[i].State != StateNotLoaded {
			switches[i].CarrierAnswer = &answer
		}
	}
}

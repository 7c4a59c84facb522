package outbox

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"trunkline/internal/delivery"
	"trunkline/internal/postgres"
)

// ourselves is who asks for what nobody has asked for.
const ourselves = "trunkline"

// Announce makes a delivery to each enabled destination that is subscribed to the event: those of the domain that it is about
// ("": none), and those of all domains. data is the message's. It does so in the caller's transaction, with which the event is
// then told or not at all; once that is committed the caller has the jobs admitted with Admit. It returns how many there are.
func (b *Box) Announce(ctx context.Context, tx pgx.Tx, domainUUID, event string, at time.Time, data any) (int, error) {
	type subscriber struct{ ID, DomainUUID, Name string }
	to, err := postgres.Rows(ctx, tx, "looking for who is told of "+event, pgx.RowToStructByPos[subscriber], `
		select id::text, coalesce(domain_uuid::text, ''), name from trunkline.destinations
		where enabled and $2 = any(string_to_array(settings->>'events', ',')) and (domain_uuid is null or domain_uuid = nullif($1, '')::uuid)
		order by id`, domainUUID, event)
	if err != nil || len(to) == 0 {
		return 0, err
	}
	body, err := delivery.Envelope{Type: event, Timestamp: at, Data: data}.Encode()
	if err != nil {
		return 0, err
	}
	all := make([]New, len(to))
	for i, s := range to {
		// It is the destination's owner's, not that of what it is about: a domain is not shown who of all domains is told.
		all[i] = New{
			DomainUUID: s.DomainUUID, CreatedBy: uuid.Nil.String(), CreatedByName: ourselves,
			DestinationID: s.ID, DestinationName: s.Name, Event: event, Payload: body,
		}
	}
	made, err := b.Add(ctx, tx, all)
	return len(made), err
}

// IsSubscribed reports whether anybody is told of the event.
func (b *Box) IsSubscribed(ctx context.Context, q postgres.Querier, event string) (bool, error) {
	return postgres.Value[bool](ctx, q, "looking for who is told of "+event,
		"select exists (select from trunkline.destinations where enabled and $1 = any(string_to_array(settings->>'events', ',')))", event)
}

// Admit has the jobs of new deliveries start.
func (b *Box) Admit(ctx context.Context) { b.tasks.Admit(ctx) }

package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/pbx"
	"trunkline/internal/postgres"
)

// Adopt has the gateway GatewayUUID of asked, which is there, known by the external_id from now on, under the lock under
// which rows are written. A fault.Conflict is an external_id that is another gateway's, or a gateway that has
// another one, which replace takes away. adopted is false if it had this one alone.
func Adopt(ctx context.Context, p *pbx.PBX, asked Request, replace bool) (adopted bool, err error) {
	err = pgx.BeginFunc(ctx, p.Pool, func(tx pgx.Tx) error {
		db := p.FusionPBX.In(tx)
		if err := db.LockGateways(ctx, asked.DomainUUID); err != nil {
			return err
		}
		row, err := db.GatewayByUUID(ctx, asked.GatewayUUID)
		if errors.Is(err, fusionpbx.ErrNotFound) || err == nil && row.DomainUUID != asked.DomainUUID {
			return fault.Errorf(fault.NotFound, "gateway_uuid: there is no such gateway any more")
		}
		if err != nil {
			return err
		}
		if err := free(ctx, tx, db, asked); err != nil {
			return err
		}
		has, err := ExternalIDs(ctx, tx, []string{row.UUID})
		if err != nil {
			return err
		}
		others := slices.DeleteFunc(slices.Clone(has[row.UUID]), func(id string) bool { return id == asked.ExternalID })
		switch {
		case len(others) == 0 && len(has[row.UUID]) > 0:
			return nil
		case len(others) > 0 && !replace:
			return fault.Errorf(fault.Conflict, "gateway_uuid: gateway %s is known by the external_id %q already; use that one, or send replace=true", row.UUID, fault.Clip(others[0]))
		}
		adopted = true
		if _, err := tx.Exec(ctx, "delete from trunkline.external_ids where gateway_uuid = $1", row.UUID); err != nil {
			return fmt.Errorf("taking a gateway's external_ids away: %w", err)
		}
		return NameExternally(ctx, tx, []ExternalName{{&asked, row.UUID}})
	})
	return adopted, err
}

// free fails if the external_id is that of another gateway, which is there.
func free(ctx context.Context, tx pgx.Tx, db *fusionpbx.DB, asked Request) error {
	holders, err := postgres.Rows(ctx, tx, "reading whose external_id it is", pgx.RowTo[string], `
		select gateway_uuid::text from trunkline.external_ids
		where domain_uuid is not distinct from nullif($1, '')::uuid and lower(external_id) = lower($2)`, asked.DomainUUID, asked.ExternalID)
	if err != nil {
		return err
	}
	rows, err := db.GatewaysByUUIDs(ctx, holders)
	for uuid, row := range rows {
		if uuid != asked.GatewayUUID && row.DomainUUID == asked.DomainUUID {
			return fault.Errorf(fault.Conflict, "external_id: %q is that of gateway %s; use another one, or delete that gateway", fault.Clip(asked.ExternalID), uuid)
		}
	}
	return err
}

package gateway

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/pbx"
	"trunkline/internal/postgres"
)

// Resolve finds the gateway that the request's external_id names, whatever it is called by now: a request that calls
// it otherwise renames it. It returns the request as it is if there is none yet. A fault.Conflict is an external_id that
// differs from another one in case alone, or a deletion that calls the gateway otherwise.
func Resolve(ctx context.Context, p *pbx.PBX, asked Request) (Request, error) {
	if asked.ExternalID == "" {
		return asked, nil
	}
	type named struct{ ExternalID, UUID string }
	found, err := postgres.Rows(ctx, p.Pool, "reading whose external_id it is", pgx.RowToStructByPos[named], `
		select external_id, gateway_uuid::text from trunkline.external_ids
		where domain_uuid is not distinct from nullif($1, '')::uuid and lower(external_id) = lower($2)`, asked.DomainUUID, asked.ExternalID)
	if err != nil || len(found) == 0 {
		return asked, err
	}
	row, err := p.FusionPBX.GatewayByUUID(ctx, found[0].UUID)
	switch {
	case errors.Is(err, fusionpbx.ErrNotFound) || err == nil && row.DomainUUID != asked.DomainUUID:
		return asked, nil
	case err != nil:
		return asked, err
	case found[0].ExternalID != asked.ExternalID:
		return asked, fault.Errorf(fault.Conflict, "external_id: %q is that of gateway %s, but for its case; write it as it was, or use another one",
			fault.Clip(found[0].ExternalID), row.UUID)
	case asked.Name != "" && asked.Name != row.Label() && asked.Delete:
		return asked, fault.Errorf(fault.Conflict, "gateway_name: external_id %q names gateway %q; send one of them, or both as they belong together",
			fault.Clip(asked.ExternalID), row.Label())
	case asked.Name != "" && asked.Name != row.Label():
		asked.Values = maps.Clone(asked.Values)
		asked.Values["gateway"] = asked.Name
	}
	asked.GatewayUUID, asked.Name = row.UUID, row.Label()
	return asked, nil
}

// NameExternally notes, in the caller's transaction, by which external_id the gateway is known from now on.
func NameExternally(ctx context.Context, tx pgx.Tx, asked Request, row fusionpbx.Gateway) error {
	_, err := tx.Exec(ctx, `
		insert into trunkline.external_ids (domain_uuid, external_id, gateway_uuid) values (nullif($1, '')::uuid, $2, $3)
		on conflict (coalesce(domain_uuid, '00000000-0000-0000-0000-000000000000'), lower(external_id))
		do update set external_id = excluded.external_id, gateway_uuid = excluded.gateway_uuid`, asked.DomainUUID, asked.ExternalID, row.UUID)
	if err != nil {
		return fmt.Errorf("noting a gateway's external_id: %w", err)
	}
	return nil
}

// UnnameExternally takes back, in the caller's transaction, what NameExternally noted.
func UnnameExternally(ctx context.Context, tx pgx.Tx, asked Request) error {
	_, err := tx.Exec(ctx, `
		delete from trunkline.external_ids
		where domain_uuid is not distinct from nullif($1, '')::uuid and external_id = $2`, asked.DomainUUID, asked.ExternalID)
	if err != nil {
		return fmt.Errorf("taking back a gateway's external_id: %w", err)
	}
	return nil
}

// ForgetExternally forgets by which external_ids a gateway that is gone was known.
func ForgetExternally(ctx context.Context, pool *pgxpool.Pool, gatewayUUID string) error {
	if _, err := pool.Exec(ctx, "delete from trunkline.external_ids where gateway_uuid = $1", gatewayUUID); err != nil {
		return fmt.Errorf("forgetting a gateway's external_id: %w", err)
	}
	return nil
}

// Existing are the rows that bear on the request: those of its gateway, and those that bear the name it is to get.
func Existing(ctx context.Context, db *fusionpbx.DB, asked Request) ([]fusionpbx.Gateway, error) {
	w := &work{Change: Change{Request: asked}}
	rows, err := existing(ctx, db, []*work{w})
	return rows[w], err
}

func existing(ctx context.Context, db *fusionpbx.DB, works []*work) (map[*work][]fusionpbx.Gateway, error) {
	var labels []fusionpbx.Label
	var uuids []string
	for _, w := range works {
		labels = append(labels, w.labels()...)
		for _, uuid := range []string{w.GatewayUUID, w.CopyOf} {
			if uuid != "" {
				uuids = append(uuids, uuid)
			}
		}
	}
	byLabel, err := db.GatewaysByLabels(ctx, labels)
	if err != nil {
		return nil, err
	}
	byUUID := map[string]fusionpbx.Gateway{}
	if len(uuids) > 0 {
		if byUUID, err = db.GatewaysByUUIDs(ctx, uuids); err != nil {
			return nil, err
		}
	}
	found := make(map[*work][]fusionpbx.Gateway, len(works))
	for _, w := range works {
		named := []string{w.GatewayUUID, w.CopyOf}
		for _, uuid := range named {
			if row, there := byUUID[uuid]; there && row.DomainUUID == w.DomainUUID {
				found[w] = append(found[w], row)
			}
		}
		for _, label := range w.labels() {
			for _, row := range byLabel[label] {
				if !slices.Contains(named, row.UUID) {
					found[w] = append(found[w], row)
				}
			}
		}
	}
	return found, nil
}

// labels are the gateway's, and the one that it is to have.
func (w *work) labels() []fusionpbx.Label {
	labels := []fusionpbx.Label{w.label()}
	if name := w.NewName(); name != "" && name != w.Name {
		labels = append(labels, fusionpbx.Label{DomainUUID: w.DomainUUID, Name: name})
	}
	return labels
}
